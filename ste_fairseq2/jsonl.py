"""Reads and writes JSONL; whatever is wrong with a line becomes a :class:`RowError` with file:line."""

from __future__ import annotations

import gzip
import json
import math
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, NoReturn

from ste_fairseq2.errors import MissingPathError, RowError

MAX_LINE_BYTES: Final = 64 << 20
"""Longer lines are malformed: a record of text is never 64 MiB."""

DATA_SUFFIXES: Final = (".jsonl", ".jsonl.gz")

_NO_DATA: Final = (".", "quarantine", "dropped-")

OnError = Callable[[RowError], None]


@dataclass(frozen=True)
class Row:
    """One parsed line; its accessors raise :class:`RowError` that name the file, line and field."""

    source: str
    """The file as the user named it."""
    line: int
    """The line number, from 1."""
    data: Mapping[str, Any]

    def fail(self, field: str | None, reason: str) -> NoReturn:
        raise RowError(self.source, self.line, field, reason)

    def text(self, field: str) -> str:
        """Return a field that must be a string."""
        value = self.require(field)
        if not isinstance(value, str):
            self.fail(field, f"must be a string, but is {_kind(value)}.")

        return value

    def non_empty_text(self, field: str) -> str:
        value = self.text(field)
        if not value.strip():
            self.fail(field, "must not be empty.")

        return value

    def optional_text(self, field: str) -> str | None:
        return None if self.data.get(field) is None else self.text(field)

    def optional_number(self, field: str) -> float | None:
        """Return a finite number, or ``None`` where the field is absent or null; 0.0 is a number."""
        value = self.data.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(field, f"must be a number, but is {_kind(value)}.")
        if not math.isfinite(value):
            self.fail(field, f"must be finite, but is {value}.")

        return float(value)

    def require(self, field: str) -> Any:
        if field not in self.data:
            have = ", ".join(f"`{k}`" for k in list(self.data)[:8]) or "no fields"
            self.fail(field, f"is missing; the row has {have}.")

        return self.data[field]


def read_rows(path: Path, *, on_error: OnError | None = None) -> Iterator[Row]:
    """Yield the rows of a JSONL file, plain or gzip; blank lines are skipped.

    :param on_error: receives the error of each malformed line, which is then passed over; where it is
        ``None`` the first malformed line raises.
    :raises MissingPathError: ``path`` does not exist.
    :raises RowError: a line is not a JSON object, is cut, is not UTF-8 or holds NaN.
    """
    if not path.is_file():
        raise MissingPathError("data file", path)

    with _open(path) as stream:
        number = 0
        while True:
            number += 1
            try:
                raw = stream.readline(MAX_LINE_BYTES + 1)
            except (OSError, EOFError, zlib.error) as ex:
                _handle(RowError(str(path), number, None, f"cannot be read: {ex}."), on_error)
                return
            if not raw:
                return
            if len(raw) > MAX_LINE_BYTES:
                while raw and not raw.endswith(b"\n"):
                    raw = stream.readline(MAX_LINE_BYTES)
                reason = f"is longer than {MAX_LINE_BYTES >> 20} MiB."
                _handle(RowError(str(path), number, None, reason), on_error)
                continue
            if not raw.strip():
                continue
            try:
                yield parse_row(raw, str(path), number)
            except RowError as ex:
                _handle(ex, on_error)


def parse_row(raw: bytes, source: str, line: int) -> Row:
    """Parse one line.

    :raises RowError: it is not a JSON object in UTF-8 without NaN or infinities.
    """
    try:
        data = json.loads(
            raw.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_parse_finite
        )
        if b"\\ud" in raw or b"\\uD" in raw:
            json.dumps(data, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as ex:
        raise RowError(source, line, None, f"is not UTF-8 (byte {ex.start}).") from None
    except UnicodeEncodeError:
        raise RowError(source, line, None, "holds half of a surrogate pair.") from None
    except RecursionError:
        raise RowError(source, line, None, "is nested too deeply.") from None
    except ValueError as ex:
        raise RowError(source, line, None, f"is not valid JSON: {ex}.") from None
    if not isinstance(data, dict):
        raise RowError(source, line, None, f"must be a JSON object, but is {_kind(data)}.")

    return Row(source, line, data)


def find_data_files(path: Path) -> list[Path]:
    """Return ``path`` itself, or the JSONL files below it, sorted by their relative path.

    Files whose name begins with a dot are passed over, and so is what a stage set aside or dropped.

    :raises MissingPathError: nothing is there.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise MissingPathError("data", path)
    files = [
        p
        for p in path.rglob("*")
        if p.is_file() and p.name.endswith(DATA_SUFFIXES) and not p.name.startswith(_NO_DATA)
    ]
    if not files:
        raise MissingPathError("data files (*.jsonl, *.jsonl.gz)", path / "*.jsonl")

    return sorted(files, key=lambda p: p.relative_to(path).as_posix())


def dump_row(row: Mapping[str, Any]) -> str:
    """Return ``row`` as one line with its newline."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write a whole file through a temporary neighbour, so that it is never seen half-written."""
    count = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(dump_row(row))
            count += 1
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)

    return count


def write_text(path: Path, text: str) -> None:
    """Write a small file through a temporary neighbour, so that it is never seen half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def _open(path: Path) -> IO[bytes] | gzip.GzipFile:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rb")

    return path.open("rb")


def _handle(error: RowError, on_error: OnError | None) -> None:
    if on_error is None:
        raise error
    on_error(error)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _parse_finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large for a number")

    return number


def _kind(value: object) -> str:
    if value is None:
        return "null"

    return {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}.get(
        type(value), "an object"
    )
