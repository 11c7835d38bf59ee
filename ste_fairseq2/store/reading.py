"""Finds the records of an input: those of a finished stage, or whatever JSONL files a user names."""

from __future__ import annotations

import json
from pathlib import Path

from ste_fairseq2.digest import digest_file
from ste_fairseq2.errors import UnfinishedStageError
from ste_fairseq2.jsonl import find_data_files
from ste_fairseq2.store.folder import CONFIG_NAME
from ste_fairseq2.store.manifest import MANIFEST_NAME
from ste_fairseq2.store.stage import RECORDS_PREFIX


def find_record_files(path: Path) -> list[Path]:
    """Return the files that hold the records of ``path``, sorted.

    :raises MissingPathError: nothing is there.
    :raises UnfinishedStageError: it is the output folder of a stage that has not ended.
    """
    stage = stage_of(path)
    if stage is None:
        return find_data_files(path)
    if not (path / MANIFEST_NAME).is_file():
        raise UnfinishedStageError(path, stage)
    records = sorted(path.glob(f"{RECORDS_PREFIX}-*.jsonl"))

    return records or find_data_files(path)


def stage_of(path: Path) -> str | None:
    """Return the name of the stage whose output folder ``path`` is, or ``None``."""
    config = path / CONFIG_NAME
    if not config.is_file():
        return None
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except ValueError:
        return None
    stage = content.get("stage") if isinstance(content, dict) else None

    return stage if isinstance(stage, str) else None


def lineage_of(path: Path) -> dict[str, str]:
    """Return what leads from a manifest back to that of its input, where a stage made that."""
    stage = stage_of(path)
    if stage is None:
        return {"path": str(path)}

    return {"path": str(path), "stage": stage, "manifest": digest_file(path / MANIFEST_NAME)}
