"""The benchmark `ranked`: a file with a row for each answer to an instruction and the rank it has.

A row holds ``input`` (or ``instruction``), ``response`` (or ``baseline``), ``rank`` (the lowest of an
instruction is the best; equal ranks are as good) and, where wanted, ``instruction_id``, ``id`` and
``subset``. Answers to one instruction need not stand together. One whose answers have a single rank has
nothing to tell, and is passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ste_fairseq2.evaluation.benchmark import BenchmarkPair
from ste_fairseq2.evaluation.items import BenchmarkItem, ranked_pairs
from ste_fairseq2.jsonl import Row
from ste_fairseq2.records import Message
from ste_fairseq2.records.identity import row_identity
from ste_fairseq2.records.ranked import RankedAnswer
from ste_fairseq2.verdicts import Verdict

_OTHER_NAMES: Final = {"input": "instruction", "response": "baseline"}

ONE_RANK: Final = "instructions_with_a_single_rank"


class _Key(NamedTuple):
    subset: str | None
    instruction: str
    """Its id."""


@dataclass
class _Ranked:
    """An instruction with its answers, in the order of the file."""

    prompt: str
    place: str
    """Of the first of them, as file:line."""
    responses: list[str] = field(default_factory=list)
    ranks: list[float] = field(default_factory=list)


def read_ranked_pairs(
    split: str, rows: Iterable[Row], passed_over: Counter[str]
) -> Iterator[BenchmarkPair]:
    """Every two answers of different ranks, as ``INSTRUCTION_ID#I-J`` by their places from 0."""
    for key, ranked in _read(split, rows, passed_over):
        for first, second in ranked_pairs(ranked.ranks):
            yield BenchmarkPair(
                id=f"{key.instruction}#{first}-{second}",
                prompt=ranked.prompt,
                answers=(ranked.responses[first], ranked.responses[second]),
                better=Verdict.A if ranked.ranks[first] < ranked.ranks[second] else Verdict.B,
                subset=key.subset,
            )


def read_ranked_items(
    split: str, rows: Iterable[Row], passed_over: Counter[str]
) -> Iterator[BenchmarkItem]:
    """All answers to an instruction with their ranks."""
    for key, ranked in _read(split, rows, passed_over):
        prompt = Message("user", ranked.prompt)
        yield BenchmarkItem(
            id="/".join(part for part in key if part is not None),
            answers=tuple((prompt, Message("assistant", response)) for response in ranked.responses),
            subset=key.subset,
            ranks=tuple(ranked.ranks),
        )


def _read(split: str, rows: Iterable[Row], passed_over: Counter[str]) -> Iterator[tuple[_Key, _Ranked]]:
    """Yield the instructions whose answers have different ranks, in their order."""
    found: dict[_Key, _Ranked] = {}
    places: dict[str, str] = {}
    for row in rows:
        _take(row, split, found)
        if row.data.get("id") is not None:
            name, place = row_identity(row), f"{row.source}:{row.line}"
            if places.setdefault(name, place) != place:
                row.fail("id", f"{name!r} is that of {places[name]} too; ids must be unique.")
    for key, ranked in found.items():
        if len(set(ranked.ranks)) > 1:
            yield key, ranked
        else:
            passed_over[ONE_RANK] += 1


def _take(row: Row, split: str, found: dict[_Key, _Ranked]) -> None:
    answer = RankedAnswer.from_row(_renamed(row))
    key = _Key(row.optional_text("subset") or split or None, answer.instruction_id)
    ranked = found.setdefault(key, _Ranked(answer.input, f"{row.source}:{row.line}"))
    if ranked.prompt != answer.input:
        row.fail(
            "instruction_id",
            f"{key.instruction!r} is that of {ranked.place} too, where the text of the instruction is "
            "another; answers to one instruction share its text.",
        )
    ranked.responses.append(answer.response)
    ranked.ranks.append(answer.rank)


def _renamed(row: Row) -> Row:
    """Return a row by the names that a ranked answer has, where it has those of `ste respond`."""
    known = {name: row.data[other] for name, other in _OTHER_NAMES.items() if other in row.data}

    return Row(row.source, row.line, {**known, **row.data})
