"""Streams the rows of a data set: from the Hub by its name, or from a local file or folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.errors import InputError
from ste_fairseq2.jsonl import DATA_SUFFIXES, OnError, Row, find_data_files, read_rows

_PARQUET: Final = ".parquet"


def local_files(source: str) -> list[Path]:
    """Return the data files of a local source, sorted; none where ``source`` is a name on the Hub.

    A folder with Parquet files is read as these alone: what lies beside them describes them.
    """
    path = Path(source)
    if path.is_file():
        return [path]
    if not path.is_dir():
        return []

    return sorted(path.rglob(f"*{_PARQUET}")) or find_data_files(path)


def stream_rows(
    source: str,
    *,
    on_error: OnError | None = None,
    columns: Sequence[str] | None = None,
    splits: Sequence[str] = ("train",),
) -> Iterator[Row]:
    """Yield the rows of a local source, or of a data set of the Hub.

    :param on_error: receives the error of each malformed line; where ``None``, the first one raises.
    :param columns: the fields to read, where rows are stored by columns.
    :param splits: those of a data set of the Hub to read; behind the first, as far as it has them.
    :raises InputError: the data set cannot be loaded.
    """
    files = local_files(source)
    if not files:
        known = splits if len(splits) == 1 else _list_splits(source)
        for number, split in enumerate(splits):
            if number == 0 or split in known:
                yield from _load(source, source, columns, split=split)
    for path in files:
        if path.name.endswith(DATA_SUFFIXES):
            yield from read_rows(path, on_error=on_error)
        else:
            builder = "parquet" if path.suffix == _PARQUET else "json"
            yield from _load(str(path), builder, columns, data_files=[str(path)])


def _load(
    source: str, builder: str, columns: Sequence[str] | None, *, split: str = "train", **options: Any
) -> Iterator[Row]:
    """Yield the rows as `datasets` loads them; ``line`` counts them from 1."""
    import datasets

    if columns is not None and builder != "json":
        options["columns"] = list(columns)
    label = source if split == "train" else f"{source}[{split}]"
    try:
        rows = datasets.load_dataset(builder, split=split, streaming=True, **options)
        for number, data in enumerate(rows, start=1):
            yield Row(label, number, data)
    except (OSError, ValueError, TypeError, datasets.exceptions.DatasetsError) as ex:
        raise _not_loaded(source, ex) from ex


def _list_splits(source: str) -> Sequence[str]:
    import datasets

    try:
        names: Sequence[str] = datasets.get_dataset_split_names(source)
    except Exception as ex:
        raise _not_loaded(source, ex) from ex

    return names


def _not_loaded(source: str, error: Exception) -> InputError:
    return InputError(
        f"`{source}` cannot be loaded by `datasets`: {error}; check the name, the network and access "
        "to a gated set (`hf auth login`), or name a local copy."
    )
