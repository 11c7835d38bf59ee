"""From real instructions to DPO pairs that train, with a tiny model behind every stage: through vLLM in
process, and through `vllm serve`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.cli.main import dispatch
from ste_fairseq2.jsonl import read_rows
from ste_fairseq2.prompts import load_prompt
from ste_fairseq2.records import JudgementSample
from ste_fairseq2.verdicts import parse_verdict
from tests.recipes.conftest import RunJobs, read_metrics
from tests.vllm_server import serve
from tests.writer_model import train_writer, training_rows

LIMIT = 24
"""Instructions; the whole file takes minutes."""


@pytest.fixture(scope="module")
def writer(
    run_jobs: RunJobs,
    write_config: Callable[..., Path],
    sample: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A tiny model that was taught the form of every reply by `fairseq2 lm instruction_finetune`."""
    folder = tmp_path_factory.mktemp("writer")

    return train_writer(
        training_rows(600),
        folder,
        run_jobs=run_jobs,
        write_config=write_config,
        num_steps=160,
        texts=[sample],
    )


@pytest.fixture(scope="module")
def instructions(shared_data: Path) -> Path:
    """Upstream's example inputs: HelpSteer2 prompts, some with the marks of several turns."""
    return shared_data / "ram" / "example_inputs.jsonl"


@pytest.fixture(scope="module")
def server(writer: Path) -> Iterator[str]:
    # Seeded samples of prompts that are computed in parts fail on a CPU.
    options = ["--no-enable-chunked-prefill", "--max-model-len", "4096", "--max-num-seqs", "32"]
    with serve(writer, *options) as url:
        yield url


def _run_stages(folder: Path, instructions: Path, engine: list[str]) -> None:
    stages: list[tuple[str, Path, list[str]]] = [
        ("select", instructions, ["--limit", str(2 * LIMIT), "--count", str(LIMIT)]),
        ("respond", folder / "select", ["--max-tokens", "64"]),
        ("worsen", folder / "respond", ["--max-tokens", "128"]),
        ("annotate", folder / "worsen", ["--max-tokens", "64", "--samples", "6"]),
    ]
    for stage, inputs, options in stages:
        paths = ["--inputs", str(inputs), "--output", str(folder / stage)]
        assert dispatch([stage, *paths, *engine, *options]) == 0
    for command in ("prepare-sft", "prepare-dpo"):
        paths = ["--generation-dir", str(folder / "annotate"), "--output-dir", str(folder / command)]
        assert dispatch([command, *paths, "--workers", "1"]) == 0


# The engine in process goes the same way in every run of the tests: see test_small_world_loop.py.
@pytest.fixture(scope="module", params=[pytest.param("vllm", marks=pytest.mark.slow), "endpoint"])
def made(
    request: pytest.FixtureRequest,
    writer: Path,
    instructions: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folders of all stages, by way of one of the engines."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "vllm":
        engine = ["--model", str(writer), "--engine-options", "dtype=float32"]
    else:
        url = request.getfixturevalue("server")
        engine = ["--engine", "endpoint", "--endpoint", url, "--model", writer.name]
        engine += ["--tokenizer", str(writer)]
    _run_stages(folder, instructions, engine)

    return folder


def _records(folder: Path) -> list[dict[str, Any]]:
    return [dict(row.data) for path in sorted(folder.glob("records-*")) for row in read_rows(path)]


def test_what_each_stage_leaves_adds_up(made: Path, instructions: Path) -> None:
    real = {row.text("input") for row in read_rows(instructions)}
    selected = _records(made / "select")
    assert 0 < len(selected) <= LIMIT
    assert {row["instruction"] for row in selected} <= real
    assert {row["category"] for row in selected} == {"Knowledge and Reasoning"}

    inputs = len(selected)
    for stage in ("respond", "worsen"):
        counts = json.loads((made / stage / "manifest.json").read_text())["counts"]
        assert sum(counts.values()) == inputs
        inputs = counts["kept"]
    annotated = json.loads((made / "annotate" / "manifest.json").read_text())["counts"]
    assert sum(annotated.values()) == inputs * 2 * 6


def test_every_pair_leads_back_to_its_instruction(made: Path) -> None:
    instructions = {row["id"]: row["instruction"] for row in _records(made / "select")}
    pairs = {row["id"]: row for row in _records(made / "worsen")}
    samples = {row["id"]: row for row in _records(made / "annotate")}
    examples = [row for path in (made / "prepare-dpo").glob("train-*") for row in read_rows(path)]

    assert len(examples) >= 2
    template = load_prompt("judge")
    for example in examples:
        pair = pairs[example.text("pair_id")]
        assert pair["instruction"] == instructions[pair["id"]]
        assert template.neutralise(pair["instruction"]).strip() in example.text("src")
        for side, is_right in (("chosen", True), ("rejected", False)):
            row = samples[example.text(f"{side}_sample_id")]
            assert row["vllm_output"]["output"] == example.text(f"tgt_{side}")
            verdict = parse_verdict(example.text(f"tgt_{side}"))
            ranks = row["metadata"]["ranks"]
            assert (verdict.value == ("A" if ranks[0] < ranks[1] else "B")) is is_right


def test_the_samples_are_upstreams(made: Path) -> None:
    from ste_fairseq2.jsonl import Row

    for number, row in enumerate(_records(made / "annotate")):
        sample = JudgementSample.from_row(Row("x", number, row))
        assert {"output", "finish_reason"} == row["vllm_output"].keys()
        assert sample.messages is not None


@pytest.mark.parametrize("made", ["endpoint"], indirect=True)
def test_the_pairs_train(
    made: Path, writer: Path, run_jobs: RunJobs, write_config: Callable[..., Path]
) -> None:
    config = write_config(
        {
            "model": {"name": str(writer)},
            "reference_model": {"name": str(writer)},
            "dataset": {
                "config_overrides": {"sources": [{"path": str(made / "prepare-dpo")}]},
                "batch_size": 2,
            },
            "regime": {"num_steps": 2},
        }
    )
    run_jobs([("preference_finetune", made / "dpo", config, [])])

    assert read_metrics(made / "dpo")[0]["Reward Margin"] == pytest.approx(0.0, abs=1e-5)
