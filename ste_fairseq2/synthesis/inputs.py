"""Reads what a stage works on: JSONL files, another stage's output, or a data set of the Hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from ste_fairseq2.digest import digest_file, digest_json
from ste_fairseq2.errors import InputError, RowError
from ste_fairseq2.jsonl import OnError, Row, read_rows
from ste_fairseq2.models.hf_folder import HUB_PREFIX
from ste_fairseq2.store import find_record_files, lineage_of


class Content(Protocol):
    """What a row holds."""

    @property
    def id(self) -> str: ...


ContentT = TypeVar("ContentT", bound=Content)
ContentT_co = TypeVar("ContentT_co", bound=Content, covariant=True)


@dataclass(frozen=True)
class InputRecord(Generic[ContentT_co]):
    """One row with its place."""

    index: int
    """Position in the file or set, from 0; malformed rows are counted."""
    id: str
    """Unique in the whole input."""
    source: str
    line: int
    content: ContentT_co


@dataclass(frozen=True)
class InputScan:
    """What a first reading of the whole input found."""

    ids: list[str] = field(default_factory=list)
    """Of the usable rows, in their order."""
    errors: list[RowError] = field(default_factory=list)

    @property
    def num_rows(self) -> int:
        return len(self.ids) + len(self.errors)


class StageInputs(Generic[ContentT]):
    """The rows of an input; can be read any number of times."""

    def __init__(
        self,
        location: str,
        read: Callable[[Row], ContentT],
        *,
        split: str = "train",
        limit: int | None = None,
    ) -> None:
        """
        :param location: a JSONL file, a folder of such files, the output folder of a stage, or
            ``hg://owner/name``.
        :param read: makes the content of a row, or raises :class:`RowError`.
        :param limit: stop after so many usable rows.
        :raises MissingPathError: the file or folder does not exist.
        :raises UnfinishedStageError: the stage whose output it is has not ended.
        :raises InputError: the data set cannot be loaded.
        """
        self._read = read
        self._limit = limit
        self._hub = _load_hub(location, split) if location.startswith(HUB_PREFIX) else None
        self._files = find_record_files(Path(location)) if self._hub is None else []
        self.location = location

    @cached_property
    def digest(self) -> str:
        """Digest of the content; file names and places do not matter."""
        if self._hub is not None:
            return digest_json([self.location, str(self._hub._fingerprint)])

        return digest_json([digest_file(path) for path in self._files])

    @property
    def lineage(self) -> dict[str, str]:
        """What a manifest says of the input."""
        return {"path": self.location} if self._hub is not None else lineage_of(Path(self.location))

    def scan(self) -> InputScan:
        """Read everything once, so that what is wrong is known before a model is loaded."""
        scan = InputScan()
        scan.ids.extend(record.id for record in self.records(on_error=scan.errors.append))

        return scan

    def records(self, *, on_error: OnError) -> Iterator[InputRecord[ContentT]]:
        """Yield the usable rows in order, at most the limit."""
        num_bad = 0

        def count_and_report(error: RowError) -> None:
            nonlocal num_bad
            num_bad += 1
            on_error(error)

        seen: dict[str, str] = {}
        for row in self._rows(count_and_report):
            if len(seen) == self._limit:
                return
            try:
                record = self._place(row, len(seen) + num_bad, seen)
            except RowError as ex:
                count_and_report(ex)
                continue
            seen[record.id] = f"{row.source}:{row.line}"
            yield record

    def _place(self, row: Row, index: int, seen: dict[str, str]) -> InputRecord[ContentT]:
        content = self._read(row)
        record_id = content.id
        if record_id in seen:
            if row.data.get("id") is not None:
                row.fail("id", f"{record_id!r} is that of {seen[record_id]} too; ids must be unique.")
            # The same content twice without an id: both are worked on, as two rows.
            record_id = f"{record_id}-{index}"

        return InputRecord(index, record_id, row.source, row.line, content)

    def _rows(self, on_error: OnError) -> Iterator[Row]:
        for path in self._files:
            yield from read_rows(path, on_error=on_error)
        if self._hub is not None:
            for number, data in enumerate(self._hub, start=1):
                yield Row(self.location, number, data)


def ignore(error: RowError) -> None:
    """Pass over what the scan has already reported; an ``on_error`` for the readings behind it."""


def _load_hub(location: str, split: str) -> Any:
    import datasets

    try:
        return datasets.load_dataset(location.removeprefix(HUB_PREFIX), split=split)
    except Exception as ex:
        raise InputError(f"`{location}` (split `{split}`) cannot be loaded by `datasets`: {ex}") from ex
