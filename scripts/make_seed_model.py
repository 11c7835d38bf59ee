"""Remakes the small world's seed model in data/small_world/seed; some minutes on two cores.

    python scripts/make_seed_model.py [--output FOLDER] [--seed 2] [--steps 400]

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
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.digest import digest_file
from ste_fairseq2.jsonl import write_rows, write_text
from ste_fairseq2.resources import resource_dir
from ste_fairseq2.small_world.seed_rows import seed_rows
from ste_fairseq2.small_world.untrained import build_untrained

BATCH_SIZE: Final = 128
WARMUP_STEPS: Final = 100


def main() -> None:
    parser = argparse.ArgumentParser(description="Remake the small world's seed model.")
    parser.add_argument("--output", type=Path, default=resource_dir("data") / "small_world" / "seed")
    parser.add_argument("--seed", type=int, default=2, help="seed of weights, rows and their order")
    parser.add_argument("--steps", type=int, default=400, help=f"steps of {BATCH_SIZE} rows")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as work:
        made = make_seed_model(Path(work), args.seed, args.steps)
        # A folder of the same name is replaced, but only by a model that is complete.
        if args.output.exists():
            shutil.rmtree(args.output)
        args.output.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, args.output)
    print(f"seed model written to {args.output}")


def make_seed_model(work: Path, seed: int, steps: int) -> Path:
    """Write the folder below ``work`` and return it."""
    untrained = build_untrained(work / "untrained", seed)
    count = write_rows(work / "rows.jsonl", seed_rows(steps * BATCH_SIZE, seed))
    config = resource_dir("training_configs") / "small_world" / "sft.yaml"
    values = [
        f"model.name={untrained}",
        f"dataset.batch_size={BATCH_SIZE}",
        f"regime.num_steps={steps}",
        f"lr_scheduler.config.num_warmup_steps={min(WARMUP_STEPS, steps - 1)}",
        f"common.seed={seed}",
    ]
    train = ["instruction_finetune", str(work / "train"), "--no-rich", "--config-file", str(config)]
    run_fairseq2([*train, "--config", *values], data=work / "rows.jsonl")
    output = work / "seed"
    export = ["export", "--checkpoint-dir", str(work / "train" / "checkpoints"), "--output", str(output)]
    run_fairseq2([*export, "--dtype", "float32"])
    write_text(
        output / "made.json", json.dumps(description(output, seed, steps, count), indent=2) + "\n"
    )

    return output


def run_fairseq2(arguments: list[str], *, data: Path | None = None) -> None:
    """Run `fairseq2 lm`; sums are added up in the same order whatever the number of cores."""
    environment = os.environ | {"OMP_NUM_THREADS": "2"} | ({"STE_SFT_DATA": str(data)} if data else {})
    command = [sys.executable, "-m", "ste_fairseq2.cli.lm", "lm", *arguments]
    subprocess.run(command, env=environment, check=True)


def description(folder: Path, seed: int, steps: int, num_rows: int) -> dict[str, Any]:
    """Return how the model was made and the digests of its files."""
    import torch

    return {
        "command": f"python scripts/make_seed_model.py --seed {seed} --steps {steps}",
        "rows": num_rows,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "files": {path.name: digest_file(path) for path in sorted(folder.iterdir())},
    }


if __name__ == "__main__":
    main()
