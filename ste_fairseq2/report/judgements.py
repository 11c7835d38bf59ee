"""The judgements that the page lets one read, and a seeded choice of them that shows every verdict."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from ste_fairseq2.curation.outcomes import Outcome
from ste_fairseq2.rng import derived_seed

_STAGE: Final = "report"

VERDICTS: Final = {
    Outcome.CORRECT: "right",
    Outcome.CUT_AFTER_VERDICT: "right",
    Outcome.WRONG: "wrong",
    Outcome.TIE: "tie",
    Outcome.UNPARSEABLE: "unparseable",
    Outcome.TRUNCATED: "truncated",
}
"""What an outcome is called on the page."""

NAMES: Final = tuple(dict.fromkeys(VERDICTS.values()))

KeyT = TypeVar("KeyT")


@dataclass(frozen=True)
class ShownPair:
    """An instruction and two answers, as they are stored."""

    instruction: str
    first: str
    second: str


@dataclass(frozen=True, kw_only=True)
class ShownJudgement:
    """One judgement with all that the page says of it."""

    id: str
    kind: str
    """Such as ``for SFT`` or ``held-out: NAME``."""
    round: int
    verdict: str
    """One of :data:`NAMES`."""
    named: str
    """What the judge said: A, B, tie or a failure."""
    better_first: bool
    group: str
    """The source of the pair, or the subset of the benchmark."""
    text: str
    cut: bool
    """Whether it ran into the token limit."""
    pair: str | None
    """Where to find the pair; see :attr:`Judgements.pairs`."""
    is_swapped: bool
    """Whether the stored pair was shown the other way round."""
    prompt: str | None = None
    """The whole prompt, where the pair is not known."""
    voted_on: str | None = None
    """Names the prompt among those of its kind and round, where it was drawn for several times."""
    votes: tuple[int, int] | None = None
    """Right ones among the samples of the same pair and order, and their number."""


@dataclass(frozen=True, kw_only=True)
class Judgements:
    """What is embedded in the page."""

    chosen: Sequence[ShownJudgement] = ()
    pairs: Mapping[str, ShownPair] = field(default_factory=dict)
    total: int = 0
    """Judgements there are, embedded or not."""
    limit: int = 0
    """Most of a round, kind and order."""


class Stratum(NamedTuple):
    """What is limited together."""

    kind: str
    round: int
    better_first: bool


class Choice:
    """Takes judgements as they are read, and keeps few; the result does not depend on their order."""

    def __init__(self, seed: int, limit: int) -> None:
        """
        :param limit: most judgements of a stratum.
        """
        self._seed = seed
        self._limit = limit
        self._numbers = itertools.count()
        self._heaps: dict[tuple[Stratum, str], list[tuple[int, int, ShownJudgement]]] = {}
        self.total = 0

    def offer(
        self, stratum: Stratum, verdict: str, key: str, make: Callable[[], ShownJudgement]
    ) -> None:
        """
        :param key: names the judgement within the stratum.
        :param make: called where the judgement is kept for now.
        """
        self.total += 1
        if not self._limit:
            return
        heap = self._heaps.setdefault((stratum, verdict), [])
        # The smallest draws stay; heapq has the smallest on top, so they are negative.
        draw = -derived_seed(self._seed, _STAGE, f"{stratum.kind}/{stratum.round}/{key}")
        if len(heap) < self._limit:
            heapq.heappush(heap, (draw, next(self._numbers), make()))
        elif draw > heap[0][0]:
            heapq.heapreplace(heap, (draw, next(self._numbers), make()))

    def chosen(self) -> Iterator[ShownJudgement]:
        """Yield the choice, stratum by stratum; within one, the verdicts take turns in their draws."""
        for stratum in sorted({stratum for stratum, _ in self._heaps}, key=_place):
            kept = {name: sorted(self._heaps.get((stratum, name), ()), reverse=True) for name in NAMES}
            shares = share_out({name: len(items) for name, items in kept.items()}, self._limit)
            drawn = [item for name in NAMES for item in kept[name][: shares[name]]]
            yield from (judgement for *_, judgement in sorted(drawn, key=lambda item: -item[0]))


def share_out(counts: Mapping[KeyT, int], limit: int) -> dict[KeyT, int]:
    """Share out ``limit`` places so that the rare are all in and the common get what is left.

    >>> share_out({"right": 100, "wrong": 40, "tie": 2}, 10)
    {'right': 4, 'wrong': 4, 'tie': 2}
    """
    shares = dict.fromkeys(counts, 0)
    left = limit
    for number, (name, count) in enumerate(sorted(counts.items(), key=lambda item: item[1])):
        shares[name] = min(count, left // (len(counts) - number))
        left -= shares[name]

    return shares


def count_verdicts(judgements: Sequence[ShownJudgement]) -> Counter[str]:
    return Counter(judgement.verdict for judgement in judgements)


def _place(stratum: Stratum) -> tuple[int, str, bool]:
    return stratum.round, stratum.kind, not stratum.better_first
