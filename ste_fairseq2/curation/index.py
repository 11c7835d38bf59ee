"""The index of all samples: tables of DuckDB, which spill to disk, so that memory stays flat."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np

from ste_fairseq2.curation.files import NEGATIVES, OnBadRow
from ste_fairseq2.curation.scan import ScannedBlock
from ste_fairseq2.digest import digest_json
from ste_fairseq2.errors import RowError
from ste_fairseq2.progress import WorkProgress

_MEMORY_LIMIT: Final = "256MB"
"""What DuckDB may hold before it spills to disk."""

_MOST_THREADS: Final = 4
"""Each of DuckDB's threads needs memory of its own; more would ask for more than the limit."""

_TYPES: Final = {"B": "UTINYINT", "L": "UBIGINT", "Q": "UBIGINT"}

_INSERT_ROWS: Final = 1 << 18
"""Rows inserted at once: about two row groups of DuckDB; fewer cost more, a quarter twice as much."""


class SampleIndex:
    """A database of its own; the table `samples` has one row for each well-formed sample."""

    def __init__(self, scratch: Path, columns: Mapping[str, str], *, threads: int) -> None:
        """
        :param scratch: folder for what memory does not hold.
        :param columns: names and `array` types of the columns that :meth:`add` receives.
        """
        self._connection = duckdb.connect()
        self._blocks: list[dict[str, np.ndarray[Any, Any]]] = []
        self._num_waiting = 0
        self.run(f"SET threads = {min(threads, _MOST_THREADS)}")
        self.run(f"SET memory_limit = '{_MEMORY_LIMIT}'")
        self.run(f"SET temp_directory = '{scratch / 'spill'}'")
        # Every order that matters is asked for.
        self.run("SET preserve_insertion_order = false")
        listed = ", ".join(f'"{name}" {_TYPES[kind]}' for name, kind in columns.items())
        self.run(f"CREATE TABLE samples (source UTINYINT, file UINTEGER, {listed})")

    def close(self) -> None:
        self._connection.close()

    def add(self, source: int, file: int, columns: Mapping[str, array[int]]) -> None:
        """Add the samples of one block of a file; they are in the table after :meth:`flush`."""
        size = len(next(iter(columns.values())))
        self._blocks.append(
            {
                "source": np.full(size, source, np.uint8),
                "file": np.full(size, file, np.uint32),
                **{name: np.frombuffer(column, column.typecode) for name, column in columns.items()},
            }
        )
        self._num_waiting += size
        if self._num_waiting >= _INSERT_ROWS:
            self.flush()

    def flush(self) -> None:
        if self._num_waiting:
            columns = {
                name: np.concatenate([block[name] for block in self._blocks]) for name in self._blocks[0]
            }
            self._connection.register("waiting", columns)
            self.run("INSERT INTO samples SELECT * FROM waiting")
            self._connection.unregister("waiting")
        self._blocks.clear()
        self._num_waiting = 0

    @property
    def num_samples(self) -> int:
        return int(self.rows("SELECT count(*) FROM samples")[0][0])

    def run(self, statement: str) -> None:
        # Values stand in the statements: to bind parameters, DuckDB imports pandas first.
        self._connection.execute(statement)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return all rows of a small result."""
        result: list[tuple[Any, ...]] = self._connection.execute(query).fetchall()

        return result

    def digest(self, *, negatives: bool) -> str:
        """Return a digest of the samples of the sets, or of the negatives, whatever order they came in.

        It sums 64-bit hashes of the lines: it tells data sets apart, but is no seal against forgery.
        """
        comparison = "=" if negatives else "<>"
        query = f"""
            SELECT count(*), sum(line::HUGEINT), bit_xor(line)
            FROM samples WHERE source {comparison} {NEGATIVES}
        """

        return digest_json([str(value) for value in self.rows(query)[0]])


def fill_index(
    index: SampleIndex, scans: Iterable[ScannedBlock], on_error: OnBadRow, *, num_blocks: int
) -> None:
    """Add what was found in the blocks, taken in their order; malformed lines are numbered by file."""
    lines_before: Counter[int] = Counter()
    with WorkProgress("reading", total=num_blocks, unit="lines") as progress:
        for scanned in scans:
            number, source = scanned.block.file_number, scanned.block.file.set_number
            for error in scanned.errors:
                line = lines_before[number] + error.line
                on_error(source, RowError(error.source, line, error.field, error.reason))
            lines_before[number] += scanned.num_lines
            index.add(source, number, scanned.columns)
            progress.advance(1, scanned.num_lines)
    index.flush()
