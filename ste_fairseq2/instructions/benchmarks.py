"""Reads the prompts of a benchmark: one that `ste evaluate` knows, or any file of prompts."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.jsonl import Row
from ste_fairseq2.records import read_messages

if TYPE_CHECKING:
    from ste_fairseq2.evaluation.benchmark import BenchmarkPair

_FIELDS: Final = ("prompt", "instruction", "input", "question", "text")
_CONVERSATIONS: Final = ("messages", "conversation", "conversation_a", "prompt")


def check_benchmark(name: str) -> None:
    """
    :raises ConfigError: it is neither known nor there.
    """
    from ste_fairseq2.evaluation.catalogue import CATALOGUE

    known = [benchmark.name for benchmark in CATALOGUE.values() if benchmark.source is not None]
    if name not in known and not Path(name).exists():
        raise ConfigError(
            "benchmarks", f"must be files, folders, or {', '.join(known)}, but has {name!r}."
        )


def read_prompts(name: str) -> list[str]:
    """Return the prompts of a benchmark by its name, or those of a file or folder of JSONL, JSON or
    parquet; of a conversation every turn of the user is one. A name of the catalogue wins.

    :raises InputError: the benchmark cannot be loaded.
    :raises EmptyDataError: it has none.
    """
    from ste_fairseq2.evaluation.benchmark import Benchmark
    from ste_fairseq2.evaluation.catalogue import CATALOGUE
    from ste_fairseq2.evaluation.sources import load_pairs

    known = CATALOGUE.get(name)
    # Every row counts, whether or not a judge is asked about it, and every turn for itself.
    if known is not None and known.source is not None:
        pairs, _ = load_pairs(dataclasses.replace(known, read=_read_as_pairs), None)
    else:
        pairs, _ = load_pairs(Benchmark(name=name, summary="", read=_read_as_pairs), Path(name))

    # Several rows may share a prompt.
    return list(dict.fromkeys(pair.prompt for pair in pairs))


def _read_as_pairs(
    split: str, rows: Iterable[Row], passed_over: Counter[str]
) -> Iterator[BenchmarkPair]:
    from ste_fairseq2.evaluation.benchmark import BenchmarkPair
    from ste_fairseq2.verdicts import Verdict

    for row in rows:
        for number, prompt in enumerate(_read_texts(row)):
            yield BenchmarkPair(f"{row.line}.{number}", prompt, ("", ""), Verdict.A)


def _read_texts(row: Row) -> list[str]:
    for name in _FIELDS:
        if isinstance(row.data.get(name), str):
            return [row.text(name)]
    for name in _CONVERSATIONS:
        messages = read_messages(row, name)
        if messages is not None:
            return [message.content for message in messages if message.role == "user"]
    row.fail(None, f"holds no prompt: none of {', '.join(dict.fromkeys((*_FIELDS, *_CONVERSATIONS)))}.")
