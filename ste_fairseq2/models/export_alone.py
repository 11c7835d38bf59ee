"""Exports a checkpoint from a process that has not started fairseq2, such as a command's."""

from __future__ import annotations

from pathlib import Path


def export_alone(
    checkpoint_dir: Path,
    checkpoint: str,
    output: Path,
    *,
    dtype: str = "bfloat16",
    shard_bytes: int = 5 << 30,
) -> None:
    """Start fairseq2 and call :func:`~ste_fairseq2.models.export.export_checkpoint`."""
    from ste_fairseq2.native import preload_libsndfile

    preload_libsndfile()
    import fairseq2.recipe.base  # noqa: F401  # first, or fairseq2's modules import in a circle
    from fairseq2 import init_fairseq2

    from ste_fairseq2.models.export import export_checkpoint

    export_checkpoint(
        init_fairseq2(no_progress=True),
        checkpoint_dir,
        checkpoint,
        output,
        dtype=dtype,
        shard_bytes=shard_bytes,
    )
