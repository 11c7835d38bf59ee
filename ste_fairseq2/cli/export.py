"""`fairseq2 lm export`: a checkpoint as a Hugging Face folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ste_fairseq2.cli.config import parse_config


@dataclass(kw_only=True)
class ExportConfig:
    """What to export, and where to."""

    checkpoint_dir: Path
    """the `checkpoints` folder of a run"""
    output: Path
    """folder to write; it must not exist"""
    checkpoint: str = "last"
    """step_N, last, best (by the run's own metric), or the checkpoints.json that `ste evaluate
    --checkpoints` wrote, for the best of that"""
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    """type of the exported weights"""
    shard_bytes: int = 5 << 30
    """most bytes in one file of weights; so much memory is needed"""


def run(argv: Sequence[str]) -> None:
    config = parse_config(
        ExportConfig,
        argv,
        prog="fairseq2 lm export",
        description="Write a checkpoint as a Hugging Face folder that vLLM and transformers load.",
    )
    checkpoint = config.checkpoint
    if checkpoint.endswith(".json"):
        from ste_fairseq2.evaluation.checkpoint_choice import read_chosen_step

        checkpoint = f"step_{read_chosen_step(Path(checkpoint))}"
    from ste_fairseq2.models.export_alone import export_alone

    export_alone(
        config.checkpoint_dir,
        checkpoint,
        config.output,
        dtype=config.dtype,
        shard_bytes=config.shard_bytes,
    )
    print(config.output)
