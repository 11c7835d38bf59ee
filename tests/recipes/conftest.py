"""Fixtures for tests that run whole recipes, each set of jobs in processes of its own."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ste_fairseq2.jsonl import read_rows, write_rows

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent

Job = tuple[str, Path, Path, Sequence[str]]
"""Recipe, output folder, configuration file, overrides."""

_LAUNCHER_VARIABLES = {
    *("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
}

RunJobs = Callable[..., None]


@pytest.fixture(scope="session")
def run_jobs(tmp_path_factory: pytest.TempPathFactory) -> RunJobs:
    """Run recipe jobs in one process, or under torchrun with ``num_processes``; fail with the log."""

    def run(jobs: Sequence[Job], *, num_processes: int = 1, timeout: int = 240) -> None:
        folder = tmp_path_factory.mktemp("jobs")
        file = folder / "jobs.json"
        plain = [[name, str(output), str(config), list(o)] for name, output, config, o in jobs]
        file.write_text(json.dumps(plain))
        command = [sys.executable, str(HERE / "run_recipes.py"), str(file)]
        if num_processes > 1:
            launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(num_processes)]
            command = [sys.executable, *launch, "--master-port", str(_free_port()), *command[1:]]
        log = folder / "log.txt"
        with log.open("w") as stream:
            try:
                code = subprocess.run(
                    command,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    env=job_environment(),
                    timeout=timeout,
                ).returncode
            except subprocess.TimeoutExpired:
                code = -1
        assert code == 0, log.read_text()[-4000:]

    return run


@pytest.fixture(scope="session")
def write_config(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Mapping[str, Any]], Path]:
    """Write a configuration file: a base for tests on a CPU with the given sections merged over it."""

    def write(sections: Mapping[str, Any]) -> Path:
        base: dict[str, Any] = {
            "trainer": {
                "data_parallelism": "ddp",
                "max_grad_norm": 1.0,
                "mixed_precision": {"mode": "off"},
            },
            "optimizer": {"config": {"lr": 1e-3, "betas": [0.9, 0.95], "weight_decay": 0.1}},
            "lr_scheduler": {"name": "passthrough", "config": None},
            "regime": {
                "num_data_epochs": None,
                "checkpoint_every_n_data_epochs": None,
                "publish_metrics_every_n_steps": 1,
            },
            "common": {
                "no_sweep_dir": True,
                "metric_recorders": {"tensorboard": {"enabled": False}},
            },
        }
        path = tmp_path_factory.mktemp("config") / "config.yaml"
        path.write_text(yaml.safe_dump(_merged(base, sections)))

        return path

    return write


def job_environment() -> dict[str, str]:
    """Return the environment for a recipe's process: one thread, and no leftovers of a launcher.

    vLLM, once started in the process of the tests, leaves some of torchrun's variables behind.
    """
    ours = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    kept = {k: v for k, v in os.environ.items() if k not in _LAUNCHER_VARIABLES}

    return kept | ours


def read_metrics(output: Path, side: str = "train") -> list[dict[str, float]]:
    """Return the metrics that a run published, step by step."""
    return [dict(row.data) for row in read_rows(output / "metrics" / f"{side}.jsonl")]


@pytest.fixture(scope="session")
def pairs_file(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """Eight pairs: random text, and real judgements where the upstream project's files are there.

    The first three share a prompt, two of them the chosen answer too.
    """
    generator = random.Random(7)
    shared_prompt = _text(generator, 60)
    rows = [
        _pair("r0", shared_prompt, "right one [[A]]", _text(generator, 30)),
        _pair("r1", shared_prompt, "right one [[A]]", "no [[B]]"),
        _pair("r2", shared_prompt, _text(generator, 25), _text(generator, 2)),
        _pair("r3", _text(generator, 5), _text(generator, 40), _text(generator, 41)),
    ]
    judgements = repository.parent / "shared" / "data" / "llmbar" / "judgements.jsonl"
    if judgements.is_file():
        rows += _real_pairs(judgements, 4)
    else:
        rows += [
            _pair(f"r{k}", _text(generator, 30), _text(generator, k), _text(generator, 9))
            for k in range(4, 8)
        ]
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    write_rows(path, rows)

    return path


def _pair(name: str, prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]

    return {"id": name, "messages": messages, "tgt_chosen": chosen, "tgt_rejected": rejected}


def _real_pairs(judgements: Path, count: int) -> list[dict[str, Any]]:
    """Pair right with wrong judgements of the same prompt."""
    by_prompt: dict[str, dict[bool, str]] = {}
    for row in read_rows(judgements):
        first, second = row.data["metadata"]["ranks"]
        mark = "[[A]]" if first < second else "[[B]]"
        output = row.data["vllm_output"]["output"]
        by_prompt.setdefault(row.data["text"], {})[output.endswith(mark)] = output
    complete = [(p, o) for p, o in by_prompt.items() if len(o) == 2]

    return [_pair(f"real-{k}", p, o[True], o[False]) for k, (p, o) in enumerate(complete[:count])]


def _text(generator: random.Random, num_words: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz äéß漢🙂"

    return " ".join(
        "".join(generator.choices(letters, k=generator.randint(1, 8))).strip() or "x"
        for _ in range(num_words)
    )


def _merged(base: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value

    return merged


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))

        return int(probe.getsockname()[1])
