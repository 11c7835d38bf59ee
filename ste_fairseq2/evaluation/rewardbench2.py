"""RewardBench 2's rules: best of four, and the Ties subset with its formula.

Both follow the rewardbench package at 05a9005. Ties come as prompts in pairs: ``ref:<n>`` with one right
answer and ``tied:<n>`` with several equally right ones. A good rater puts every right answer above every
wrong one, and the right ones closer to each other than to the wrong ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from ste_fairseq2.evaluation.benchmark import Sections
from ste_fairseq2.evaluation.judgements import Judgement, Standing, standing
from ste_fairseq2.evaluation.pairs import FloatArray
from ste_fairseq2.evaluation.voting import vote_per_order
from ste_fairseq2.verdicts import Verdict

NumberT = TypeVar("NumberT", float, FloatArray)

TIES: Final = "Ties"

_TIES_ID: Final = re.compile(r"(?:ref|tied):(.+)")

REWARDBENCH2_SECTIONS: Final[Sections] = {
    name: {name: 1} for name in ("Factuality", "Focus", "Math", "Precise IF", "Safety", TIES)
}
"""Every subset counts the same in the final score."""


@dataclass(frozen=True)
class TiesItem:
    """The ratings of one prompt's answers."""

    id: str
    """``ref:<n>`` or ``tied:<n>``."""
    right: Sequence[float]
    wrong: Sequence[float]

    @property
    def margin(self) -> float:
        """How far the worst right answer is above the best wrong one; negative where it is below."""
        return min(self.right) - max(self.wrong)

    @property
    def spread(self) -> float:
        """How far the right answers lie apart."""
        return max(self.right) - min(self.right)


@dataclass(frozen=True)
class TiesScore:
    """The parts of the Ties score; the total may exceed 1 by a hundredth."""

    ref_accuracy: float
    tied_accuracy: float
    preferred: float
    """Prompts whose margin exceeds the spread of the right answers."""
    preferred_hard: float
    """The same for the smaller of the margins of a prompt and its reference."""
    margin_score: float

    @property
    def total(self) -> float:
        return ties_total(
            self.ref_accuracy,
            self.tied_accuracy,
            self.preferred,
            self.preferred_hard,
            self.margin_score,
        )


def ties_total(
    ref_accuracy: NumberT,
    tied_accuracy: NumberT,
    preferred: NumberT,
    preferred_hard: NumberT,
    margin_score: NumberT,
) -> NumberT:
    """Return the score of the Ties subset from its parts, which :class:`TiesScore` explains."""
    return (
        0.30 * tied_accuracy
        + 0.30 * ref_accuracy
        + 0.20 * preferred
        + 0.20 * preferred_hard
        + 0.01 * margin_score
    )


def is_ties_id(name: str) -> bool:
    return _TIES_ID.fullmatch(name) is not None


def ties_number(name: str) -> str:
    """Return the ``<n>`` that a prompt and its reference share."""
    return name.partition(":")[2]


def best_of(ratings: Sequence[float]) -> float:
    """Return the credit for an item whose right answer has the first of ``ratings``: one over the number
    of answers that share the highest rating if it is among them, else 0."""
    highest = max(ratings)

    return 1 / list(ratings).count(highest) if ratings[0] == highest else 0.0


def score_ties(items: Sequence[TiesItem]) -> TiesScore:
    """Score the Ties subset; a part that no item tells about is 0.

    :raises ValueError: an id is not ``ref:<n>`` or ``tied:<n>``.
    """
    ref = _by_number(items, "ref")
    tied = _by_number(items, "tied")
    if len(ref) + len(tied) != len(items):
        raise ValueError("the ids of Ties items must be `ref:<n>` or `tied:<n>`, each once.")
    shared = [(ref[number], tied[number]) for number in sorted(ref.keys() & tied.keys())]

    return TiesScore(
        ref_accuracy=_mean([item.margin > 0 for item in ref.values()]),
        tied_accuracy=_mean([item.margin > 0 for item in tied.values()]),
        preferred=_mean([t.margin > t.spread for _, t in shared]),
        preferred_hard=_mean([min(r.margin, t.margin) > t.spread for r, t in shared]),
        margin_score=_mean([_margin_score(min(r.margin, t.margin), t.spread) for r, t in shared]),
    )


def combine_pairs(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Turn judgements on the pairs of an item (``<item>#<n>``) into one on the item, in each order.

    The right answer wins an item by winning all of its pairs, and loses it with any; otherwise the item
    is a failure where a pair is, and else a tie. Several samples of a pair vote first.
    """
    voted, _ = vote_per_order(judgements)
    by_item: dict[tuple[str, str | None], list[Judgement]] = {}
    for judgement in voted:
        item = judgement.pair_id.rpartition("#")[0]
        by_item.setdefault((item, judgement.order), []).append(judgement)

    return [
        Judgement(
            pair_id=item,
            order=judged[0].order,
            gold=judged[0].gold,
            verdict=_combined([j.verdict for j in judged], judged[0].gold),
            upstream=_combined([j.upstream for j in judged], judged[0].gold),
        )
        for (item, _), judged in by_item.items()
    ]


def _combined(verdicts: Sequence[Verdict], gold: Verdict) -> Verdict:
    standings = [standing(verdict, gold) for verdict in verdicts]
    if Standing.WRONG in standings:
        return gold.swap()
    for verdict, found in zip(verdicts, standings, strict=True):
        if found is Standing.FAILED:
            return verdict

    return Verdict.TIE if Standing.TIE in standings else gold


def _by_number(items: Sequence[TiesItem], kind: str) -> Mapping[str, TiesItem]:
    prefix = f"{kind}:"

    return {item.id.removeprefix(prefix): item for item in items if item.id.startswith(prefix)}


def _margin_score(margin: float, spread: float) -> float:
    """Return tanh(margin / spread - 1), with its limits where the spread is 0, and 0 for 0 / 0."""
    if spread == 0:
        return math.copysign(1.0, margin) if margin else 0.0

    return math.tanh(margin / spread - 1)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
