"""Compares a loop that was killed again and again with one that was not:
python -m benchmarks.loop_kills --instructions FILE.jsonl
python -m benchmarks.loop_kills --config LOOP.yaml --set FIELD=VALUE …

With instructions: a tiny model is taught the form of every stage's reply (see tests/writer_model.py),
then real instructions go through two rounds, each SFT and then DPO+NLL. With a configuration: that loop.
It runs once left alone, and once with a driver that is killed (SIGKILL) at random moments within some
random steps and started again by the same command. Everything that the two leave behind is compared:
pairs, judgements, scores, training sets, weights, what the models wrote when they were tested.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from ste_fairseq2.digest import digest_file
from ste_fairseq2.jsonl import read_rows, write_rows
from ste_fairseq2.loop.journal import read_journal
from ste_fairseq2.loop.load import read_loop_folder
from ste_fairseq2.store import find_record_files
from ste_fairseq2.tiny import TinyModelConfig, build_tiny_model
from tests.writer_model import training_rows

_BIN: Final = Path(sys.executable).parent

_COST_FIELDS: Final = ("seconds", "seconds_of_last_run")

_RECORD_STAGES: Final = (
    *("select", "respond", "worsen", "annotate"),
    *("self_instruct", "candidates", "score"),
)
_TESTS: Final = {"evaluate": "judgements", "follow": "responses"}
"""Kinds of steps that test a model, and the folder of what it wrote."""

_TRAINING: Final[dict[str, Any]] = {
    "dataset": {"max_seq_len": 2048, "batch_size": 8},
    "trainer": {
        "data_parallelism": "ddp",
        "max_grad_norm": 1.0,
        "mixed_precision": {"mode": "off"},
    },
    "lr_scheduler": {"name": "passthrough", "config": None},
    "regime": {
        "num_data_epochs": None,
        "checkpoint_every_n_data_epochs": None,
        "publish_metrics_every_n_steps": 10,
    },
    "common": {"no_sweep_dir": True, "metric_recorders": {"tensorboard": {"enabled": False}}},
}


def make_writer(folder: Path) -> Path:
    """Train the model that replies in the form each stage reads."""
    model = folder / "writer"
    if model.is_dir():
        return model
    rows = folder / "sft.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(rows, training_rows(600))
    build_tiny_model(TinyModelConfig(output=folder / "base", texts=(rows, Path("data/sample"))))
    config = folder / "writer.yaml"
    config.write_text(
        yaml.safe_dump(
            _merged(
                {
                    "model": {"name": str(folder / "base")},
                    "dataset": {"config_overrides": {"sources": [{"path": str(rows)}]}},
                    "optimizer": {"config": {"lr": 3e-3, "betas": [0.9, 0.95]}},
                    "regime": {"num_steps": 160, "checkpoint_every_n_steps": 160},
                }
            )
        )
    )
    _run("fairseq2", "lm", "instruction_finetune", folder / "run", "--config-file", config, "--no-rich")
    checkpoints = folder / "run" / "checkpoints"
    _run(
        *("fairseq2", "lm", "export", "--checkpoint-dir", checkpoints, "--output", model),
        *("--dtype", "float32"),
    )

    return model


def write_loop(folder: Path, model: Path, instructions: Path, held_out: Path, count: int) -> Path:
    """Write the loop's configuration, and return it."""
    for name, batch in (("sft", 8), ("dpo", 4)):
        training = _merged(
            {
                "dataset": {
                    "name": f"{name}_training_data",
                    "family": None,
                    "batch_size": batch,
                },
                "optimizer": {"config": {"lr": 3e-4}},
                "regime": {
                    "num_steps": 12,
                    "checkpoint_every_n_steps": 3,
                    "publish_metrics_every_n_steps": 3,
                },
            }
        )
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(training))
    loop = {
        "model": str(model),
        "sources": {"main": {"instructions": str(instructions)}},
        "rounds": 2,
        "training": ["sft", "dpo"],
        "engine": {"engine_options": {"dtype": "float32", "max_model_len": 2048}},
        "select": {"count": count, "max_chars": 400},
        "respond": {"max_tokens": 64},
        "worsen": {"max_tokens": 96},
        "annotate": {"samples": 4, "temperature": 1.0, "max_tokens": 24},
        "prepare_dpo": {"num_pairs": 2},
        "sft": {"config_file": str(folder / "sft.yaml"), "dtype": "float32"},
        "dpo": {"config_file": str(folder / "dpo.yaml"), "dtype": "float32"},
        "evaluate": {
            "held_out": {
                "benchmark": "pairs",
                "data": str(held_out),
                "judge_options": {"max_tokens": 24},
            }
        },
    }
    path = folder / "loop.yaml"
    path.write_text(yaml.safe_dump(loop))

    return path


def run_killed(
    loop: Sequence[str], folder: Path, seconds: Mapping[str, float], seed: int, kills: int
) -> None:
    """Run a loop whose driver is killed within random steps.

    :param loop: the configuration, and values that win over it.
    :param seconds: what each step took when it was left alone.
    """
    generator = random.Random(seed)
    for victim in sorted(generator.sample(range(len(seconds)), kills)):
        name = list(seconds)[victim]
        driver = _start(loop, folder)
        while (state := read_journal(folder).get(name)) is None or not state.attempts:
            time.sleep(0.05)
        delay = generator.uniform(0.0, seconds[name])
        time.sleep(delay)
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
        time.sleep(1.0)
        left = subprocess.run(["pgrep", "-fc", str(folder)], capture_output=True, text=True, check=False)
        print(f"killed {delay:.1f} s into {name}; processes left: {left.stdout.strip()}", flush=True)
    _start(loop, folder).wait()


def differences(one: Path, other: Path) -> Iterator[tuple[str, int, int]]:
    """Yield what was compared: its name, how many records or files, and how many of them differ."""
    _, plan = read_loop_folder(one)
    for step in plan.steps:
        twin = other / step.name
        if step.kind in _RECORD_STAGES:
            mine, theirs = _records(step.output), _records(twin)
        elif step.kind in _TESTS:
            name = _TESTS[step.kind]
            mine, theirs = _records(step.output / name), _records(twin / name)
        elif step.kind.startswith("prepare_"):
            mine, theirs = _files(step.output, "*.jsonl"), _files(twin, "*.jsonl")
        elif step.kind == "export":
            mine, theirs = _files(step.output, "*.safetensors"), _files(twin, "*.safetensors")
        else:
            continue
        names = mine.keys() | theirs.keys()
        yield step.name, len(names), sum(mine.get(name) != theirs.get(name) for name in names)


def _records(place: Path) -> dict[str, Any]:
    rows = (row.data for file in find_record_files(place) for row in read_rows(file))

    return {row["id"]: {k: v for k, v in row.items() if k not in _COST_FIELDS} for row in rows}


def _files(place: Path, pattern: str) -> dict[str, Any]:
    return {path.name: digest_file(path) for path in place.glob(pattern)}


def _start(loop: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    config, *values = loop
    command = [str(_BIN / "ste"), "loop", config, "--output-dir", str(folder)]
    command += ["--set", *values] if values else []

    return subprocess.Popen(command, start_new_session=True)


def _run(program: str, *arguments: object) -> None:
    subprocess.run([str(_BIN / program), *map(str, arguments)], check=True)


def _merged(changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = json.loads(json.dumps(_TRAINING))
    for section, values in changes.items():
        merged[section] = {**merged.get(section, {}), **values}

    return dict(merged)


def _write_held_out(path: Path) -> None:
    rows = (row.data for row in read_rows(Path("data/sample/pairs.jsonl")))
    better = {"A": ("response_a", "response_b"), "B": ("response_b", "response_a")}
    write_rows(
        path,
        (
            {
                "id": row["id"],
                "prompt": row["input"],
                "chosen": row[better[row["label"]][0]],
                "rejected": row[better[row["label"]][1]],
                "subset": row["category"],
            }
            for row in rows
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("--instructions", type=Path, help="JSONL for a loop of Self-Taught Evaluators")
    subject.add_argument("--config", help="configuration of any other loop")
    parser.add_argument("--set", nargs="+", default=[], help="with --config: values that win over it")
    parser.add_argument("--output", type=Path, default=Path("runs/loop-kills"))
    parser.add_argument("--count", type=int, default=40, help="instructions to take")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    loop = [args.config, *args.set]
    if args.instructions is not None:
        model = make_writer(args.output)
        held_out = args.output / "held_out.jsonl"
        _write_held_out(held_out)
        loop = [str(write_loop(args.output, model, args.instructions, held_out, args.count))]
    whole, killed = args.output / "whole", args.output / "killed"
    if _start(loop, whole).wait():
        sys.exit("the loop that was left alone failed")
    _, plan = read_loop_folder(whole)
    states = read_journal(whole)
    seconds = {step.name: states[step.name].seconds for step in plan.steps}
    run_killed(loop, killed, seconds, args.seed, args.kills)

    print("| compared | records or files | different |\n| --- | ---: | ---: |")
    for name, total, different in differences(whole, killed):
        print(f"| {name} | {total} | {different} |")


if __name__ == "__main__":
    main()
