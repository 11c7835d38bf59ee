"""The second demonstration: what it holds out, and its two tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from ste_fairseq2.loop.load import read_loop_folder
from ste_fairseq2.loop.rounds import summarise_rounds
from ste_fairseq2.small_world.demo_config import DemoConfig
from ste_fairseq2.small_world.instructions import KINDS
from ste_fairseq2.small_world.reasoning import parse_task
from ste_fairseq2.small_world.rewarding_demo import (
    LOOP_NAME,
    describe_rewarding_demo,
    held_out_questions,
)
from tests.hand_made_rewarding_loop import write_rewarding_loop


def test_questions_are_held_out_and_have_the_true_answers() -> None:
    questions = list(held_out_questions(40, 1))

    assert [question["category"] for question in questions[:4]] == list(KINDS)
    for question in questions:
        task = parse_task(question["instruction"])
        assert task.is_held_out
        assert (question["answer"], question["category"]) == (task.answer, task.kind)


@pytest.mark.parametrize(
    ("values", "sizes"),
    [
        ({}, (3, 600)),
        ({"method": "self_rewarding"}, (2, 1500)),
        ({"method": "self_rewarding", "rounds": 1, "instructions": 9}, (1, 9)),
    ],
)
def test_sizes(values: dict[str, object], sizes: tuple[int, int]) -> None:
    config = DemoConfig(output_dir=Path("D"), **values)  # type: ignore[arg-type]

    assert (config.num_rounds, config.num_instructions) == sizes


def test_tables(tmp_path: Path) -> None:
    write_rewarding_loop(tmp_path / LOOP_NAME)
    _, plan = read_loop_folder(tmp_path / LOOP_NAME)

    text = describe_rewarding_demo(tmp_path, summarise_rounds(plan, tmp_path / LOOP_NAME))

    rounds, ranking, note = text.split("\n\n")
    assert [line.split("|")[1].strip() for line in rounds.splitlines()] == [
        *("round", "---", "seed", "IFT", "M1", "M2", "M3"),
    ]
    lines = ranking.splitlines()
    assert lines[0] == (
        "| round | pairwise accuracy | exact match | Spearman | Kendall tau | five best "
        "| pairs the right way |"
    )
    # Of a round that was not tested nothing is known.
    assert lines[3] == "| IFT | - | - | - | - | - | - |"
    assert lines[5] == "| M2 | 75.0 | - | 0.60 | - | - | - |"
    assert note.startswith("Above, in percent: right answers to held-out instructions")
