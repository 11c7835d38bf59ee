"""Instructions, responses and pairs: rows in, rows out, and what is refused with its place."""

from __future__ import annotations

from typing import Any

import pytest

from ste_fairseq2.errors import RowError
from ste_fairseq2.jsonl import Row
from ste_fairseq2.records import Instruction, Response, ResponsePair

PAIR = {
    "id": "p",
    "instruction": "q",
    "baseline": "good",
    "worse": "bad",
    "modified_instruction": "q2",
    "category": "Coding",
}


def _row(**fields: Any) -> Row:
    return Row("x.jsonl", 3, {k: v for k, v in (PAIR | fields).items() if v is not None})


@pytest.mark.parametrize("kind", [Instruction, Response, ResponsePair])
def test_a_row_comes_back_as_it_was(kind: Any) -> None:
    """Fields that a record does not know are kept."""
    assert kind.from_row(_row()).to_row() == PAIR


def test_a_record_made_anew_wins_over_fields_of_its_name() -> None:
    """A file of pairs may be the instructions of another round."""
    instruction = Instruction.from_row(_row())

    row = Response(instruction.id, instruction.instruction, "new", instruction.extra).to_row()

    assert row == PAIR | {"baseline": "new"}


def test_a_pair_made_another_way_has_no_modified_instruction() -> None:
    pair = ResponsePair.from_row(_row(modified_instruction=None))

    assert pair.modified_instruction is None
    assert "modified_instruction" not in pair.to_row()


def test_a_row_without_an_id_is_named_by_its_content() -> None:
    first, second = (Instruction.from_row(_row(id=None, category=c)) for c in ("x", "y"))

    assert first.id == second.id != Instruction.from_row(_row(id=None, instruction="other")).id


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        (Instruction, {"instruction": None}, "x.jsonl:3: `instruction` is missing"),
        (Instruction, {"instruction": " "}, "`instruction` must not be empty"),
        (Instruction, {"instruction": 5}, "`instruction` must be a string"),
        (Instruction, {"id": ""}, "`id` must be a non-empty string"),
        (Response, {"baseline": None}, "`baseline` is missing"),
        (Response, {"baseline": ["x"]}, "`baseline` must be a string"),
        (ResponsePair, {"worse": None}, "`worse` is missing"),
        (ResponsePair, {"worse": "good"}, "`worse` equals `baseline`"),
        (ResponsePair, {"modified_instruction": 1}, "`modified_instruction` must be a string"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(kind: Any, fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowError, match=reason):
        kind.from_row(_row(**fields))
