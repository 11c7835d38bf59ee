"""Human-ranked answers as a benchmark: its pairs, its items, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.errors import EmptyDataError, RowError
from ste_fairseq2.evaluation.catalogue import find_benchmark
from ste_fairseq2.evaluation.sources import load_items, load_pairs
from ste_fairseq2.records import content_id
from ste_fairseq2.verdicts import Verdict

WriteRows = Callable[..., Path]

ROWS: list[dict[str, Any]] = [
    {"id": "a", "instruction_id": "i", "input": "q", "response": "fair", "rank": 1},
    {"id": "b", "instruction_id": "j", "input": "r", "response": "x", "rank": 2, "subset": "s"},
    {"id": "c", "instruction_id": "i", "input": "q", "response": "best", "rank": 0},
    {"id": "d", "instruction_id": "i", "input": "q", "response": "as fair", "rank": 1},
    {"id": "e", "instruction_id": "j", "input": "r", "response": "y", "rank": 2.5, "subset": "s"},
    {"id": "f", "instruction_id": "k", "input": "t", "response": "alone", "rank": 1},
    {"id": "g", "instruction_id": "l", "input": "u", "response": "as good", "rank": 1},
    {"id": "h", "instruction_id": "l", "input": "u", "response": "as another", "rank": 1},
]


def test_every_two_answers_of_different_ranks_are_a_pair(write_jsonl: WriteRows) -> None:
    pairs, passed_over = load_pairs(find_benchmark("ranked"), write_jsonl("r.jsonl", ROWS))

    assert [(p.key, p.prompt, p.answers, p.better) for p in pairs] == [
        ("i#0-1", "q", ("fair", "best"), Verdict.B),
        ("i#1-2", "q", ("best", "as fair"), Verdict.A),
        ("s/j#0-1", "r", ("x", "y"), Verdict.A),
    ]
    assert passed_over == {"instructions_with_a_single_rank": 2}


def test_the_comparisons_of_scores_are_the_same_pairs(write_jsonl: WriteRows) -> None:
    path = write_jsonl("r.jsonl", ROWS)
    pairs, _ = load_pairs(find_benchmark("ranked"), path)
    items, passed_over = load_items(find_benchmark("ranked"), path)
    compared = [part for item in items for part in item.comparisons()]

    assert [(item.id, item.ranks) for item in items] == [("i", (1, 0, 1)), ("s/j", (2, 2.5))]
    assert [[c.id for c in item.candidates] for item in items] == [
        ["i#0", "i#1", "i#2"],
        ["s/j#0", "s/j#1"],
    ]
    # The better answer first, under the name it has in the item.
    assert [part.answer_ids for part in compared] == [
        ("i#1", "i#0"),
        ("i#1", "i#2"),
        ("s/j#0", "s/j#1"),
    ]
    assert [(part.id, part.subset) for part in compared] == [(pair.key, pair.subset) for pair in pairs]
    assert [part.shown for part in compared] == [pair.to_item().shown for pair in pairs]
    assert passed_over == {"instructions_with_a_single_rank": 2}


def test_answers_belong_together_by_the_text_where_nothing_names_it(write_jsonl: WriteRows) -> None:
    rows = [
        {"instruction": "q", "baseline": "a", "rank": 1},
        {"input": "r", "response": "b", "rank": 1},
        {"instruction": "q", "response": "c", "rank": 2},
        {"input": "r", "response": "d", "rank": 2},
    ]
    pairs, _ = load_pairs(find_benchmark("ranked"), write_jsonl("r.jsonl", rows))

    assert [(pair.id, pair.answers) for pair in pairs] == [
        (f"{content_id('q')}#0-1", ("a", "c")),
        (f"{content_id('r')}#0-1", ("b", "d")),
    ]


def test_a_folder_is_read_as_one(write_jsonl: WriteRows) -> None:
    write_jsonl("ranked/1.jsonl", ROWS[:2])
    folder = write_jsonl("ranked/2.jsonl", ROWS[2:]).parent
    pairs, _ = load_pairs(find_benchmark("ranked"), folder)

    assert len(pairs) == 3


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rank": None}, r"r\.jsonl:3: `rank` must be a number, but is null"),
        ({"rank": "1"}, r"r\.jsonl:3: `rank` must be a number, but is a string"),
        ({"rank": True}, r"r\.jsonl:3: `rank` must be a number, but is a boolean"),
        ({"input": " "}, r"r\.jsonl:3: `input` must not be empty"),
        ({"response": None}, r"r\.jsonl:3: `response` must be a string"),
        ({"instruction_id": 1.5}, r"r\.jsonl:3: `instruction_id` must be a string"),
        ({"input": "other"}, r"r\.jsonl:3: `instruction_id` 'i' is that of .*r\.jsonl:1 too"),
        ({"id": "a"}, r"r\.jsonl:3: `id` 'a' is that of .*r\.jsonl:1 too; ids must be unique"),
    ],
)
def test_rows_that_cannot_be_meant(
    changed: dict[str, Any], message: str, write_jsonl: WriteRows
) -> None:
    rows = [*ROWS[:2], ROWS[2] | changed]

    with pytest.raises(RowError, match=message):
        load_pairs(find_benchmark("ranked"), write_jsonl("r.jsonl", rows))


def test_ranks_that_tell_nothing_are_an_error(write_jsonl: WriteRows) -> None:
    with pytest.raises(EmptyDataError, match="instructions_with_a_single_rank: 2"):
        load_items(find_benchmark("ranked"), write_jsonl("r.jsonl", ROWS[5:]))
