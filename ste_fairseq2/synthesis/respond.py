"""The stage behind `ste respond`: the response to each instruction that will be a pair's better side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ste_fairseq2.engines.prompting import Prompter
from ste_fairseq2.engines.protocol import GenerationResult
from ste_fairseq2.records import Instruction, Message, Response
from ste_fairseq2.synthesis.config import StageConfig
from ste_fairseq2.synthesis.inputs import InputRecord, StageInputs
from ste_fairseq2.synthesis.replies import ReplyPlan, ReplyTask, Unusable
from ste_fairseq2.synthesis.stage import IsDone, StageOutcome, StageWork, run_stage

_STAGE: Final = "respond"


@dataclass(kw_only=True)
class RespondConfig(StageConfig):
    """`ste respond`."""

    inputs: str
    """instructions: the folder of `ste select`, or JSONL with `instruction` and, where known, `id`"""


def run_respond(config: RespondConfig) -> StageOutcome:
    """Write a response to every instruction that has none; see :func:`run_stage` for what it raises."""
    plan = ReplyPlan(stage=_STAGE, sampling=config.sampling(), seed=config.seed)

    def make_tasks(
        record: InputRecord[Instruction], prompter: Prompter, is_done: IsDone
    ) -> Iterator[ReplyTask]:
        content = record.content
        if not is_done(record.id):
            message = Message("user", content.instruction)
            yield ReplyTask(
                record.id,
                lambda: prompter.render([message]),
                plan,
                lambda result: read_response(record.id, content, result),
            )

    inputs = StageInputs(config.inputs, Instruction.from_row, limit=config.limit)

    return run_stage(config, StageWork(name=_STAGE, inputs=inputs, make_tasks=make_tasks))


def read_response(
    record_id: str, content: Instruction, result: GenerationResult
) -> dict[str, Any] | Unusable:
    """Return the record, or why there is none: a response that is cut is no better side of a pair."""
    if result.finish_reason == "length":
        return Unusable("truncated")
    baseline = result.text.strip()
    if not baseline:
        return Unusable("empty")

    return Response(record_id, content.instruction, baseline, content.extra).to_row()
