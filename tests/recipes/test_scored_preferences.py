"""From instructions to a DPO step by a model's own scores: every stage for real, by its command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.jsonl import read_rows, write_rows
from ste_fairseq2.store import find_record_files, read_manifest
from tests.recipes.conftest import RunJobs, job_environment, read_metrics
from tests.writer_model import scoring_rows, train_writer

pytestmark = pytest.mark.slow

STE = Path(sys.executable).parent / "ste"


@pytest.fixture(scope="module")
def writer(
    run_jobs: RunJobs,
    write_config: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A tiny model that answers and scores in the form that the stages read."""
    folder = tmp_path_factory.mktemp("scoring-writer")

    return train_writer(
        scoring_rows(600),
        folder,
        run_jobs=run_jobs,
        write_config=write_config,
        num_steps=140,
    )


@pytest.fixture(scope="module")
def made(writer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders that the stages leave."""
    folder = tmp_path_factory.mktemp("scored")
    rows = [{"id": f"i{n}", "instruction": f"Tell me about number {n}."} for n in range(12)]
    write_rows(folder / "instructions.jsonl", rows)
    engine = ["--model", writer, "--engine-options", "dtype=float32", "max_model_len=1024"]
    sampling = ["--temperature", "1.0", "--max-tokens", "32"]
    ste("respond", "--inputs", folder / "instructions.jsonl", "--output", folder / "answers")(
        *("--samples", "4", *engine, *sampling)
    )
    ste("judge", "--mode", "score", "--inputs", folder / "answers", "--output", folder / "scored")(
        *("--samples", "3", *engine, *sampling)
    )
    ste("prepare-preferences", "--scores-dir", folder / "scored", "--output-dir", folder / "dpo")()

    return folder


def ste(*head: object) -> Callable[..., None]:
    def call(*rest: object) -> None:
        command = [str(STE), *map(str, (*head, *rest))]
        done = subprocess.run(command, env=job_environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]

    return call


def rows(folder: Path) -> list[dict[str, Any]]:
    return [dict(row.data) for file in find_record_files(folder) for row in read_rows(file)]


def test_every_answer_has_three_samples_of_its_score(made: Path) -> None:
    answers, scored = rows(made / "answers"), rows(made / "scored")

    assert {row["id"] for row in scored} == {row["id"] for row in answers}
    assert all(len(row["samples"]) == 3 for row in scored)
    found = [sample["score"] for row in scored for sample in row["samples"]]
    assert {2.0, 4.0} <= set(found) <= {None, *map(float, range(6))}


def test_pairs_are_the_best_against_the_worst(made: Path) -> None:
    scores: dict[str, list[float]] = {}
    for row in rows(made / "scored"):
        if row["score"] is not None:
            scores.setdefault(row["instruction_id"], []).append(row["score"])
    pairs = [dict(row.data) for row in read_rows(made / "dpo" / "train-00000.jsonl")]

    assert pairs
    for pair in pairs:
        known = scores[pair["instruction_id"]]
        assert (pair["chosen_score"], pair["rejected_score"]) == (max(known), min(known))
    manifest = read_manifest(made / "dpo")
    assert manifest is not None
    assert sum(manifest.counts.values()) == 12


def test_the_pairs_train(
    made: Path, writer: Path, run_jobs: RunJobs, write_config: Callable[..., Path], tmp_path: Path
) -> None:
    config = write_config(
        {
            "model": {"name": str(writer)},
            "reference_model": {"name": str(writer)},
            "dataset": {
                "config_overrides": {"sources": [{"path": str(made / "dpo")}]},
                "batch_size": 2,
            },
            "regime": {"num_steps": 3, "checkpoint_every_n_steps": 3},
        }
    )
    run_jobs([("preference_finetune", tmp_path / "run", config, [])])

    assert len(read_metrics(tmp_path / "run")) == 3


def test_the_scores_are_measured_against_human_ranks(writer: Path, tmp_path: Path) -> None:
    answers = [("It is about owls. So it is.", 0), ("It is about owls.", 1), ("It is about tea.", 1)]
    write_rows(
        tmp_path / "ranked.jsonl",
        [
            {
                "instruction_id": f"i{n}",
                "input": f"Tell me about number {n}.",
                "response": text,
                "rank": r,
            }
            for n in range(4)
            for text, r in answers
        ],
    )
    output = tmp_path / "out"
    ste("evaluate", "--benchmark", "ranked", "--data", tmp_path / "ranked.jsonl", "--output", output)(
        *("--model", writer, "--judge-options", "mode=score", "samples=3", "temperature=1.0"),
        *("max_tokens=32", "engine_options={dtype: float32, max_model_len: 1024}"),
    )

    found = json.loads((output / "scores.json").read_text())
    scores = {(row["input"], row["response"]): row["score"] for row in rows(output / "judgements")}
    assert len(scores) == 12
    better, *others = (text for text, _ in answers)
    won = 0
    for shown in {shown for shown, _ in scores}:
        for other in others:
            best, worse = scores[shown, better], scores[shown, other]
            won += best is not None and worse is not None and best > worse
    assert found["ranking"]["pairwise_accuracy"] == won / 8
    assert found["ranking"]["counts"]["pairs"] == 8
