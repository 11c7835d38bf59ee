"""What a reward model scores of each benchmark: conversations, the right answers first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from ste_fairseq2.errors import InputError, RowError
from ste_fairseq2.evaluation.benchmark import BenchmarkPair
from ste_fairseq2.evaluation.catalogue import find_benchmark
from ste_fairseq2.evaluation.items import BenchmarkItem, ItemRule
from ste_fairseq2.evaluation.sources import load_items
from ste_fairseq2.records import Message
from ste_fairseq2.verdicts import Verdict

WriteRows: TypeAlias = Callable[..., Path]


def items_of(name: str, data: Path) -> list[BenchmarkItem]:
    return load_items(find_benchmark(name), data)[0]


def said(item: BenchmarkItem) -> list[list[str]]:
    return [[f"{m.role}: {m.content}" for m in answer] for answer in item.answers]


@pytest.mark.parametrize("better", [Verdict.A, Verdict.B])
def test_the_better_answer_of_a_pair_is_the_first(better: Verdict) -> None:
    answers = ("good one", "bad") if better is Verdict.A else ("bad", "good one")
    item = BenchmarkPair("7", "q", answers, better, "s").to_item()

    assert said(item) == [["user: q", "assistant: good one"], ["user: q", "assistant: bad"]]
    assert (item.id, item.subset, item.rule) == ("s/7", "s", ItemRule.STRICT)
    assert [candidate.id for candidate in item.candidates] == ["s/7#0", "s/7#1"]
    assert item.length_gap == 5


def test_a_prompt_of_several_turns_stays_a_conversation(write_jsonl: WriteRows) -> None:
    prompt = [
        {"role": "system", "content": "be short"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]
    row = {"prompt": prompt, "chosen": "a", "rejected": "b", "subset": "shp"}
    (item,) = items_of("prior-sets", write_jsonl("p.jsonl", [row]))

    before = ["system: be short", "user: one", "assistant: two", "user: three"]
    assert said(item) == [[*before, "assistant: a"], [*before, "assistant: b"]]


def test_each_voter_of_mt_bench_saw_the_turns_up_to_theirs(write_jsonl: WriteRows) -> None:
    def conversation(name: str) -> list[dict[str, str]]:
        texts = ["q1", f"{name}1", "q2", f"{name}2"]
        return [
            {"role": role, "content": text}
            for role, text in zip(["user", "assistant"] * 2, texts, strict=True)
        ]

    row = {"question_id": 81, "conversation_a": conversation("a"), "conversation_b": conversation("b")}
    rows = [row | {"winner": "model_b", "turn": turn} for turn in (1, 2)]
    first, second = items_of("mt-bench", write_jsonl("mt.jsonl", rows))

    assert said(first) == [["user: q1", "assistant: b1"], ["user: q1", "assistant: a1"]]
    assert said(second) == [
        ["user: q1", "assistant: b1", "user: q2", "assistant: b2"],
        ["user: q1", "assistant: a1", "user: q2", "assistant: a2"],
    ]


def test_rewardbench2_has_all_answers_and_ties(write_jsonl: WriteRows) -> None:
    rows = [
        {"id": "12", "prompt": "q", "chosen": ["r"], "rejected": ["x", "y", "z"], "subset": "Math"},
        {"id": "tied:0", "prompt": "q", "chosen": ["r", "s"], "rejected": ["x"], "subset": "Ties"},
    ]
    best_of, ties = items_of("rewardbench2", write_jsonl("rb2.jsonl", rows))

    assert [answer[-1].content for answer in best_of.answers] == ["r", "x", "y", "z"]
    assert (best_of.id, best_of.num_right, best_of.rule) == ("Math/12", 1, ItemRule.BEST_OF)
    assert (ties.id, ties.num_right, ties.rule) == ("Ties/tied:0", 2, ItemRule.TIES)
    assert ties.answers[0] == (Message("user", "q"), Message("assistant", "r"))
    assert best_of.length_gap is None


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"subset": "Math", "chosen": ["r", "s"]}, "chosen"),
        ({"subset": "Ties", "id": "tied:0", "chosen": []}, "chosen"),
        ({"subset": "Ties", "id": "0"}, "id"),
        ({"rejected": []}, "rejected"),
    ],
)
def test_a_malformed_row_is_named(row: dict[str, Any], field: str, write_jsonl: WriteRows) -> None:
    good = {"id": "1", "prompt": "q", "chosen": ["r"], "rejected": ["x"], "subset": "Math"}

    with pytest.raises(RowError, match=rf"data\.jsonl:1: `{field}`"):
        items_of("rewardbench2", write_jsonl("data.jsonl", [good | row]))


def test_ids_that_repeat_are_refused(write_jsonl: WriteRows) -> None:
    row = {"id": "1", "prompt": "q", "chosen": ["r"], "rejected": ["x"], "subset": "Math"}

    with pytest.raises(InputError, match="several items `Math/1`"):
        items_of("rewardbench2", write_jsonl("data.jsonl", [row, row]))


def test_an_item_is_rated_where_all_its_answers_are() -> None:
    item = BenchmarkPair("7", "q", ("a", "b"), Verdict.A).to_item()

    assert item.ratings({"7#0": 0.0, "7#1": -1.0}) == [0.0, -1.0]
    assert item.ratings({"7#0": 0.0}) is None
