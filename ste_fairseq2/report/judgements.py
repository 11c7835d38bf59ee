"""The judgements that the page lets one read, and a seeded choice of them that shows every verdict."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

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

BECAME: Final = ("chosen", "rejected", "neither", "teaches judging", "left out", "no training set yet")
"""What can become of a scored answer, as the page calls it."""

KeyT = TypeVar("KeyT")
ShownT = TypeVar("ShownT")


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
class ShownSample:
    """One judgement of a scored answer."""

    text: str
    score: float | None
    failure: str
    """Why it has no score; empty where it has one."""


@dataclass(frozen=True, kw_only=True)
class ShownAnswer:
    """A scored answer with all that the page says of it."""

    id: str
    round: int
    instruction: str
    answer: str
    score: float | None
    """The mean of its samples' scores."""
    became: str
    """One of :data:`BECAME`."""
    samples: Sequence[ShownSample]


@dataclass(frozen=True, kw_only=True)
class Judgements:
    """What is embedded in the page."""

    chosen: Sequence[ShownJudgement] = ()
    pairs: Mapping[str, ShownPair] = field(default_factory=dict)
    total: int = 0
    """Judgements there are, embedded or not."""
    answers: Sequence[ShownAnswer] = ()
    total_answers: int = 0
    """Scored answers there are, likewise."""
    limit: int = 0
    """Most judgements of a round, kind and order, and most scored answers of a round."""


class Stratum(NamedTuple):
    """What is limited together."""

    kind: str
    round: int
    better_first: bool = False


class Choice(Generic[ShownT]):
    """Takes judgements as they are read, and keeps few; the result does not depend on their order."""

    def __init__(self, seed: int, limit: int, names: Sequence[str] = NAMES) -> None:
        """
        :param limit: most judgements of a stratum.
        :param names: the verdicts that share the places of a stratum.
        """
        self._seed = seed
        self.limit = limit
        self._names = names
        self._numbers = itertools.count()
        self._heaps: dict[tuple[Stratum, str], list[tuple[int, int, ShownT]]] = {}
        self.total = 0

    def offer(self, stratum: Stratum, verdict: str, key: str, make: Callable[[], ShownT]) -> None:
        """
        :param key: names the judgement within the stratum.
        :param make: called where the judgement is kept for now.
        """
        self.total += 1
        if not self.limit:
            return
        heap = self._heaps.setdefault((stratum, verdict), [])
        # The smallest draws stay; heapq has the smallest on top, so they are negative.
        draw = -derived_seed(self._seed, _STAGE, f"{stratum.kind}/{stratum.round}/{key}")
        if len(heap) < self.limit:
            heapq.heappush(heap, (draw, next(self._numbers), make()))
        elif draw > heap[0][0]:
            heapq.heapreplace(heap, (draw, next(self._numbers), make()))

    def chosen(self) -> Iterator[ShownT]:
        """Yield the choice, stratum by stratum; within one, the verdicts take turns in their draws."""
        for stratum in sorted({stratum for stratum, _ in self._heaps}, key=_place):
            kept = {
                name: sorted(self._heaps.get((stratum, name), ()), reverse=True) for name in self._names
            }
            shares = share_out({name: len(items) for name, items in kept.items()}, self.limit)
            drawn = [item for name in self._names for item in kept[name][: shares[name]]]
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


def wanted_pairs(chosen: Sequence[ShownJudgement]) -> Mapping[str, set[str]]:
    """Return the ids of the pairs that judgements are of, by the place where these are."""
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for judgement in chosen:
        if judgement.pair is not None:
            place, _, pair_id = judgement.pair.partition("#")
            wanted[place].add(pair_id)

    return wanted


def with_pair(judgement: ShownJudgement, shown: Mapping[str, ShownPair]) -> ShownJudgement:
    """Leave out what is not needed: the prompt where the pair is there, else the name of the pair."""
    if judgement.pair in shown:
        return dataclasses.replace(judgement, prompt=None)

    return dataclasses.replace(judgement, pair=None)


def count_verdicts(judgements: Sequence[ShownJudgement]) -> Counter[str]:
    return Counter(judgement.verdict for judgement in judgements)


def _place(stratum: Stratum) -> tuple[int, str, bool]:
    return stratum.round, stratum.kind, not stratum.better_first
