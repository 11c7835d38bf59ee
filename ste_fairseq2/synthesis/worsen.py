"""The stage behind `ste worsen`: to each response a worse one, without asking a judge.

Two ways (paper 3.2 and 6.2): the model writes a related instruction and answers that one well, which is
a plausible but worse answer to the first; or it rewrites the response to be worse directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from ste_fairseq2.engines.prompting import Prompter
from ste_fairseq2.engines.protocol import GenerationResult
from ste_fairseq2.errors import ConfigError
from ste_fairseq2.prompts import load_prompt
from ste_fairseq2.records import Response, ResponsePair
from ste_fairseq2.synthesis.config import StageConfig
from ste_fairseq2.synthesis.inputs import InputRecord, StageInputs
from ste_fairseq2.synthesis.replies import ReplyPlan, ReplyTask, Unusable
from ste_fairseq2.synthesis.stage import IsDone, StageOutcome, StageWork, run_stage
from ste_fairseq2.synthesis.worse_reply import Reading, read_related, read_rewrite

_STAGE: Final = "worsen"

_FIELDS: Final = ("input", "generation")
"""What the prompt's template must show: the instruction and the response, by their released names."""


class _Way(NamedTuple):
    prompt: str
    read: Callable[[Response, GenerationResult], Reading]


_WAYS: Final = {
    "related": _Way("worse-related", read_related),
    "rewrite": _Way("worse-rewrite", read_rewrite),
}


@dataclass(kw_only=True)
class WorsenConfig(StageConfig):
    """`ste worsen`."""

    inputs: str
    """responses: the folder of `ste respond`, or JSONL with `instruction` and `baseline`"""
    way: Literal["related", "rewrite"] = "related"
    """related: answer a closely related instruction well (the paper); rewrite: make the response worse
    directly (its ablation)"""
    prompt: str | None = None
    """prompt by name or path; where absent worse-related or worse-rewrite, as the way asks for
    (released-worse-response is upstream's wording of the first)"""
    attempts: int = 3
    """replies drawn for a response until one can be used"""

    def validate(self) -> None:
        super().validate()
        if self.attempts < 1:
            raise ConfigError("attempts", f"must be at least 1, but is {self.attempts}.")
        self.check_varied("attempts")


def run_worsen(config: WorsenConfig) -> StageOutcome:
    """Make a pair of every response that is in none; see :func:`run_stage` for what it raises.

    :raises PromptFileError: the prompt is not known or lacks a field.
    """
    way = _WAYS[config.way]
    template = load_prompt(config.prompt or way.prompt)
    template.require(*_FIELDS)
    plan = ReplyPlan(
        stage=_STAGE, sampling=config.sampling(), seed=config.seed, attempts=config.attempts
    )

    def make_tasks(
        record: InputRecord[Response], prompter: Prompter, is_done: IsDone
    ) -> Iterator[ReplyTask]:
        content = record.content
        if not is_done(record.id):
            values = dict(zip(_FIELDS, (content.instruction, content.baseline), strict=True))
            yield ReplyTask(
                record.id,
                lambda: prompter.render(template.render(values)),
                plan,
                lambda result: _to_row(record.id, content, way.read(content, result)),
            )

    work = StageWork(
        name=_STAGE,
        inputs=StageInputs(config.inputs, Response.from_row, limit=config.limit),
        make_tasks=make_tasks,
        template=template,
        settings={"way": config.way, "attempts": config.attempts},
    )

    return run_stage(config, work)


def _to_row(record_id: str, content: Response, reading: Reading) -> dict[str, Any] | Unusable:
    if isinstance(reading, Unusable):
        return reading

    return ResponsePair(
        id=record_id,
        instruction=content.instruction,
        baseline=content.baseline,
        worse=reading.worse,
        modified_instruction=reading.modified_instruction,
        extra=content.extra,
    ).to_row()
