"""What `ste judge` reads: pairs, or prompts that were rendered beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from ste_fairseq2.jsonl import Row
from ste_fairseq2.records import JudgeInput
from ste_fairseq2.synthesis.inputs import InputRecord, StageInputs
from ste_fairseq2.verdicts import Verdict


@dataclass(frozen=True)
class RenderedInput:
    """A prompt that already carries the chat template, shown to the model as it is."""

    id: str
    text: str
    label: Verdict | None
    extra: dict[str, Any]

    @staticmethod
    def from_row(row: Row, key: str) -> RenderedInput:
        text = row.non_empty_text(key)
        # Identity and label are read as those of a pair are; only the content differs.
        rest = {name: value for name, value in row.data.items() if name != key}
        stand_in = {"input": text, "response_a": "", "response_b": ""}
        pair = JudgeInput.from_row(Row(row.source, row.line, rest | stand_in))
        known = ("id", "label")

        return RenderedInput(
            pair.id, text, pair.label, {k: v for k, v in rest.items() if k not in known}
        )


JudgeTask: TypeAlias = InputRecord[JudgeInput | RenderedInput]

JudgeInputs: TypeAlias = StageInputs[JudgeInput | RenderedInput]


def judge_inputs(
    location: str, *, split: str = "train", prompt_key: str | None = None, limit: int | None = None
) -> JudgeInputs:
    """Return the inputs at ``location``; see :class:`~ste_fairseq2.synthesis.inputs.StageInputs`.

    :param prompt_key: the field that holds rendered prompts; pairs are read where it is ``None``.
    """

    def read(row: Row) -> JudgeInput | RenderedInput:
        return (
            JudgeInput.from_row(row) if prompt_key is None else RenderedInput.from_row(row, prompt_key)
        )

    return StageInputs(location, read, split=split, limit=limit)
