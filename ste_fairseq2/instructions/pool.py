"""The candidates of a source that pass everything that needs no model, kept in a work folder.

The source is read once. What passes the filters and is in no benchmark goes to a file, while the
signatures that tell duplicates are collected; a second file then holds what is left without these. A
report, written last, marks the pool as whole, so that a later run can use it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.digest import digest_json
from ste_fairseq2.instructions.benchmarks import read_prompts
from ste_fairseq2.instructions.contamination import Contamination
from ste_fairseq2.instructions.duplicates import DuplicateFinder
from ste_fairseq2.instructions.filters import Filters
from ste_fairseq2.instructions.sources import Candidate, InstructionSource
from ste_fairseq2.jsonl import dump_row, parse_row, read_rows, write_rows, write_text
from ste_fairseq2.progress import WorkProgress
from ste_fairseq2.records import Instruction
from ste_fairseq2.store import Quarantine

PASSED: Final = "passed"
CONTAMINATED: Final = "contaminated"
MALFORMED: Final = "malformed"

_POOL_NAME: Final = "pool.jsonl"
_REPORT_NAME: Final = "pool.json"
_SCRATCH_NAME: Final = "with-duplicates.jsonl"

_ROWS_BETWEEN_REPORTS: Final = 1000


@dataclass(frozen=True, kw_only=True)
class PoolSettings:
    """What is let into the pool."""

    filters: Filters
    near_duplicates: float
    """Jaccard index from which on two instructions are near duplicates."""
    benchmarks: Sequence[str]
    """Names or paths; see :func:`~ste_fairseq2.instructions.benchmarks.read_prompts`."""
    ngram: int
    limit: int | None = None
    """Rows to read at the most; malformed ones do not count."""


@dataclass(frozen=True, kw_only=True)
class PoolReport:
    """What became of the rows."""

    counts: Mapping[str, int]
    """Rows by reason; :data:`PASSED` are in the pool."""
    benchmarks: Mapping[str, Mapping[str, Any]]
    """Of each benchmark how many prompts it has, and their digest."""
    hits: Sequence[Mapping[str, Any]]
    """See :class:`~ste_fairseq2.instructions.contamination.Hit`."""


@dataclass(frozen=True)
class Pool:
    """Instructions with unique ids, on disk."""

    path: Path
    report: PoolReport

    def __len__(self) -> int:
        return self.report.counts[PASSED]

    def instructions(self) -> Iterator[Instruction]:
        for row in read_rows(self.path):
            yield Instruction.from_row(row)

    def pick(self, ids: Sequence[str]) -> Iterator[Instruction]:
        """Yield the instructions of some ids, in their order."""
        wanted = set(ids)
        places: dict[str, int] = {}
        with self.path.open("rb") as stream:
            place = 0
            for line in stream:
                record_id = json.loads(line)["id"]
                if record_id in wanted:
                    places[record_id] = place
                place += len(line)
            for record_id in ids:
                stream.seek(places[record_id])
                yield Instruction.from_row(parse_row(stream.readline(), str(self.path), 0))


def make_pool(
    source: InstructionSource,
    settings: PoolSettings,
    folder: Path,
    start_quarantine: Callable[[], Quarantine],
) -> Pool:
    """Return the pool in ``folder``, which is made where an earlier run has not.

    :raises InputError: the source or a benchmark cannot be loaded.
    :raises QuarantineLimitError: too many rows are malformed.
    """
    path, report_path = folder / _POOL_NAME, folder / _REPORT_NAME
    if report_path.is_file():
        return Pool(path, PoolReport(**json.loads(report_path.read_text(encoding="utf-8"))))

    contamination, benchmarks = _load_benchmarks(settings)
    quarantine = start_quarantine()
    scan = _Scan(settings, contamination, DuplicateFinder(settings.near_duplicates))
    scratch = folder / _SCRATCH_NAME
    num_rows = scan.read(source, scratch, quarantine)
    quarantine.check(num_rows)
    write_rows(path, scan.without_duplicates(scratch))
    scratch.unlink()
    hits = sorted(scan.hits, key=lambda hit: (hit["id"], hit["benchmark"], hit["kind"], hit["text"]))
    report = PoolReport(counts=dict(scan.counts), benchmarks=benchmarks, hits=hits)
    write_text(report_path, json.dumps(asdict(report)) + "\n")

    return Pool(path, report)


@dataclass
class _Scan:
    """One reading of the source."""

    settings: PoolSettings
    contamination: Contamination
    duplicates: DuplicateFinder
    counts: Counter[str] = field(default_factory=Counter)
    hits: list[dict[str, Any]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    """Where the lines of the scratch file begin."""

    def read(self, source: InstructionSource, scratch: Path, quarantine: Quarantine) -> int:
        """Write what passes, duplicates too, and return how many rows there are."""
        num_read = 0
        with (
            scratch.open("wb") as stream,
            WorkProgress("reading", total=len(source.parts), unit="rows") as progress,
        ):
            for part in source.parts:
                for candidate in source.candidates(part, on_error=quarantine.add):
                    if num_read == self.settings.limit:
                        break
                    num_read += 1
                    line = self._take(candidate)
                    if line is not None:
                        self.places.append(stream.tell())
                        stream.write(line)
                    if num_read % _ROWS_BETWEEN_REPORTS == 0:
                        progress.advance(0, _ROWS_BETWEEN_REPORTS)
                progress.advance(1, 0)
        self.counts[MALFORMED] = quarantine.count

        return num_read + quarantine.count

    def without_duplicates(self, scratch: Path) -> Iterator[dict[str, Any]]:
        """Yield the rows that go into the pool."""
        with scratch.open("rb") as stream:

            def text_of(number: int) -> str:
                stream.seek(self.places[number])
                text: str = json.loads(stream.readline())["instruction"]

                return text

            self.counts[PASSED] = 0
            reasons = self.duplicates.find(text_of)
            stream.seek(0)
            for line, reason in zip(stream, reasons, strict=True):
                self.counts[reason or PASSED] += 1
                if reason is None:
                    yield json.loads(line)

    def _take(self, candidate: Candidate) -> bytes | None:
        reason = self.settings.filters.reason_against(candidate)
        if reason is not None:
            self.counts[reason] += 1
            return None
        instruction = candidate.instruction
        hit = self.contamination.find(instruction.id, instruction.instruction)
        if hit is not None:
            self.counts[CONTAMINATED] += 1
            self.hits.append(hit.to_row())
            return None
        line = dump_row(instruction.to_row()).encode()
        self.duplicates.add(instruction.id, instruction.instruction, line)

        return line


def _load_benchmarks(settings: PoolSettings) -> tuple[Contamination, dict[str, dict[str, Any]]]:
    contamination = Contamination(settings.ngram)
    loaded = {}
    for name in settings.benchmarks:
        prompts = read_prompts(name)
        contamination.add(name, prompts)
        loaded[name] = {"prompts": len(prompts), "digest": digest_json(prompts)}

    return contamination, loaded
