"""Self-Rewarding on the small world, for real: a loop that is killed as it answers and as it trains.

What it learns is measured in docs/benchmarks.md; here it is to come to its end, whole.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.jsonl import read_rows, write_rows
from ste_fairseq2.loop.journal import read_journal
from ste_fairseq2.small_world.graded import write_ranked_trees
from ste_fairseq2.small_world.reasoning import parse_task
from ste_fairseq2.small_world.rewarding_demo import held_out_questions
from tests.recipes.conftest import job_environment

pytestmark = pytest.mark.slow

STE = Path(sys.executable).parent / "ste"

SETTINGS = (
    *("rounds=1", "seed=1", "self_instruct.count=150", "prepare_ranked.ift_examples=150"),
    *("sft.config={regime.num_steps: 30}", "dpo.config={regime.num_steps: 20}"),
)

VICTIMS = ("m2/candidates", "m2/run")
"""Steps within which the driver is killed."""


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    world = tmp_path_factory.mktemp("rewarding")
    write_ranked_trees(world / "ranked.jsonl", 200, seed=1)
    write_rows(world / "held_out.jsonl", held_out_questions(120, seed=1))
    folder = world / "loop"
    for victim in VICTIMS:
        driver = start(repository, world, folder)
        while victim not in read_journal(folder):
            assert driver.poll() is None, "the loop ended before it was killed"
            time.sleep(0.1)
        time.sleep(2.0)
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
    assert start(repository, world, folder).wait() == 0

    return folder


def start(repository: Path, world: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [
        *(str(STE), "loop", "training_configs/small_world/self_rewarding.yaml"),
        *("--output-dir", str(folder), "--set", f"ranked={world}/ranked.jsonl"),
        *(f"follow.held_out.inputs={world}/held_out.jsonl", *SETTINGS),
    ]

    return subprocess.Popen(command, cwd=repository, env=job_environment())


def run(*arguments: object) -> str:
    return subprocess.run([STE, *map(str, arguments)], capture_output=True, text=True, check=True).stdout


def rows_of(folder: Path) -> list[Mapping[str, Any]]:
    return [row.data for path in sorted(folder.glob("*.jsonl")) for row in read_rows(path)]


def test_only_what_was_killed_is_done_again(loop: Path) -> None:
    states = read_journal(loop)

    assert {name for name, state in states.items() if state.attempts > 1} == set(VICTIMS)
    assert all(state.is_done for state in states.values())


def test_every_model_is_measured_by_its_answers_and_as_a_judge(loop: Path) -> None:
    rounds = json.loads((loop / "rounds.json").read_text())["rounds"]

    assert [row["name"] for row in rounds] == ["seed", "IFT", "M1", "M2"]
    for row in rounds:
        assert row["following"]["held_out"]["instructions"] == 120
        assert row["benchmarks"].keys() == {"ranks", "pairs"}
        assert row["benchmarks"]["ranks"]["ranking"]["pairwise_accuracy"] is not None
        assert row["benchmarks"]["pairs"]["figures"]["both_right"] is not None
    assert rounds[-1]["scores"]["answers"] == 4 * 150


def test_pairs_are_the_best_and_the_worst_by_the_scores(loop: Path) -> None:
    scored: dict[str, dict[str, list[float]]] = {}
    for path in sorted((loop / "m2/scores").glob("records-*.jsonl")):
        for row in read_rows(path):
            score = row.optional_number("score")
            if score is not None:
                texts = scored.setdefault(row.text("instruction_id"), {})
                texts.setdefault(row.text("response"), []).append(score)
    means = {
        name: [sum(scores) / len(scores) for scores in texts.values()] for name, texts in scored.items()
    }
    pairs = [row.data for row in read_rows(loop / "m2/data/train-00000.jsonl")]

    assert pairs
    for pair in pairs:
        found = means[pair["instruction_id"]]
        assert (pair["chosen_score"], pair["rejected_score"]) == pytest.approx((max(found), min(found)))
    assert len(pairs) == sum(max(found) - min(found) > 1e-6 for found in means.values())


def test_nothing_that_is_held_out_is_learned(loop: Path) -> None:
    held_out = {row.text("input") for row in read_rows(loop / "ranked/held_out.jsonl")}
    learned = {row["messages"][0]["content"] for row in rows_of(loop / "m1/data") if "messages" in row}
    learned |= {row.text("input") for row in read_rows(loop / "ranked/train.jsonl")}

    assert held_out.isdisjoint(learned)
    assert not any(parse_task(text).is_held_out for text in learned)


def test_lineage(loop: Path) -> None:
    shown = run("loop", "lineage", loop)

    assert "ranked.jsonl" in shown
    assert "CHANGED" not in shown
    assert "gone" not in shown
    pair = next(iter(read_rows(loop / "m2/data/train-00000.jsonl")))
    assert "m2/instructions" in run("loop", "lineage", loop, "--example", pair.text("id"))


def test_status_and_report(loop: Path) -> None:
    assert "All 25 steps are done." in run("loop", "status", loop)
    run("report", loop)
    assert "M2" in (loop / "report.html").read_text()


def test_another_configuration_is_refused(loop: Path, repository: Path) -> None:
    config = "training_configs/small_world/self_rewarding.yaml"
    done = subprocess.run(
        [STE, "loop", config, "--output-dir", loop],
        capture_output=True,
        text=True,
        check=False,
        cwd=repository,
    )

    assert done.returncode == 2
    assert "self_instruct.count" in done.stderr
