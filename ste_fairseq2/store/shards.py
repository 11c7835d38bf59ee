"""Append-only JSONL files of a bounded size, of which a kill can cut the last line and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ste_fairseq2.jsonl import Row, dump_row, read_rows


class Shards:
    """The files ``PREFIX-00000.jsonl``, ``PREFIX-00001.jsonl`` … of a folder."""

    def __init__(self, folder: Path, prefix: str, shard_bytes: int) -> None:
        """Half-written last lines of an earlier process are cut off."""
        self._folder = folder
        self._prefix = prefix
        self._shard_bytes = shard_bytes
        self._stream: IO[bytes] | None = None
        for path in self.paths():
            _cut_half_line(path)

    def paths(self) -> list[Path]:
        return sorted(self._folder.glob(f"{self._prefix}-*.jsonl"))

    def rows(self) -> Iterator[Row]:
        for path in self.paths():
            yield from read_rows(path)

    def append(self, row: Mapping[str, Any]) -> None:
        """Write a row; it reaches the operating system at once, and the disk by :meth:`sync`."""
        if self._stream is None or self._stream.tell() >= self._shard_bytes:
            self._stream = self._open_next()
        self._stream.write(dump_row(row).encode())
        self._stream.flush()

    def sync(self) -> None:
        if self._stream is not None:
            os.fsync(self._stream.fileno())

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _open_next(self) -> IO[bytes]:
        self.sync()
        self.close()
        paths = self.paths()
        if paths and paths[-1].stat().st_size < self._shard_bytes:
            return paths[-1].open("ab")

        return (self._folder / f"{self._prefix}-{len(paths):05d}.jsonl").open("ab")


def _cut_half_line(path: Path) -> None:
    with path.open("rb+") as stream:
        size = stream.seek(0, os.SEEK_END)
        keep = size
        while keep > 0:
            start = max(keep - (1 << 16), 0)
            stream.seek(start)
            newline = stream.read(keep - start).rfind(b"\n")
            if newline >= 0:
                keep = start + newline + 1
                break
            keep = start
        if keep < size:
            stream.truncate(keep)
