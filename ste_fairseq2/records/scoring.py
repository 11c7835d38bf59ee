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
        instruction, response = row.non_empty_text("input"), row.text("response")

        return ScoreInput(
            id=row_identity(row, instruction, response),
            input=instruction,
            response=response,
            extra=other_fields(row, "id", "input", "response"),
        )
