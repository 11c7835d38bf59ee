"""The recipes compute what plain torch computes, on every topology and by every path.

Three optimiser steps over all eight pairs: the second and third see the gradients of those before, so
equal figures there mean equal gradients, clipping and updates.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.jsonl import read_rows, write_rows
from tests.recipes.conftest import RunJobs, read_metrics
from tests.recipes.plain_torch import PlainTrainer

STEPS = 3

# How each run differs from one process with the prefix tree; every step covers all eight pairs.
ONE_PROCESS = {
    "prefix_tree": ["forward=prefix_tree"],
    "padded": ["forward=padded"],
    "accumulation": ["dataset.batch_size=2", "trainer.grad_accumulation.num_batches=4"],
    "activation_checkpointing": ["trainer.activation_checkpointing.mode=layerwise"],
    "tokens": ["dataset.batch_size=null", "dataset.max_num_tokens=100000"],
}
TWO_PROCESSES = {
    "ddp": ["dataset.batch_size=4"],
    "fsdp": ["dataset.batch_size=4", "trainer.data_parallelism=fsdp"],
    "fsdp_accumulation_checkpointing": [
        "dataset.batch_size=2",
        "trainer.grad_accumulation.num_batches=2",
        "trainer.data_parallelism=fsdp",
        "trainer.activation_checkpointing.mode=layerwise",
    ],
    "fsdp_padded": ["dataset.batch_size=4", "trainer.data_parallelism=fsdp", "forward=padded"],
}
TENSOR_PARALLEL = {"tp": ["gang.tensor_parallel_size=2"]}
FOUR_PROCESSES = {
    "tp_fsdp": [
        "dataset.batch_size=4",
        "trainer.data_parallelism=fsdp",
        "gang.tensor_parallel_size=2",
    ]
}


def assert_equal(
    found: list[dict[str, float]], expected: list[dict[str, float]], *, is_first_exact: bool = True
) -> None:
    """Losses and log-probabilities to 1e-5, and two figures that float32 cannot give as exactly.

    Behind the first step, the margin is a small difference of log-probabilities of about a thousand,
    each right to 1e-5 of itself; and Adam's first updates are close to the gradient's sign, so that a
    gradient that is all but zero may move its weight either way, which later gradient norms feel before
    the losses do.

    :param is_first_exact: whether the first step's figures are right to 1e-5 too. With four processes
        policy and reference are added up in orders of their own, and the gradient's weight is a function
        of the margin, so on some processors they are not.
    """
    assert len(found) == len(expected)
    for step, (one, other) in enumerate(zip(found, expected, strict=True), start=1):
        for name, value in other.items():
            is_first = step == 1 and is_first_exact
            is_exact = is_first or name not in ("Gradient Norm", "Reward Margin")
            tolerance = 1e-5 if is_exact else 1e-4
            assert one[name] == pytest.approx(value, rel=tolerance, abs=1e-5), (step, name)


@pytest.fixture(scope="module")
def rows(pairs_file: Path) -> list[dict[str, Any]]:
    return [dict(row.data) for row in read_rows(pairs_file)]


@pytest.fixture(scope="module")
def dpo_config(write_config: Callable[..., Path], tiny_model: Path, pairs_file: Path) -> Path:
    return write_config(
        {
            "model": {"name": str(tiny_model)},
            "reference_model": {"name": str(tiny_model)},
            "dataset": {
                "config_overrides": {"sources": [{"path": str(pairs_file)}]},
                "batch_size": 8,
            },
            "criterion": {"beta": 0.1, "nll_scale": 1.5},
            "regime": {"num_steps": STEPS},
        }
    )


@pytest.fixture(scope="module")
def expected(tiny_model: Path, rows: list[dict[str, Any]]) -> list[dict[str, float]]:
    trainer = PlainTrainer(tiny_model, lr=1e-3, max_grad_norm=1.0)

    return [trainer.dpo_step(rows, beta=0.1, nll_scale=1.5) for _ in range(STEPS)]


def run_variants(
    run_jobs: RunJobs,
    config: Path,
    variants: dict[str, list[str]],
    folder: Path,
    num_processes: int = 1,
) -> dict[str, list[dict[str, float]]]:
    jobs = [("preference_finetune", folder / n, config, o) for n, o in variants.items()]
    run_jobs(jobs, num_processes=num_processes)

    return {name: read_metrics(folder / name) for name in variants}


def test_one_process(
    run_jobs: RunJobs, dpo_config: Path, expected: list[dict[str, float]], tmp_path: Path
) -> None:
    found = run_variants(run_jobs, dpo_config, ONE_PROCESS, tmp_path)

    for metrics in found.values():
        assert_equal(metrics, expected)


def test_cached_reference_equals_live_reference(
    run_jobs: RunJobs, dpo_config: Path, expected: list[dict[str, float]], tmp_path: Path
) -> None:
    scores = tmp_path / "scores"
    cached = ["del:reference_model", f"dataset.reference_scores={scores}"]
    run_jobs(
        [
            ("reference_scores", scores, _scoring_config(dpo_config, tmp_path), []),
            ("preference_finetune", tmp_path / "cached", dpo_config, cached),
        ]
    )

    assert_equal(read_metrics(tmp_path / "cached"), expected)


def test_reference_scores_in_the_rows(
    run_jobs: RunJobs,
    dpo_config: Path,
    rows: list[dict[str, Any]],
    tiny_model: Path,
    tmp_path: Path,
) -> None:
    """0.0 is a score: with all scores 0, the margin is that of the bare log-probabilities."""
    data = tmp_path / "scored.jsonl"
    zero = {"reference_score_chosen": 0.0, "reference_score_rejected": 0.0}
    write_rows(data, [row | zero for row in rows])
    overrides = ["del:reference_model", f"dataset.config_overrides.sources=[{{path: {data}}}]"]
    run_jobs([("preference_finetune", tmp_path / "run", dpo_config, overrides)])

    first = read_metrics(tmp_path / "run")[0]
    margin = 0.1 * (first["Chosen Log-Probability"] - first["Rejected Log-Probability"])
    assert first["Reward Margin"] == pytest.approx(margin, rel=1e-5)


def test_loss_options(
    run_jobs: RunJobs,
    dpo_config: Path,
    rows: list[dict[str, Any]],
    tiny_model: Path,
    tmp_path: Path,
) -> None:
    options = ["criterion.length_normalization=true", "criterion.nll_normalization=sequence"]
    found = run_variants(run_jobs, dpo_config, {"options": options}, tmp_path)

    trainer = PlainTrainer(tiny_model, lr=1e-3, max_grad_norm=1.0)
    expected = [
        trainer.dpo_step(rows, beta=0.1, nll_scale=1.5, length_normalization=True, sequence_nll=True)
        for _ in range(STEPS)
    ]
    assert_equal(found["options"], expected)


def test_two_processes(
    run_jobs: RunJobs, dpo_config: Path, expected: list[dict[str, float]], tmp_path: Path
) -> None:
    found = run_variants(run_jobs, dpo_config, TWO_PROCESSES, tmp_path, num_processes=2)

    for metrics in found.values():
        assert_equal(metrics, expected)


def test_tensor_parallel(
    run_jobs: RunJobs, dpo_config: Path, expected: list[dict[str, float]], tmp_path: Path
) -> None:
    found = run_variants(run_jobs, dpo_config, TENSOR_PARALLEL, tmp_path, num_processes=2)

    assert_equal(found["tp"], expected)


def test_tensor_parallel_and_fsdp_with_cached_reference(
    run_jobs: RunJobs, dpo_config: Path, expected: list[dict[str, float]], tmp_path: Path
) -> None:
    """Four processes; the scores come from a run of two data-parallel ranks."""
    scores = tmp_path / "scores"
    cached = ["del:reference_model", f"dataset.reference_scores={scores}"]
    batches = ["dataset.batch_size=3"]
    run_jobs(
        [("reference_scores", scores, _scoring_config(dpo_config, tmp_path), batches)],
        num_processes=2,
    )
    variants = FOUR_PROCESSES | {"tp_fsdp_cached": [*FOUR_PROCESSES["tp_fsdp"], *cached]}
    found = run_variants(run_jobs, dpo_config, variants, tmp_path, num_processes=4)

    for metrics in found.values():
        assert_equal(metrics, expected, is_first_exact=False)


def test_sft(
    run_jobs: RunJobs,
    write_config: Callable[..., Path],
    rows: list[dict[str, Any]],
    tiny_model: Path,
    tmp_path: Path,
) -> None:
    data = tmp_path / "sft.jsonl"
    examples = [{"id": r["id"], "messages": r["messages"], "tgt": r["tgt_chosen"]} for r in rows]
    write_rows(data, examples)
    config = write_config(
        {
            "model": {"name": str(tiny_model)},
            "dataset": {
                "config_overrides": {"sources": [{"path": str(data)}]},
                "batch_size": None,
                "max_num_tokens": 100_000,
            },
            "regime": {"num_steps": STEPS},
        }
    )
    run_jobs(
        [
            ("instruction_finetune", tmp_path / "tree", config, []),
            ("instruction_finetune", tmp_path / "padded", config, ["forward=padded"]),
        ]
    )

    trainer = PlainTrainer(tiny_model, lr=1e-3, max_grad_norm=1.0)
    expected = [trainer.sft_step(examples) for _ in range(STEPS)]
    for name in ("tree", "padded"):
        assert_equal(read_metrics(tmp_path / name), expected)


def _scoring_config(dpo_config: Path, folder: Path) -> Path:
    """Keep of a DPO configuration what scoring needs."""
    import yaml

    whole = yaml.safe_load(dpo_config.read_text())
    path = folder / "scoring.yaml"
    path.write_text(yaml.safe_dump({k: whole[k] for k in ("model", "dataset", "common")}))

    return path
