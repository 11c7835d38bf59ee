"""An output folder that survives a kill at any moment: append-only shards, resumed by record id.

Layout of a folder::

    config.json             the configuration the stage was begun with
    records-00000.jsonl …   finished records, each with its `id`; appended as they finish
    dropped-00000.jsonl …   what no record came of, with `id` and `reason`, if there was any
    quarantine.jsonl        malformed input rows, if there were any
    manifest.json           written last: counts, digests, configuration

A resumed stage reads the ids that are there, cuts off a half-written last line and does only what is
missing. Records stand in the order they finished in; readers go by id.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from ste_fairseq2.errors import InputError
from ste_fairseq2.jsonl import Row
from ste_fairseq2.store.folder import CONFIG_NAME, check_config, lock_folder, write_config
from ste_fairseq2.store.manifest import Manifest, read_manifest, write_manifest
from ste_fairseq2.store.shards import Shards

RECORDS_PREFIX: Final = "records"
DROPPED_PREFIX: Final = "dropped"

TOKEN_FIELDS: Final = ("num_prompt_tokens", "num_output_tokens")
"""Fields of records and dropped rows that are added up."""


class StageStore:
    """The output folder of one stage; a context manager that holds the folder's lock."""

    def __init__(
        self,
        folder: Path,
        stage: str,
        config: Mapping[str, Any],
        *,
        shard_bytes: int = 256 << 20,
    ) -> None:
        """
        :param config: everything the records depend on; a resume with another one is refused.
        :raises ResumeMismatchError: the folder was begun with another configuration.
        :raises FolderBusyError: another process holds the folder.
        """
        self.folder = folder
        self._stage = stage
        self._config = json.loads(json.dumps(config, sort_keys=True))
        self._lock = lock_folder(folder)
        try:
            self._check_config()
            self._kept = Shards(folder, RECORDS_PREFIX, shard_bytes)
            self._dropped = Shards(folder, DROPPED_PREFIX, shard_bytes)
            self._done: set[str] = set()
            self.tokens: Counter[str] = Counter()
            """Sums of :data:`TOKEN_FIELDS`, over earlier runs too."""
            self.dropped: Counter[str] = Counter()
            """What no record came of, by reason."""
            for row in self._kept.rows():
                self._count(row.text("id"), row.data)
            for row in self._dropped.rows():
                self._count(row.text("id"), row.data)
                self.dropped[row.text("reason")] += 1
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> StageStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._kept.close()
        self._dropped.close()
        self._lock.close()

    @property
    def is_complete(self) -> bool:
        """Whether the stage has ended and its manifest is written."""
        return read_manifest(self.folder) is not None

    @property
    def num_done(self) -> int:
        """Records and dropped ones together."""
        return len(self._done)

    @property
    def num_records(self) -> int:
        return len(self._done) - self.dropped.total()

    def __contains__(self, record_id: str) -> bool:
        """Whether the record is there, or was dropped."""
        return record_id in self._done

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one finished record (its ``id`` is new) so that a killed process does not lose it."""
        self._refuse_known(record["id"])
        self._kept.append(record)
        self._count(record["id"], record)

    def drop(self, record_id: str, reason: str, detail: Mapping[str, Any]) -> None:
        """Note that no record comes of this, so that a resumed run does not try again.

        :param reason: a short name; drops are counted by it.
        :param detail: whatever helps to see why.
        """
        self._refuse_known(record_id)
        row = {"id": record_id, "reason": reason} | dict(detail)
        self._dropped.append(row)
        self._count(record_id, row)
        self.dropped[reason] += 1

    def records(self) -> Iterator[Row]:
        """Yield the stored records, shard by shard."""
        return self._kept.rows()

    def finish(
        self,
        counts: Mapping[str, int],
        *,
        digests: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Manifest:
        """Write the manifest, which completes the stage."""
        self._kept.sync()
        self._dropped.sync()
        manifest = Manifest(
            stage=self._stage,
            config=self._config,
            counts=counts,
            digests=digests or {},
            details=details or {},
        )
        write_manifest(self.folder, manifest)

        return manifest

    def _count(self, record_id: str, row: Mapping[str, Any]) -> None:
        self._done.add(record_id)
        for name in TOKEN_FIELDS:
            self.tokens[name] += row.get(name, 0)

    def _refuse_known(self, record_id: str) -> None:
        if record_id in self._done:
            raise ValueError(f"record `{record_id}` is already stored.")

    def _check_config(self) -> None:
        current = {"stage": self._stage, **self._config}
        if check_config(self.folder, current):
            return
        if any(self.folder.glob(f"{RECORDS_PREFIX}-*.jsonl")):
            raise InputError(
                f"`{self.folder}` holds records but no {CONFIG_NAME}; use another output folder."
            )
        write_config(self.folder, current)
