"""An answer that people ranked among others to the same instruction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ste_fairseq2.jsonl import Row
from ste_fairseq2.records.identity import content_id, row_identity


@dataclass(frozen=True)
class RankedAnswer:
    """An instruction and one of its answers, by the names that `ste judge --mode score` reads."""

    id: str
    instruction_id: str
    input: str
    response: str
    rank: float
    """0 is the best; answers of one rank are equally good."""

    @staticmethod
    def from_row(row: Row) -> RankedAnswer:
        """Read a row; answers to the same text belong together where no ``instruction_id`` says so."""
        instruction, response = row.non_empty_text("input"), row.non_empty_text("response")
        rank = row.optional_number("rank")
        if rank is None:
            row.require("rank")
            row.fail("rank", "must be a number, but is null.")

        return RankedAnswer(
            id=row_identity(row, instruction, response),
            instruction_id=row.optional_text("instruction_id") or content_id(instruction),
            input=instruction,
            response=response,
            rank=rank,
        )

    def to_row(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "instruction_id": self.instruction_id,
            "input": self.input,
            "response": self.response,
            # Whether a file says 1 or 1.0 is an accident of its format.
            "rank": int(self.rank) if self.rank.is_integer() else self.rank,
        }
