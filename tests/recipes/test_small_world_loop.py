"""The method teaches, and it is the filter that does it: a round of the small world, for real.

The loop is killed while it trains and goes on. Beside it runs one whose pairs had their sides exchanged
at random, so that its filter accepts judgements at random: all else is the same.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.jsonl import read_rows, write_rows
from ste_fairseq2.loop.journal import read_journal
from ste_fairseq2.small_world import write_held_out_pairs, write_training_instructions
from ste_fairseq2.store import find_record_files
from tests.recipes.conftest import job_environment

STE = Path(sys.executable).parent / "ste"

SETTINGS = ("rounds=1", "annotate.samples=6", "sft.config={regime.num_steps: 150}", "seed=1")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Instructions and held-out pairs."""
    folder = tmp_path_factory.mktemp("small-world")
    write_training_instructions(folder / "instructions.jsonl", 320, seed=1)
    write_held_out_pairs(folder / "held_out.jsonl", 200, seed=1)

    return folder


@pytest.fixture(scope="module")
def loop(world: Path, repository: Path) -> Path:
    """The folder of a loop that was killed while it trained, and started again."""
    settings = [f"sources.main.instructions={world}/instructions.jsonl"]
    folder = world / "loop"
    driver = start_loop(repository, world, folder, settings)
    while not is_training(folder):
        assert driver.poll() is None, "the loop ended before it was killed"
        time.sleep(0.2)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    assert start_loop(repository, world, folder, settings).wait() == 0

    return folder


def start_loop(
    repository: Path, world: Path, folder: Path, settings: Sequence[str]
) -> subprocess.Popen[bytes]:
    command = [
        *(str(STE), "loop", "training_configs/small_world/loop.yaml", "--output-dir", str(folder)),
        *("--set", f"evaluate.held_out.data={world}/held_out.jsonl", *SETTINGS, *settings),
    ]

    return subprocess.Popen(command, cwd=repository, env=job_environment())


def is_training(folder: Path) -> bool:
    """Whether the training has begun to write."""
    return (folder / "round-1" / "sft" / "run" / "logs").is_dir()


def accuracies(folder: Path) -> list[float]:
    rounds = json.loads((folder / "rounds.json").read_text(encoding="utf-8"))["rounds"]

    return [row["accuracy"] for row in rounds]


def test_a_round_teaches_the_judge(loop: Path) -> None:
    seed, taught = accuracies(loop)

    assert taught > seed + 0.05


def test_a_killed_training_is_done_once_more_and_nothing_else(loop: Path) -> None:
    states = read_journal(loop)

    assert {name: state.attempts for name, state in states.items() if state.attempts > 1} == {
        "round-1/sft/run": 2
    }
    assert all(state.is_done for state in states.values())


def test_lineage_is_whole(loop: Path) -> None:
    shown = subprocess.run(
        [STE, "loop", "lineage", loop], capture_output=True, text=True, check=True
    ).stdout

    assert "instructions.jsonl" in shown
    assert "CHANGED" not in shown
    assert "gone" not in shown


def test_random_acceptance_teaches_nothing(loop: Path, world: Path, repository: Path) -> None:
    pairs = world / "exchanged.jsonl"
    write_rows(pairs, exchanged(loop / "sources" / "main" / "worsen"))
    folder = world / "random"

    settings = ["sources.main.instructions=null", f"sources.main.pairs={pairs}"]
    assert start_loop(repository, world, folder, settings).wait() == 0
    seed, taught = accuracies(folder)
    assert taught < seed + 0.03


def exchanged(pairs: Path) -> list[dict[str, Any]]:
    """Return the pairs, of which every other, at random, has its better and its worse side exchanged."""
    generator = random.Random(0)
    rows = sorted(
        (dict(row.data) for file in find_record_files(pairs) for row in read_rows(file)),
        key=lambda row: str(row["id"]),
    )
    for row in rows:
        if generator.random() < 0.5:
            row["baseline"], row["worse"] = row["worse"], row["baseline"]

    return rows
