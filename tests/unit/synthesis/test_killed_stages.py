"""Whole stages as processes of their own, killed outright at random points and started again: they end
with the records of stages that were not."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.replying_server import MODEL, ReplyingServer, replying_server

NUM_KILLS = 3
"""Of each stage."""

_STE = (sys.executable, "-c", "from ste_fairseq2.cli.main import main; main()")

STAGES = {
    "select": ("instructions.jsonl", ["--count", "20"]),
    "respond": ("select", []),
    "worsen": ("respond", ["--attempts", "2"]),
    "annotate": ("worsen", ["--samples", "4"]),
    "self-instruct": ("instructions.jsonl", ["--count", "24", "--batch", "8"]),
}
"""Each stage's input and options."""


@pytest.fixture(scope="module")
def server() -> Iterator[ReplyingServer]:
    with replying_server() as running:
        yield running


def _command(stage: str, folder: Path, url: str) -> list[str]:
    inputs, options = STAGES[stage]
    engine = ["--engine", "endpoint", "--endpoint", url, "--model", MODEL, "--concurrency", "4"]
    paths = ["--inputs", str(folder / inputs), "--output", str(folder / stage)]

    return [*_STE, stage, *paths, *engine, *options]


def _write_instructions(folder: Path) -> None:
    folder.mkdir()
    # Words of their own, so that no two are near duplicates.
    rows = [{"id": f"i{n}", "instruction": " ".join(f"w{n}x{k}" for k in range(9))} for n in range(40)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "instructions.jsonl").write_text(text)


def _run(stage: str, folder: Path, url: str) -> None:
    result = subprocess.run(_command(stage, folder, url), capture_output=True, text=True, timeout=120)

    assert result.returncode == 0, result.stderr


def _run_killed(stage: str, folder: Path, server: ReplyingServer, generator: random.Random) -> int:
    """Run a stage that is killed a few times on its way; return how often it was."""
    kills = 0
    for _ in range(NUM_KILLS):
        process = subprocess.Popen(
            _command(stage, folder, server.url), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        fatal = server.num_requests + generator.randint(1, 15)
        delay = generator.random() * 0.02

        def kill(count: int, process: Any = process, fatal: int = fatal, delay: float = delay) -> None:
            if count == fatal:
                threading.Timer(delay, process.send_signal, [signal.SIGKILL]).start()

        server.on_request = kill
        _, error = process.communicate(timeout=120)
        assert process.returncode in (0, -signal.SIGKILL), error.decode()
        kills += process.returncode == -signal.SIGKILL
    server.on_request = lambda count: None
    _run(stage, folder, server.url)

    return kills


def _rows(folder: Path, prefix: str) -> dict[str, dict[str, Any]]:
    lines = [line for path in folder.glob(f"{prefix}-*.jsonl") for line in path.read_text().splitlines()]
    rows = [json.loads(line) for line in lines]
    assert len({row["id"] for row in rows}) == len(rows)

    return {row["id"]: row for row in rows}


def test_killed_at_random_points(tmp_path: Path, server: ReplyingServer) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    generator = random.Random(seed)
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    for folder in (unbroken, killed):
        _write_instructions(folder)

    for stage in STAGES:
        before = server.num_requests
        _run(stage, unbroken, server.url)
        needed = server.num_requests - before
        kills = _run_killed(stage, killed, server, generator)

        for prefix in ("records", "dropped"):
            ours, theirs = _rows(killed / stage, prefix), _rows(unbroken / stage, prefix)
            assert ours == theirs, f"{stage}, with the seed {seed}"
        manifests = [json.loads((f / stage / "manifest.json").read_text()) for f in (killed, unbroken)]
        assert manifests[0]["counts"] == manifests[1]["counts"]
        # What was finished is not asked for again: a kill costs what was under way, and no more.
        repeated = server.num_requests - before - 2 * needed
        assert 0 <= repeated <= kills * (4 + 1) * 2
        assert kills > 0
