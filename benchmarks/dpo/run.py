"""DPO + NLL on judge-shaped pairs: this project's recipe and TRL's trainer, one after the other.

    .venv/bin/python -m benchmarks.dpo.run --judgements ../shared/data/llmbar/judgements.jsonl \\
        --trl-python .venv-trl/bin/python --work-dir WORK

Both train the same model on the same pairs, in float32 on the CPU, with the reference's
log-probabilities computed beforehand (not timed), the same number of pairs a step and AdamW. Each run is
a process of its own. Of each the first step is left out; the median step gives pairs/s. Memory is the
process's peak, and what of it came on top while training. Before anything is timed, the reference
log-probabilities of both sides are compared, pair by pair.

``--work-dir`` is filled with models, data and results, and may be removed afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.dpo.pairs import write_pairs
from ste_fairseq2.jsonl import read_rows, write_rows
from ste_fairseq2.tiny import TinyModelConfig, build_tiny_model

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Shape:
    """A Llama to train."""

    name: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int


SHAPES = (
    Shape("5M, vocabulary 32,000", 32_000, 64, 256, 4),
    Shape("11M, vocabulary 8,192", 8_192, 256, 704, 8),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judgements", type=Path, required=True)
    parser.add_argument("--trl-python", type=Path, required=True)
    parser.add_argument("--work-dir", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=9, help="the first is not counted")
    parser.add_argument("--batch-size", type=int, default=6, help="pairs a step")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()

    for number, shape in enumerate(SHAPES):
        folder = args.work_dir / f"shape{number}"
        model = folder / "model"
        if not (model / "config.json").is_file():
            _build(shape, args.judgements, model)
        print(f"\n## {shape.name}\n")
        print("| pairs a prompt | run | pairs/s | times TRL | peak GB | on top GB |")
        print("|---:|---|---:|---:|---:|---:|")
        for per_prompt in (1, 3):
            _compare(args, model, folder / f"pairs{per_prompt}", per_prompt)


def _compare(args: argparse.Namespace, model: Path, folder: Path, per_prompt: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pairs = folder / "pairs.jsonl"
    write_pairs(args.judgements, pairs, per_prompt=per_prompt, count=args.batch_size * args.steps)
    trl = _run(
        [str(args.trl_python), str(HERE / "trl_side.py")],
        folder / "trl",
        {
            "model": str(model),
            "pairs": str(pairs),
            "batch_size": args.batch_size,
            "num_accumulate": 1,
            "num_steps": args.steps,
            "threads": args.threads,
        },
    )
    scored = folder / "scored.jsonl"
    difference = _score(model, pairs, scored, folder, trl["reference"])
    trl_rate = _report("TRL 1.16.0", per_prompt, args.batch_size, trl, None)
    for name, forward in (("padded", "padded"), ("prefix tree", "prefix_tree")):
        config = _config(args, model, scored, forward, folder / f"{forward}.yaml")
        result = _run(
            [sys.executable, "-m", "benchmarks.dpo.our_side"],
            folder / forward,
            {"config": str(config)},
        )
        _report(f"ours, {name}", per_prompt, args.batch_size, result, trl_rate)
    print(f"<!-- largest difference of a reference log-probability: {difference:.1e} relative -->")


def _report(
    name: str, per_prompt: int, batch_size: int, result: dict[str, Any], other: float | None
) -> float:
    rate = batch_size / statistics.median(result["seconds"][1:])
    times = "" if other is None else f"{rate / other:.1f}"
    on_top = result["peak_gb"] - result["before_gb"]
    print(
        f"| {per_prompt} | {name} | {rate:.2f} | {times} | {result['peak_gb']:.2f} | {on_top:.2f} |",
        flush=True,
    )

    return rate


def _score(model: Path, pairs: Path, scored: Path, folder: Path, reference: list[list[float]]) -> float:
    """Write the pairs with reference scores; return the largest relative difference from TRL's."""
    output = folder / "scores"
    subprocess.run(
        [
            *(sys.executable, "-m", "recipes.reference_scores", str(output), "--no-rich"),
            *("--config", f"model.name={model}", "dataset.batch_size=6"),
            f"dataset.config_overrides={{sources: [{{path: {pairs}}}]}}",
            "common.no_sweep_dir=true",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    scores = {row.text("id"): row.data for row in read_rows(output / "reference_scores.jsonl")}
    names = ("reference_score_chosen", "reference_score_rejected")
    rows, difference = [], 0.0
    for row, theirs in zip(read_rows(pairs), reference, strict=True):
        ours = scores[row.text("id")]
        rows.append(dict(row.data) | {name: ours[name] for name in names})
        for name, value in zip(names, theirs, strict=True):
            difference = max(difference, abs(ours[name] - value) / abs(value))
    write_rows(scored, rows)

    return difference


def _config(args: argparse.Namespace, model: Path, scored: Path, forward: str, path: Path) -> Path:
    config = {
        "model": {"name": str(model)},
        "dataset": {
            "config_overrides": {"sources": [{"path": str(scored)}]},
            "batch_size": args.batch_size,
        },
        "forward": forward,
        "criterion": {"beta": 0.1, "nll_scale": 1.5},
        "trainer": {"data_parallelism": "ddp", "mixed_precision": {"mode": "off"}},
        "optimizer": {"config": {"lr": 1e-5}},
        "lr_scheduler": {"name": "passthrough", "config": None},
        "regime": {
            "num_steps": args.steps,
            "num_data_epochs": None,
            "checkpoint_every_n_data_epochs": None,
            "publish_metrics_every_n_steps": 1,
        },
        "common": {
            "no_sweep_dir": True,
            "torch": {"num_threads": args.threads},
            "metric_recorders": {"tensorboard": {"enabled": False}},
        },
    }
    path.write_text(yaml.safe_dump(config), encoding="utf-8")

    return path


def _run(command: list[str], output: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Run one side in a process of its own and return what it wrote."""
    file, result = output.with_suffix(".job.json"), output.with_suffix(".result.json")
    subprocess.run(["rm", "-rf", str(output)], check=True)
    job = job | {"output": str(output), "result": str(result)}
    file.write_text(json.dumps(job), encoding="utf-8")
    with output.with_suffix(".log").open("w", encoding="utf-8") as log:
        subprocess.run([*command, str(file)], check=True, stdout=log, stderr=subprocess.STDOUT)
    written: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))

    return written


def _build(shape: Shape, texts: Path, output: Path) -> None:
    build_tiny_model(
        TinyModelConfig(
            output=output,
            texts=(texts,),
            vocab_size=shape.vocab_size,
            hidden_size=shape.hidden_size,
            intermediate_size=shape.intermediate_size,
            num_layers=shape.num_layers,
        )
    )


if __name__ == "__main__":
    main()
