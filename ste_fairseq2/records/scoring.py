"""An answer to score by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ste_fairseq2.jsonl import Row
from ste_fairseq2.records.identity import other_fields, row_identity


@dataclass(frozen=True)
class ScoreInput:
    """A request and one answer to it."""

    id: str
    input: str
    response: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_row(row: Row) -> ScoreInput:
        """Read `input` and `response`, or `instruction` and `baseline` as `ste respond` writes them."""
        names = ("input", "response") if "input" in row.data else ("instruction", "baseline")
        if names[0] not in row.data:
            row.require("input")
        instruction, response = row.non_empty_text(names[0]), row.text(names[1])

        return ScoreInput(
            id=row_identity(row, instruction, response),
            input=instruction,
            response=response,
            extra=other_fields(row, "id", *names),
        )
