"""The input files of a run, cut into byte ranges that worker processes read on their own."""

from __future__ import annotations

import functools
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NamedTuple, TypeAlias

from ste_fairseq2.errors import RowError
from ste_fairseq2.jsonl import MAX_LINE_BYTES, find_data_files

NEGATIVES: Final = 255
"""The set number of the samples that serve as rejected judgements only."""

_BLOCK_BYTES: Final = 8 << 20
_BATCH_BYTES: Final = 1 << 17
_COPY_BYTES: Final = 1 << 18

OnBadRow: TypeAlias = Callable[[int, RowError], None]
"""Receives the set number and the error of each malformed row."""


@dataclass(frozen=True)
class InputFile:
    """A file of samples that can be read at any offset."""

    path: Path
    source: str
    """The file as the user named it; an unpacked file has another path."""
    set_number: int
    """Which of the sets the file belongs to, or :data:`NEGATIVES`."""


class Block(NamedTuple):
    """The lines of a file that begin in ``start`` to ``end``."""

    file: InputFile
    file_number: int
    start: int
    end: int


def collect_files(
    sets: Sequence[Path], negatives: Path | None, scratch: Path, on_error: OnBadRow
) -> list[InputFile]:
    """Find the files of each set; gzip files are unpacked into ``scratch``, one after another."""
    folders = [*enumerate(sets)]
    if negatives is not None:
        folders.append((NEGATIVES, negatives))

    files: list[InputFile] = []
    for set_number, folder in folders:
        for path in find_data_files(folder):
            readable = path
            if path.suffix == ".gz":
                readable = scratch / f"unpacked-{len(files)}"
                _unpack(path, readable, functools.partial(on_error, set_number))
            files.append(InputFile(readable, str(path), set_number))

    return files


def cut_into_blocks(files: Sequence[InputFile]) -> Iterator[Block]:
    for number, file in enumerate(files):
        size = file.path.stat().st_size
        for start in range(0, size, _BLOCK_BYTES):
            yield Block(file, number, start, min(start + _BLOCK_BYTES, size))


def read_batches(block: Block) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the lines that begin in the block, blank ones too, some at a time with the first's offset.

    A line that is too long is cut just behind ``MAX_LINE_BYTES``, so memory stays flat; none but the
    last of a batch can be.
    """
    with block.file.path.open("rb", buffering=_COPY_BYTES) as stream:
        offset = block.start
        if offset:
            # The line that reaches into the block belongs to the one before.
            stream.seek(offset - 1)
            offset += _skip_line(stream, limit=block.end - block.start + 1) - 1
        while offset < block.end:
            data = stream.read(min(_BATCH_BYTES, block.end - offset))
            if not data:
                return
            if not data.endswith(b"\n"):
                data += stream.readline(MAX_LINE_BYTES + 1)
            lines = io.BytesIO(data).readlines()
            next_offset = offset + len(data)
            if len(lines[-1]) > MAX_LINE_BYTES and not data.endswith(b"\n"):
                next_offset += _skip_line(stream)
            lines[-1] = lines[-1][: MAX_LINE_BYTES + 1]
            yield offset, lines
            offset = next_offset


def _skip_line(stream: IO[bytes], limit: int | None = None) -> int:
    """Move behind the next newline, or some way beyond ``limit`` bytes; return the bytes passed."""
    passed = 0
    while limit is None or passed < limit:
        part = stream.readline(_COPY_BYTES)
        passed += len(part)
        if not part or part.endswith(b"\n"):
            break

    return passed


def _unpack(path: Path, target: Path, on_error: Callable[[RowError], None]) -> None:
    """Unpack a gzip file as far as it is whole; a damaged one loses the line the damage is in."""
    newlines = kept = 0
    with target.open("wb") as sink:
        try:
            with gzip.open(path, "rb") as stream:
                while part := stream.read1(_COPY_BYTES):
                    if b"\n" in part:
                        kept = sink.tell() + part.rindex(b"\n") + 1
                    newlines += part.count(b"\n")
                    sink.write(part)
        except (OSError, EOFError, zlib.error) as ex:
            sink.truncate(kept)
            on_error(RowError(str(path), newlines + 1, None, f"cannot be read: {ex}."))
