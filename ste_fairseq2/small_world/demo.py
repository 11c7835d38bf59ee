"""The loop on the small world, with two filters side by side: what `ste demo` runs.

Pairs are made once. Then two loops teach the same seed model with them, at the same time: one keeps a
pair only where the judge was right in both orders by at least half of its samples, the other keeps any
sample with the right verdict, as upstream's scripts do. Both are judged on held-out pairs, whose truth
nothing else ever sees.

Layout of the output folder::

    instructions.jsonl, held_out.jsonl   drawn from the seed
    pairs/                               the loop that makes the pairs
    both-orders/, any-right/             the loops of the two filters
    rounds.json, accuracy.png            their rounds, the judges' accuracy
    report.html
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from ste_fairseq2.engines.orphans import OrphanGuard
from ste_fairseq2.errors import DemoError
from ste_fairseq2.jsonl import write_text
from ste_fairseq2.loop.launch import locate
from ste_fairseq2.loop.load import read_loop_folder
from ste_fairseq2.loop.rounds import ROUNDS_NAME, RoundSummary, summarise_rounds
from ste_fairseq2.resources import resource_dir
from ste_fairseq2.small_world.benchmark import write_held_out_pairs
from ste_fairseq2.small_world.demo_config import DemoConfig
from ste_fairseq2.small_world.instructions import write_training_instructions

FILTERS: Final[Mapping[str, float]] = {"both-orders": 0.5, "any-right": 0.0}
"""The loops by the least agreement that they ask of a pair's orders; the first is the method's."""

_PAIRS_NAME: Final = "pairs"
_SOURCE: Final = "main"
BENCHMARK: Final = "held_out"
_NUM_HELD_OUT: Final = 400


def run_demo(config: DemoConfig) -> dict[str, list[RoundSummary]]:
    """Run what is still to do; return the rounds by filter, the seed model first.

    :raises DemoError: a loop failed; its own error stands above.
    """
    folder = config.output_dir
    folder.mkdir(parents=True, exist_ok=True)
    instructions, held_out = folder / "instructions.jsonl", folder / f"{BENCHMARK}.jsonl"
    if not instructions.is_file():
        write_training_instructions(instructions, config.num_instructions, config.seed)
    if not held_out.is_file():
        write_held_out_pairs(held_out, _NUM_HELD_OUT, config.seed)
    values = {
        "model": resource_dir("data") / "small_world" / "seed",
        "seed": config.seed,
        "sft.config_file": resource_dir("training_configs") / "small_world" / "sft.yaml",
    }
    source = f"sources.{_SOURCE}"
    run_loops(
        {
            _PAIRS_NAME: loop_command(
                folder / _PAIRS_NAME,
                values | {f"{source}.instructions": instructions, "rounds": 0, "evaluate": "{}"},
            )
        },
        cores=num_cores(),
    )
    values |= {
        f"{source}.instructions": "null",
        f"{source}.pairs": pairs_of(folder),
        f"evaluate.{BENCHMARK}.data": held_out,
        "rounds": config.num_rounds,
    }
    loops = {
        name: loop_command(folder / name, values | {"prepare_sft.min_agreement": agreement})
        for name, agreement in FILTERS.items()
    }
    run_loops(loops, cores=max(1, num_cores() // len(loops)))
    rounds = {name: read_rounds(folder / name) for name in FILTERS}
    _write_rounds(config, folder, rounds)

    return rounds


def pairs_of(folder: Path) -> Path:
    """Return the folder of the pairs that both loops learn from."""
    return folder / _PAIRS_NAME / "sources" / _SOURCE / "worsen"


def loop_command(folder: Path, values: Mapping[str, object], *, name: str = "loop.yaml") -> list[str]:
    """Return the command of a loop of the small world.

    :param values: what wins over its configuration.
    :param name: of the configuration.
    """
    config = resource_dir("training_configs") / "small_world" / name
    assignments = [f"{name}={value}" for name, value in values.items()]

    return ["ste", "loop", str(config), "--output-dir", str(folder), "--set", *assignments]


def run_loops(loops: Mapping[str, Sequence[str]], *, cores: int) -> None:
    """Run loops at the same time, and show what each is at under its name.

    :param cores: how many each may use.
    """
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(cores),
        # Left to itself, vLLM would pin the threads of both loops to the same cores.
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    }
    drivers = {
        name: subprocess.Popen(
            locate(command),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for name, command in loops.items()
    }
    guard = OrphanGuard([-driver.pid for driver in drivers.values()])
    readers = [
        threading.Thread(target=_show, args=(name, driver.stderr, time.monotonic()))
        for name, driver in drivers.items()
    ]
    try:
        for reader in readers:
            reader.start()
        for driver in drivers.values():
            driver.wait()
    finally:
        for driver in drivers.values():
            # A driver ends its step and what that has started.
            driver.terminate()
            driver.wait()
        for reader in readers:
            reader.join()
        guard.close()
    for name, driver in drivers.items():
        if driver.returncode:
            raise DemoError(name, driver.returncode)


def _show(name: str, lines: IO[str], began: float) -> None:
    for line in lines:
        print(f"{time.monotonic() - began:4.0f} s  {name}: {line.rstrip()}", file=sys.stderr, flush=True)


def read_rounds(folder: Path) -> list[RoundSummary]:
    """Return the rounds of a loop, the seed model first."""
    _, plan = read_loop_folder(folder)

    return summarise_rounds(plan, folder)


def _write_rounds(
    config: DemoConfig, folder: Path, rounds: Mapping[str, Sequence[RoundSummary]]
) -> None:
    """Write the method's own rounds as a loop does, with those of the other filter beside them."""
    written: dict[str, Any] = {
        name: json.loads((folder / name / ROUNDS_NAME).read_text(encoding="utf-8")) for name in rounds
    }
    first, *others = FILTERS
    content = written[first] | {
        "filter": first,
        "other_filters": {name: written[name]["rounds"] for name in others},
        "instructions": config.num_instructions,
    }
    write_text(folder / ROUNDS_NAME, json.dumps(content, indent=2) + "\n")


def num_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))
