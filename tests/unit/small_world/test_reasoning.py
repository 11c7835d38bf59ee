"""Wrong answers behind right verdicts are counted by the world's truth."""

from __future__ import annotations

from pathlib import Path

from ste_fairseq2.jsonl import write_rows
from ste_fairseq2.small_world.instructions import Task
from ste_fairseq2.small_world.reasoning import parse_task, share_of_wrong_reasoning


def test_an_instruction_means_its_task() -> None:
    assert parse_task("max of 3 8 2") == Task("max", (3, 8, 2))
    assert parse_task(Task("last", (0, 5, 9, 1)).text) == Task("last", (0, 5, 9, 1))


def test_the_own_answer_counts_not_the_verdict(tmp_path: Path) -> None:
    pairs, training_set = tmp_path / "pairs.jsonl", tmp_path / "train.jsonl"
    write_rows(
        pairs,
        [
            {"id": "p", "instruction": "max of 3 8 2", "baseline": "8", "worse": "2"},
            {"id": "q", "instruction": "first of 1 0 4", "baseline": "1", "worse": "4"},
        ],
    )
    write_rows(
        training_set,
        [
            {"pair_id": "p", "tgt": "8 [[A]]"},
            {"pair_id": "p", "tgt": "3 [[B]]"},
            {"pair_id": "q", "tgt": "1 [[B]]"},
            {"pair_id": "q", "tgt": "1 [[A]]"},
        ],
    )

    # Of four judgements one, about p, answers 3 where 8 is right.
    assert share_of_wrong_reasoning(training_set, pairs) == 0.25
