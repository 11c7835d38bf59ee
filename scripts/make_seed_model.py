"""Remakes a model of the small world in data/small_world; some minutes on two cores.

    python scripts/make_seed_model.py [--output FOLDER] [--seed 2] [--steps 400]
    python scripts/make_seed_model.py --model base [--output FOLDER] [--seed 2] [--steps 400]

`seed` is the judge that teaches itself, `base` the model that Self-Rewarding begins with.

An untrained model is written, then trained and exported by `fairseq2 lm`, as any other model is.
`made.json` in the folder tells how it was made, and the digests of what came out. The same machine makes
the same weights again; another may round differently.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from ste_fairseq2.digest import digest_file
from ste_fairseq2.jsonl import write_rows, write_text
from ste_fairseq2.resources import resource_dir
from ste_fairseq2.small_world.base_rows import base_rows
from ste_fairseq2.small_world.seed_rows import seed_rows
from ste_fairseq2.small_world.untrained import build_untrained, texts_of_base, texts_of_seed

BATCH_SIZE: Final = 128
WARMUP_STEPS: Final = 100


class Lessons(NamedTuple):
    """What a model is made of."""

    texts: Callable[[], Iterator[str]]
    rows: Callable[[int, int], Iterator[dict[str, Any]]]
    """Draws so many rows by a seed."""
    threads: int
    """Of the training: with another number sums are added up in another order."""


MODELS: Final = {
    "seed": Lessons(texts_of_seed, seed_rows, threads=2),
    "base": Lessons(texts_of_base, base_rows, threads=1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Remake a model of the small world.")
    parser.add_argument("--model", choices=list(MODELS), default="seed", help="which one")
    parser.add_argument("--output", type=Path, help="folder; where absent, that of the shipped model")
    parser.add_argument("--seed", type=int, default=2, help="seed of weights, rows and their order")
    parser.add_argument("--steps", type=int, default=400, help=f"steps of {BATCH_SIZE} rows")
    args = parser.parse_args()
    output = args.output or resource_dir("data") / "small_world" / args.model

    with tempfile.TemporaryDirectory() as work:
        made = make_model(Path(work), args.model, args.seed, args.steps)
        # A folder of the same name is replaced, but only by a model that is complete.
        if output.exists():
            shutil.rmtree(output)
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, output)
    print(f"{args.model} model written to {output}")


def make_model(work: Path, name: str, seed: int, steps: int) -> Path:
    """Write the folder below ``work`` and return it."""
    lessons = MODELS[name]
    untrained = build_untrained(work / "untrained", seed, lessons.texts())
    count = write_rows(work / "rows.jsonl", lessons.rows(steps * BATCH_SIZE, seed))
    config = resource_dir("training_configs") / "small_world" / "sft.yaml"
    values = [
        f"model.name={untrained}",
        f"dataset.batch_size={BATCH_SIZE}",
        f"regime.num_steps={steps}",
        f"lr_scheduler.config.num_warmup_steps={min(WARMUP_STEPS, steps - 1)}",
        f"common.seed={seed}",
    ]
    train = ["instruction_finetune", str(work / "train"), "--no-rich", "--config-file", str(config)]
    run_fairseq2([*train, "--config", *values], threads=lessons.threads, data=work / "rows.jsonl")
    output = work / name
    export = ["export", "--checkpoint-dir", str(work / "train" / "checkpoints"), "--output", str(output)]
    run_fairseq2([*export, "--dtype", "float32"], threads=lessons.threads)
    command = ["python", "scripts/make_seed_model.py", *(["--model", name] if name != "seed" else [])]
    command += ["--seed", str(seed), "--steps", str(steps)]
    made = description(output, " ".join(command), count)
    write_text(output / "made.json", json.dumps(made, indent=2) + "\n")

    return output


def run_fairseq2(arguments: list[str], *, threads: int, data: Path | None = None) -> None:
    """Run `fairseq2 lm` with as many threads whatever the number of cores."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    if data is not None:
        environment["STE_SFT_DATA"] = str(data)
    command = [sys.executable, "-m", "ste_fairseq2.cli.lm", "lm", *arguments]
    subprocess.run(command, env=environment, check=True)


def description(folder: Path, command: str, num_rows: int) -> dict[str, Any]:
    """Return how the model was made and the digests of its files."""
    import torch

    return {
        "command": command,
        "rows": num_rows,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "files": {path.name: digest_file(path) for path in sorted(folder.iterdir())},
    }


if __name__ == "__main__":
    main()
