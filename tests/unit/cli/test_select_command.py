"""`ste select` from the command line: flags, report and exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ste_fairseq2.cli.main import dispatch
from ste_fairseq2.cli.select import describe_selection
from ste_fairseq2.store import Manifest
from ste_fairseq2.synthesis.stage import StageOutcome


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    texts = ["first question", "second question", "First question!", "", "one of a benchmark"]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))

    return path


def test_a_selection_is_reported(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark, output = tmp_path / "bench.jsonl", tmp_path / "out"
    benchmark.write_text('{"prompt": "One of a benchmark"}\n')
    argv = ["select", "--inputs", str(inputs), "--output", str(output), "--count", "1"]
    argv += ["--benchmarks", str(benchmark)]

    assert dispatch(argv) == 0
    report = (
        "kept: 1 (1 of 2 qualifying, by seed 2)\n"
        "dropped: contaminated 1, empty 1, exact_duplicate 1, not_chosen 1\n"
        "malformed rows: 0\n"
        f"benchmarks: 1 instructions taken out for {benchmark} (1 prompts)\n"
        f"written to {output}\n"
    )
    assert capsys.readouterr().out == report

    assert dispatch(argv) == 0
    assert capsys.readouterr().out == (f"`{output}` is complete; nothing was left to do.\n{report}")


def test_no_benchmark_is_said(inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["select", "--inputs", str(inputs), "--output", str(tmp_path / "out")]) == 0

    assert "kept: 3 (all 3 qualifying)" in (out := capsys.readouterr().out)
    assert "benchmarks: not compared with any; name some with `--benchmarks`" in out


def test_a_rule_without_a_model_is_one_sentence(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["select", "--inputs", str(inputs), "--output", str(tmp_path), "--categories", "Coding"]

    assert dispatch(argv) == 2
    assert capsys.readouterr().err == (
        "ste select: `categories` needs labels; name the `model` that gives them.\n"
    )


def test_labels_are_reported() -> None:
    manifest = Manifest(
        stage="select",
        config={},
        counts={"kept": 2, "malformed": 1, "other_category": 3, "not_chosen": 0},
        details={
            "choice": "all 2 qualifying",
            "contamination": {"benchmarks": {}, "hits": []},
            "categories": {"Coding": 3, "Other": 2},
            "tokens": {"num_prompt_tokens": 1200, "num_output_tokens": 30},
        },
    )

    lines = describe_selection(StageOutcome(Path("out"), manifest, was_complete=False)).splitlines()

    assert lines[1] == "dropped: other_category 3"
    assert lines[2] == "malformed rows: 1 (see quarantine.jsonl)"
    assert lines[4:6] == ["labelled: Coding 3, Other 2", "tokens: 1,200 of prompts, 30 generated"]
