"""Loads the rows of a benchmark through `datasets`, or from local files of the same schema."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from ste_fairseq2.errors import ConfigError, EmptyDataError, InputError, MissingPathError
from ste_fairseq2.evaluation.benchmark import Benchmark, BenchmarkPair, HubSource
from ste_fairseq2.evaluation.items import BenchmarkItem
from ste_fairseq2.jsonl import DATA_SUFFIXES, Row, read_rows

ReadT = TypeVar("ReadT", BenchmarkPair, BenchmarkItem)

_SUFFIXES: Final = (*DATA_SUFFIXES, ".json", ".parquet")


def load_pairs(benchmark: Benchmark, data: Path | None) -> tuple[list[BenchmarkPair], Counter[str]]:
    """Return the pairs of a benchmark in their own order, and how many rows were passed over and why.

    :param data: a file or folder that holds the benchmark; the Hub is asked where it is ``None``.
    :raises InputError: the data is not there, or is not the benchmark's.
    :raises EmptyDataError: it holds no pair.
    """
    return _load(benchmark, data, benchmark.read)


def load_items(benchmark: Benchmark, data: Path | None) -> tuple[list[BenchmarkItem], Counter[str]]:
    """Return what a reward model scores of a benchmark; otherwise as :func:`load_pairs`.

    :raises InputError: two of them have the same name.
    """
    items, passed_over = _load(benchmark, data, benchmark.read_items)
    repeated = [name for name, count in Counter(item.id for item in items).items() if count > 1]
    if repeated:
        raise InputError(
            f"benchmark `{benchmark.name}` has several items `{repeated[0]}` ({len(repeated)} such); "
            "an id must be unique within its subset."
        )

    return items, passed_over


def _load(
    benchmark: Benchmark,
    data: Path | None,
    read: Callable[[str, Iterable[Row], Counter[str]], Iterator[ReadT]],
) -> tuple[list[ReadT], Counter[str]]:
    passed_over: Counter[str] = Counter()
    found: list[ReadT] = []
    for split, rows in _load_splits(benchmark, data):
        found.extend(read(split, rows, passed_over))
    if not found:
        raise EmptyDataError(f"benchmark `{benchmark.name}`", passed_over)

    return found, passed_over


def _load_splits(benchmark: Benchmark, data: Path | None) -> Iterator[tuple[str, Iterable[Row]]]:
    source = benchmark.source
    if data is not None and not data.exists():
        raise MissingPathError("benchmark data", data)
    if data is not None and data.is_file():
        yield "", _read_file(data)
    elif data is not None:
        yield from _read_folder(data, source)
    elif source is not None:
        for split in source.splits:
            yield split, _read_hub(source, split)
    else:
        raise ConfigError("data", f"must be given for the benchmark `{benchmark.name}`: its file.")


def _read_folder(folder: Path, source: HubSource | None) -> Iterator[tuple[str, Iterable[Row]]]:
    files = sorted(p for p in folder.rglob("*") if p.name.endswith(_SUFFIXES))
    splits = source.splits if source is not None else ()
    named = {split: [p for p in files if _names_split(p.relative_to(folder), split)] for split in splits}
    if not any(named.values()):
        named = {"": files}
    if not any(named.values()):
        raise MissingPathError("benchmark data (*.jsonl, *.json, *.parquet)", folder / "*")
    for split, members in named.items():
        if members:
            yield split, (row for path in members for row in _read_file(path))


def _names_split(path: Path, split: str) -> bool:
    """Tell whether a file is of a split: its folder or its own name is the split's, as on the Hub."""
    first = path.name.split(".")[0]

    return path.parent.name == split or first == split or first.startswith(f"{split}-")


def _read_file(path: Path) -> Iterator[Row]:
    if path.suffix == ".parquet":
        return _read_parquet(path)
    if path.suffix == ".json":
        return _read_list(path)

    return read_rows(path)


def _read_parquet(path: Path) -> Iterator[Row]:
    import duckdb

    try:
        table = duckdb.connect().execute("SELECT * FROM read_parquet(?)", [str(path)])
    except duckdb.Error as ex:
        raise InputError(f"`{path}` cannot be read: {_first_line(ex)}") from ex
    columns = [column[0] for column in table.description]
    number = 0
    while batch := table.fetchmany(1024):
        for values in batch:
            number += 1
            yield Row(str(path), number, dict(zip(columns, values, strict=True)))


def _read_list(path: Path) -> Iterator[Row]:
    """Read a JSON file that holds a list of objects; the line of a row is its place in the list."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as ex:
        raise InputError(f"`{path}` is not valid JSON: {ex}.") from ex
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"`{path}` must hold a list of objects.")
    for number, row in enumerate(rows, start=1):
        yield Row(str(path), number, row)


def _read_hub(source: HubSource, split: str) -> Iterator[Row]:
    import datasets

    try:
        table = datasets.load_dataset(source.path, source.config, split=split, revision=source.revision)
    except Exception as ex:
        raise InputError(
            f"the data set `{source.path}` (split `{split}`) cannot be loaded: {_first_line(ex)} "
            "Check the network and your access, or pass a local copy with `--data`."
        ) from ex
    for number, row in enumerate(table, start=1):
        yield Row(f"{source.path}:{split}", number, row)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
