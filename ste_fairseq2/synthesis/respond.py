"""The stage behind `ste respond`: responses, one to each instruction or several to choose among."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ste_fairseq2.engines.prompting import Prompter
from ste_fairseq2.engines.protocol import GenerationResult
from ste_fairseq2.errors import ConfigError
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
    samples: int = 1
    """responses drawn for each instruction; several have the ids ID:0, ID:1 … and the instruction's own
    as instruction_id"""

    def validate(self) -> None:
        super().validate()
        if self.samples < 1:
            raise ConfigError("samples", f"must be at least 1, but is {self.samples}.")
        self.check_varied("samples")


def run_respond(config: RespondConfig) -> StageOutcome:
    """Write a response to every instruction that has none; see :func:`run_stage` for what it raises."""
    plan = ReplyPlan(stage=_STAGE, sampling=config.sampling(), seed=config.seed)

    def make_tasks(
        record: InputRecord[Instruction], prompter: Prompter, is_done: IsDone
    ) -> Iterator[ReplyTask]:
        content = record.content
        message = Message("user", content.instruction)
        several = {} if config.samples == 1 else {"instruction_id": record.id}
        for sample in range(config.samples):
            response_id = record.id if config.samples == 1 else f"{record.id}:{sample}"
            if not is_done(response_id):
                yield ReplyTask(
                    response_id,
                    lambda: prompter.render([message]),
                    plan,
                    functools.partial(read_response, response_id, content, several),
                )

    work = StageWork(
        name=_STAGE,
        inputs=StageInputs(config.inputs, Instruction.from_row, limit=config.limit),
        make_tasks=make_tasks,
        tasks_per_record=config.samples,
        settings={"samples": config.samples},
    )

    return run_stage(config, work)


def read_response(
    record_id: str, content: Instruction, fields: Mapping[str, Any], result: GenerationResult
) -> dict[str, Any] | Unusable:
    """Return the record, or why there is none: a response that is cut is no better side of a pair.

    :param fields: further fields of the record.
    """
    if result.finish_reason == "length":
        return Unusable("truncated")
    baseline = result.text.strip()
    if not baseline:
        return Unusable("empty")

    return Response(record_id, content.instruction, baseline, {**content.extra, **fields}).to_row()
