"""Ranked answers: what is written is read again, and a rank is a number."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ste_fairseq2.errors import RowError
from ste_fairseq2.jsonl import Row, parse_row
from ste_fairseq2.records import content_id
from ste_fairseq2.records.ranked import RankedAnswer
from ste_fairseq2.records.scoring import ScoreInput

ROW = {"id": "a", "instruction_id": "i", "input": "Ask", "response": "Say", "rank": 0}


def row(data: dict[str, Any]) -> Row:
    return parse_row(json.dumps(data).encode(), "a.jsonl", 4)


def test_rows_come_back_as_they_were() -> None:
    assert RankedAnswer.from_row(row(ROW)).to_row() == ROW


@pytest.mark.parametrize(("rank", "written"), [(1.0, "1"), (1, "1"), (0.5, "0.5")])
def test_a_whole_rank_is_written_as_one(rank: float, written: str) -> None:
    found = RankedAnswer.from_row(row(ROW | {"rank": rank}))

    assert json.dumps(found.to_row()["rank"]) == written


def test_ids_are_of_the_content_where_there_is_none() -> None:
    found = RankedAnswer.from_row(row({"input": "Ask", "response": "Say", "rank": 2}))

    assert (found.id, found.instruction_id) == (content_id("Ask", "Say"), content_id("Ask"))


def test_a_scoring_keeps_what_it_does_not_know() -> None:
    assert ScoreInput.from_row(row(ROW)).extra == {"instruction_id": "i", "rank": 0}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rank": None}, "`rank` must be a number, but is null"),
        ({"rank": True}, "`rank` must be a number"),
        ({"input": ""}, "`input` must not be empty"),
        ({"response": None}, "`response` must be a string"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowError, match=f"a.jsonl:4: {reason}"):
        RankedAnswer.from_row(row(ROW | changes))


def test_a_rank_must_be_there() -> None:
    with pytest.raises(RowError, match="`rank` is missing"):
        RankedAnswer.from_row(row({name: value for name, value in ROW.items() if name != "rank"}))
