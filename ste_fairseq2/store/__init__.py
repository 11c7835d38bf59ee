"""Output folders of the stages: append-only shards, quarantine, manifest last, resume."""

from __future__ import annotations

from ste_fairseq2.store.manifest import Manifest, read_manifest, write_manifest
from ste_fairseq2.store.quarantine import Quarantine
from ste_fairseq2.store.reading import find_record_files, lineage_of
from ste_fairseq2.store.stage import StageStore

__all__ = [
    "Manifest",
    "Quarantine",
    "StageStore",
    "find_record_files",
    "lineage_of",
    "read_manifest",
    "write_manifest",
]
