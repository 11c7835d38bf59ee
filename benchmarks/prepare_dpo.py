"""Measures `ste prepare-dpo` against plain Python: python benchmarks/prepare_dpo.py SAMPLES

The samples are made from real judgements (six judges on 386 prompts): each prompt is copied into as many
worlds as are needed, and has fifteen samples in each, drawn from its real ones and numbered, so that no
two are alike. They are made once and kept in the folder given.

Each side runs as a process of its own, in turn. Memory is the peak of the resident memory of all its
processes together, looked at twenty times a second; pages that they share count in each.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psutil

_ROOT = Path(__file__).resolve().parent.parent
_REAL = _ROOT.parent / "shared" / "data" / "llmbar" / "judgements.jsonl"

_SAMPLES_PER_PROMPT = 15


class Measured(NamedTuple):
    seconds: float
    cpu_seconds: float
    peak_bytes: int


def make_samples(real: Path) -> Iterator[dict[str, Any]]:
    """Yield samples without end."""
    by_prompt: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with real.open(encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            by_prompt[row["text"]].append(row)
    generator = random.Random(0)
    for world in count():
        for text, rows in by_prompt.items():
            for number in range(_SAMPLES_PER_PROMPT):
                row = generator.choice(rows)
                metadata = row["metadata"]
                yield {
                    "id": f"{world}/{row['id']}/{number}",
                    "text": f"{text}\n\n[World {world}]",
                    "vllm_output": {
                        "output": f"Draw {number} of world {world}. {row['vllm_output']['output']}",
                        "finish_reason": "stop",
                    },
                    "metadata": {**metadata, "pair_id": f"{metadata['pair_id']}/{world}"},
                }


def prepare_input(folder: Path, real: Path, size: int) -> Path:
    """Return a folder with one file of ``size`` samples, made where it is not there yet."""
    path = folder / f"{size}" / "samples.jsonl"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as stream:
            for row in islice(make_samples(real), size):
                stream.write(msgspec.json.encode(row) + b"\n")
        temporary.rename(path)

    return path.parent


def measure(command: list[str]) -> Measured:
    """Run a command to its end and watch its processes."""
    environment = os.environ | {"PYTHONPATH": str(_ROOT)}
    before = os.times()
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _resident_bytes(process.pid))
        time.sleep(0.05)
    seconds = time.perf_counter() - started
    after = os.times()
    if process.returncode:
        sys.exit(f"`{' '.join(command)}` failed with status {process.returncode}.")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system

    return Measured(seconds, cpu, peak)


def _resident_bytes(pid: int) -> int:
    total = 0
    try:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        pass

    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where samples and results are kept")
    parser.add_argument("--samples", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--num-pairs", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=1, help="runs of each side; the quickest counts")
    parser.add_argument("--real", type=Path, default=_REAL, help="the judgements to make samples from")
    arguments = parser.parse_args()

    print("| samples | MB | program | seconds | CPU seconds | samples/s | peak MB |")
    print("|--:|--:|---|--:|--:|--:|--:|")
    for size in arguments.samples:
        source = prepare_input(arguments.folder, arguments.real, size)
        megabytes = (source / "samples.jsonl").stat().st_size / 1e6
        output = arguments.folder / "out"
        pairs = str(arguments.num_pairs)
        plain = [sys.executable, str(_ROOT / "benchmarks" / "plain_dpo.py"), str(source)]
        ours = [sys.executable, "-c", "from ste_fairseq2.cli.main import main; main()", "prepare-dpo"]
        ours += ["--generation-dir", str(source), "--output-dir", str(output), "--num-pairs", pairs]
        commands = {
            "plain Python": [*plain, str(arguments.folder / "plain.jsonl"), pairs],
            "ste prepare-dpo": ours,
        }
        best: dict[str, Measured] = {}
        for _ in range(arguments.repeat):
            for name, command in commands.items():
                shutil.rmtree(output, ignore_errors=True)
                measured = measure(command)
                best[name] = min(measured, best.get(name, measured))
        for name, (seconds, cpu, peak) in best.items():
            print(
                f"| {size:,} | {megabytes:,.0f} | {name} | {seconds:.1f} | {cpu:.1f} "
                f"| {size / seconds:,.0f} | {peak / 1e6:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
