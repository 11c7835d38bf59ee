"""The pool: read once, counted whole, used again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.errors import QuarantineLimitError
from ste_fairseq2.instructions.filters import Filters
from ste_fairseq2.instructions.pool import Pool, PoolSettings, make_pool
from ste_fairseq2.instructions.sources import InstructionSource
from ste_fairseq2.store import Quarantine

LONG = " ".join(f"word{n}" for n in range(30))

ROWS: list[Any] = [
    {"id": "e", "instruction": "keep me", "source": "s"},
    {"id": "b", "instruction": f"{LONG} again"},
    {"id": "a", "instruction": LONG},
    {"id": "d", "instruction": "Keep me!"},
    {"id": "f", "instruction": " "},
    {"id": "g", "instruction": "taken from a benchmark"},
    "{",
    {"id": "h", "instruction": "x" * 1000},
    {"id": "i", "instruction": "in French", "language": "French"},
    {"id": "k", "instruction": "one of this id"},
    {"id": "k", "instruction": "another"},
]


@pytest.fixture
def pool_of(tmp_path: Path, write_lines: Callable[..., Path]) -> Callable[..., Pool]:
    def make(*rows: Any, limit: int | None = None, quarantine_limit: float = 0.5) -> Pool:
        settings = PoolSettings(
            filters=Filters(languages=("English",), max_chars=500),
            near_duplicates=0.8,
            benchmarks=[str(write_lines("bench.jsonl", {"prompt": "Taken from a benchmark."}))],
            ngram=13,
            limit=limit,
        )
        folder = tmp_path / "work"
        folder.mkdir(exist_ok=True)

        return make_pool(
            InstructionSource(str(write_lines("in.jsonl", *rows))),
            settings,
            folder,
            lambda: Quarantine(tmp_path / "out", limit=quarantine_limit),
        )

    return make


def test_every_row_is_counted_once(pool_of: Callable[..., Pool], tmp_path: Path) -> None:
    pool = pool_of(*ROWS)

    assert pool.report.counts == {
        "passed": 3,
        "exact_duplicate": 1,
        "near_duplicate": 1,
        "same_id": 1,
        "empty": 1,
        "contaminated": 1,
        "malformed": 1,
        "too_long": 1,
        "language": 1,
    }
    assert sum(pool.report.counts.values()) == len(ROWS)
    assert sorted(i.id for i in pool.instructions()) == ["a", "d", "k"]
    [hit] = pool.report.hits
    assert (hit["id"], hit["kind"], hit["text"]) == ("g", "exact", "taken from a benchmark")
    assert [b["prompts"] for b in pool.report.benchmarks.values()] == [1]
    assert sorted(p.name for p in (tmp_path / "work").iterdir()) == ["pool.json", "pool.jsonl"]
    assert (tmp_path / "out" / "quarantine.jsonl").is_file()


def test_instructions_come_in_the_order_they_are_asked_for(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(*({"id": f"i{n}", "instruction": f"number {n}"} for n in range(5)))

    assert [i.id for i in pool.instructions()] == ["i0", "i1", "i2", "i3", "i4"]
    picked = list(pool.pick(["i3", "i0", "i4"]))
    assert [(i.id, i.instruction) for i in picked] == [
        ("i3", "number 3"),
        ("i0", "number 0"),
        ("i4", "number 4"),
    ]


def test_the_limit_is_of_usable_rows(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of("{", *ROWS[:6], limit=3)

    # The fourth row would have been the one that stays in the stead of `e`.
    assert [i.id for i in pool.instructions()] == ["e", "a"]
    assert pool.report.counts == {"malformed": 1, "near_duplicate": 1, "passed": 2}


def test_a_pool_that_is_whole_is_used_again(pool_of: Callable[..., Pool]) -> None:
    first = pool_of(*ROWS)
    again = pool_of({"id": "z", "instruction": "never read"})

    assert again == first
    assert len(again) == 3


def test_a_pool_that_is_not_is_made_anew(pool_of: Callable[..., Pool], tmp_path: Path) -> None:
    with pytest.raises(QuarantineLimitError):
        pool_of(*ROWS, quarantine_limit=0.01)
    assert (tmp_path / "work" / "with-duplicates.jsonl").is_file()

    pool = pool_of({"id": "z", "instruction": "read"})

    assert [i.id for i in pool.instructions()] == ["z"]


def test_no_rows_make_an_empty_pool(pool_of: Callable[..., Pool]) -> None:
    assert len(pool_of()) == 0
