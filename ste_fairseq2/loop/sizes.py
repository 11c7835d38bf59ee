"""How many records files and folders hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ste_fairseq2.errors import MissingPathError
from ste_fairseq2.jsonl import DATA_SUFFIXES, find_data_files, read_rows
from ste_fairseq2.store.manifest import Manifest, read_manifest


def num_written(manifest: Manifest) -> int:
    """Return how many records a finished stage has written."""
    if "examples" in manifest.details:
        return int(manifest.details["examples"]["written"])

    return manifest.counts["kept"]


def num_records(path: Path) -> int | None:
    """Return how many records a file or a stage's folder holds; ``None`` where counting needs more."""
    if path.is_dir():
        manifest = read_manifest(path)
        if manifest is not None:
            return num_written(manifest)
    elif not path.name.endswith(DATA_SUFFIXES):
        return None
    try:
        return _count_rows(find_data_files(path))
    except MissingPathError:
        # Nothing is there yet, or a folder of parquet files.
        return None


def _count_rows(files: Sequence[Path]) -> int:
    return sum(1 for file in files for _ in read_rows(file, on_error=lambda error: None))
