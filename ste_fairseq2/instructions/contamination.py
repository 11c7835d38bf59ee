"""Finds instructions that are, or share a passage with, a prompt of a benchmark.

Texts are compared by their words alone (see ``wording.py``). An instruction is a hit where all of its
words are those of a benchmark's prompt, or where it shares a run of ``ngram`` words with one; a prompt
of fewer words is found in the first way only. Memory: one 64-bit hash for each run of words of the
benchmarks; the instructions pass by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from ste_fairseq2.instructions.wording import words

_MOST_SHOWN: Final = 200
"""Characters of a matched text that a hit shows."""


@dataclass(frozen=True)
class Hit:
    """An instruction that a benchmark holds."""

    id: str
    """Of the instruction."""
    benchmark: str
    kind: Literal["exact", "ngram"]
    text: str
    """The words that both have; of a long prompt the first."""

    def to_row(self) -> dict[str, Any]:
        return asdict(self)


class Contamination:
    """The prompts of benchmarks, as hashes."""

    def __init__(self, ngram: int) -> None:
        """
        :param ngram: words of a run that is no coincidence.
        """
        from xxhash import xxh3_64_intdigest

        self.ngram = ngram
        self._hash = xxh3_64_intdigest
        self._names: list[str] = []
        self._exact: dict[int, int] = {}
        self._runs: dict[int, int] = {}
        """Each hash with the number of the first benchmark that has it."""

    def add(self, benchmark: str, prompts: Iterable[str]) -> None:
        """Add the prompts of a benchmark."""
        number = len(self._names)
        self._names.append(benchmark)
        for prompt in prompts:
            parts = words(prompt)
            if parts:
                self._exact.setdefault(self._hash(" ".join(parts).encode()), number)
            for run in self._runs_of(parts):
                self._runs.setdefault(self._hash(run), number)

    def find(self, record_id: str, text: str) -> Hit | None:
        """Return the first thing an instruction has in common with a benchmark, or ``None``."""
        parts = words(text)
        whole = " ".join(parts)
        number = self._exact.get(self._hash(whole.encode()))
        if number is not None:
            return Hit(record_id, self._names[number], "exact", whole[:_MOST_SHOWN])
        for run in self._runs_of(parts):
            number = self._runs.get(self._hash(run))
            if number is not None:
                return Hit(record_id, self._names[number], "ngram", run.decode()[:_MOST_SHOWN])

        return None

    def _runs_of(self, parts: Sequence[str]) -> Iterator[bytes]:
        for start in range(len(parts) - self.ngram + 1):
            yield " ".join(parts[start : start + self.ngram]).encode()
