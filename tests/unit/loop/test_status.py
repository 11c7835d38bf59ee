"""The table of the rounds, and what is next."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from ste_fairseq2.loop.methods import make_plan
from ste_fairseq2.loop.rounds import BenchmarkScore, RoundSummary
from ste_fairseq2.loop.status import describe_loop, rounds_cells
from tests.loops import finish, loop_config, note, started

EMPTY = RoundSummary(
    round=0,
    name="seed",
    judge="seed-model",
    accuracy=None,
    sections={},
    benchmarks={},
    pairs=None,
    samples=None,
    outcomes={},
    fates={},
    kept=None,
    gold={},
    sft_examples=None,
    dpo_examples=None,
    train_steps=None,
    prompt_tokens=0,
    output_tokens=0,
    seconds=0.0,
    seconds_by_kind={},
)

CONFIG = loop_config(evaluate={"b": {"benchmark": "pairs"}, "c": {"benchmark": "pairs"}})


def test_cells_of_a_round() -> None:
    full = dataclasses.replace(
        EMPTY,
        round=1,
        name="1",
        benchmarks={
            "b": BenchmarkScore(pairs=4, figures={"accuracy": 0.625}, interval=(0.5, 0.75), sections={})
        },
        pairs=1234,
        samples=9872,
        # A right verdict in a text that was cut counts as right: 3 of 8.
        outcomes={"correct": 2, "cut_after_verdict": 1, "wrong": 4, "truncated": 1},
        kept=0,
        gold={"A": 5, "B": 4},
        sft_examples=9,
        train_steps=150,
        prompt_tokens=1_000_000,
        output_tokens=2_345,
        seconds=3725.4,
    )

    assert rounds_cells(CONFIG, [EMPTY, full]) == [
        [
            *("round", "b", "c", "pairs", "samples", "right", "kept", "A / B"),
            *("SFT", "DPO", "steps", "tokens", "time"),
        ],
        ["seed", *["-"] * 12],
        [
            *("1", "62.5 (50.0 to 75.0)", "-", "1,234", "9,872", "37.5", "0", "5 / 4"),
            *("9", "-", "150", "1,002,345", "1 h 02 min"),
        ],
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00 min"), (754, "12:34 min"), (7200, "2 h 00 min")],
)
def test_times(seconds: float, text: str) -> None:
    _, row = rounds_cells(loop_config(), [dataclasses.replace(EMPTY, seconds=seconds)])

    assert row[-1] == text


def last_line(folder: Path, rounds: int = 0) -> str:
    config = loop_config(rounds=rounds)

    return describe_loop(config, make_plan(config, folder), folder).splitlines()[-1]


def test_what_is_next(tmp_path: Path) -> None:
    assert last_line(tmp_path) == "0 of 2 steps are done; the next is sources/main/respond."

    finish(tmp_path, "sources/main/respond")
    note(tmp_path, started("sources/main/worsen", 86400.0), started("sources/main/worsen", 90000.0))
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(90000.0))
    assert last_line(tmp_path) == (
        f"1 of 2 steps are done; the next is sources/main/worsen, last started {when} (attempt 2)."
    )

    finish(tmp_path, "sources/main/worsen")
    assert last_line(tmp_path) == "All 2 steps are done."
    assert last_line(tmp_path, rounds=1).startswith(
        "2 of 6 steps are done; the next is round-1/sft/annotate/main."
    )


def test_rounds_have_a_line_each(tmp_path: Path) -> None:
    config = loop_config(rounds=2)

    lines = describe_loop(config, make_plan(config, tmp_path), tmp_path).splitlines()

    assert [line.split(" | ")[0] for line in lines[2:5]] == ["| seed", "| 1", "| 2"]
