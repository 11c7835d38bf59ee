"""What becomes of an instruction: a response to it, and a pair of a good and a worse one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ste_fairseq2.jsonl import Row
from ste_fairseq2.records.identity import other_fields, row_identity, with_other_fields


@dataclass(frozen=True)
class Instruction:
    """What a user asked. Everything else that is known of it (``source``, ``category``, ``complexity``,
    ``expected_length`` and whatever its file has) is ``extra``."""

    id: str
    instruction: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_row(row: Row) -> Instruction:
        instruction = row.non_empty_text("instruction")

        return Instruction(
            id=row_identity(row, instruction),
            instruction=instruction,
            extra=other_fields(row, "id", "instruction"),
        )

    def to_row(self) -> dict[str, Any]:
        return with_other_fields({"id": self.id, "instruction": self.instruction}, self.extra)


@dataclass(frozen=True)
class Response:
    """An instruction with the response that the pair's better side will be."""

    id: str
    instruction: str
    baseline: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_row(row: Row) -> Response:
        instruction, baseline = row.non_empty_text("instruction"), row.non_empty_text("baseline")

        return Response(
            id=row_identity(row, instruction, baseline),
            instruction=instruction,
            baseline=baseline,
            extra=other_fields(row, "id", "instruction", "baseline"),
        )

    def to_row(self) -> dict[str, Any]:
        row = {"id": self.id, "instruction": self.instruction, "baseline": self.baseline}

        return with_other_fields(row, self.extra)


@dataclass(frozen=True)
class ResponsePair:
    """An instruction with a response and a worse one, made so without a human label (paper 3.2)."""

    id: str
    instruction: str
    baseline: str
    worse: str
    modified_instruction: str | None = None
    """The related instruction that ``worse`` answers well; ``None`` where it was made another way."""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_row(row: Row) -> ResponsePair:
        instruction = row.non_empty_text("instruction")
        baseline, worse = row.non_empty_text("baseline"), row.non_empty_text("worse")
        if baseline == worse:
            row.fail("worse", "equals `baseline`, so neither response is the better one.")

        return ResponsePair(
            id=row_identity(row, instruction, baseline, worse),
            instruction=instruction,
            baseline=baseline,
            worse=worse,
            modified_instruction=row.optional_text("modified_instruction"),
            extra=other_fields(row, "id", "instruction", "baseline", "worse", "modified_instruction"),
        )

    def to_row(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": self.id,
            "instruction": self.instruction,
            "baseline": self.baseline,
            "worse": self.worse,
        }
        if self.modified_instruction is not None:
            row["modified_instruction"] = self.modified_instruction

        return with_other_fields(row, self.extra)
