"""The small world's instructions: true answers, a split, and draws that can be repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.jsonl import read_rows
from ste_fairseq2.small_world import (
    KINDS,
    Task,
    draw_training_instructions,
    held_out_pairs,
    write_held_out_pairs,
    write_training_instructions,
)
from ste_fairseq2.small_world.reasoning import parse_task


@pytest.mark.parametrize(
    ("text", "answer", "wrong"),
    [
        ("first of 3 8 2", "3", ("8", "2")),
        ("last of 3 8 2", "2", ("3", "8")),
        ("max of 3 8 2", "8", ("3", "2")),
        ("min of 3 8 2", "2", ("3", "8")),
    ],
)
def test_truth(text: str, answer: str, wrong: tuple[str, ...]) -> None:
    task = parse_task(text)

    assert (task.text, task.answer, task.wrong_answers) == (text, answer, wrong)


def test_no_list_of_digits_is_on_both_sides() -> None:
    training = {parse_task(one.instruction).digits for one in draw_training_instructions(3000, 1)}
    held_out = {parse_task(row["prompt"]).digits for row in held_out_pairs(400, 1)}

    assert not training & held_out
    assert all(not Task("max", digits).is_held_out for digits in training)


def test_draws_are_distinct_balanced_and_repeatable() -> None:
    drawn = list(draw_training_instructions(200, 5))

    assert len({one.instruction for one in drawn}) == 200
    counts = [sum(one.extra["category"] == kind for one in drawn) for kind in KINDS]
    assert counts == [50, 50, 50, 50]
    assert drawn == list(draw_training_instructions(200, 5))
    assert drawn[:20] == list(draw_training_instructions(20, 5))
    assert drawn != list(draw_training_instructions(200, 6))


def test_held_out_pairs_are_a_true_and_a_wrong_digit() -> None:
    for row in held_out_pairs(80, 3):
        task = parse_task(row["prompt"])
        assert row["chosen"] == task.answer
        assert row["rejected"] in task.wrong_answers
        assert row["subset"] == task.kind


def test_files(tmp_path: Path) -> None:
    assert write_training_instructions(tmp_path / "a.jsonl", 8, 1) == 8
    assert write_held_out_pairs(tmp_path / "b.jsonl", 4, 1) == 4
    rows = [row.data for row in read_rows(tmp_path / "a.jsonl")]
    assert [row["category"] for row in rows[:4]] == list(KINDS)


@pytest.mark.parametrize("count", [0, 10**6])
def test_what_the_world_does_not_offer_is_refused(count: int) -> None:
    with pytest.raises(ConfigError, match="`count` must be from 1 to"):
        list(draw_training_instructions(count, 1))
    with pytest.raises(ConfigError, match="`count` must be from 1 to"):
        list(held_out_pairs(count, 1))
