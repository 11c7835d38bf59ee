"""How far scores of single answers agree with the ranks that people gave: five figures.

They are those of Self-Rewarding Language Models (arXiv 2401.10020, 2.4), over instructions with several
answers whose human ranks are not all the same:

``pairwise_accuracy``
    Among the pairs of answers to one instruction with different ranks: the better one has the higher
    score. Equal scores (``pairwise_tie``) and a missing score (``pairwise_unscored``) are not right.
``exact_match``
    Among instructions: the scores put the answers in exactly the order of the ranks, with equal scores
    for equal ranks and for no others.
``spearman``, ``kendall``
    The correlation of the scores with the ranks, the best rank counting highest: Spearman's rho and
    Kendall's tau-b, from -1 to 1, for each instruction and then as the mean. Where scores or ranks do
    not vary there is none.
``five_best``
    Among answers with the highest score there is: those that have the best rank of their instruction.
    Only where the scale has a top.

An answer without a score is left out of all but the first; an instruction with fewer than two scores has
no exact match and no correlation. Chance would have 0.5 of the pairs and no correlation.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np

from ste_fairseq2.evaluation.bootstrap import Bootstrap, Interval
from ste_fairseq2.evaluation.items import ranked_pairs
from ste_fairseq2.evaluation.pairs import FloatArray
from ste_fairseq2.evaluation.scores import optional


@dataclass(frozen=True)
class RankedScores:
    """The answers to one instruction; their ranks are not all the same."""

    ranks: Sequence[float]
    """Of people: the lowest is the best, equal ones are as good."""
    scores: Sequence[float | None]
    """Higher is better; ``None`` for an answer without one."""


class _Column(IntEnum):
    """The columns of an instruction's row."""

    INSTRUCTION = 0
    ANSWERS = 1
    UNSCORED_ANSWERS = 2
    PAIRS = 3
    RIGHT = 4
    TIED = 5
    UNSCORED_PAIRS = 6
    SCORED = 7
    """1 where two answers or more have a score."""
    EXACT = 8
    CONSTANT_SCORES = 9
    CONSTANT_RANKS = 10
    """1 where the scores vary, but not the ranks of the answers that have one."""
    CORRELATED = 11
    SPEARMAN = 12
    KENDALL = 13
    TOP = 14
    """Answers with the highest score there is."""
    TOP_BEST = 15


_FIGURES: Final = {
    "pairwise_accuracy": (_Column.RIGHT, _Column.PAIRS),
    "pairwise_tie": (_Column.TIED, _Column.PAIRS),
    "pairwise_unscored": (_Column.UNSCORED_PAIRS, _Column.PAIRS),
    "exact_match": (_Column.EXACT, _Column.SCORED),
    "spearman": (_Column.SPEARMAN, _Column.CORRELATED),
    "kendall": (_Column.KENDALL, _Column.CORRELATED),
}
_FIVE_BEST: Final = {"five_best": (_Column.TOP_BEST, _Column.TOP)}

_COUNTS: Final = {
    "instructions": _Column.INSTRUCTION,
    "answers": _Column.ANSWERS,
    "pairs": _Column.PAIRS,
    "answers_unscored": _Column.UNSCORED_ANSWERS,
    "instructions_scored": _Column.SCORED,
    "instructions_correlated": _Column.CORRELATED,
    "instructions_with_constant_scores": _Column.CONSTANT_SCORES,
    "instructions_with_constant_ranks": _Column.CONSTANT_RANKS,
}


@dataclass(frozen=True)
class RankingReport:
    """The figures, each with its interval; one that is not defined is ``None``."""

    figures: Mapping[str, float | None]
    intervals: Mapping[str, Interval | None]
    counts: Mapping[str, int]

    def to_row(self) -> dict[str, Any]:
        return {
            "counts": dict(self.counts),
            **self.figures,
            "intervals": dict(self.intervals),
            "intervals_over": "instructions",
        }


def score_ranking(
    instructions: Sequence[RankedScores], bootstrap: Bootstrap, *, top: float | None
) -> RankingReport:
    """Score at least one instruction; intervals resample instructions.

    :param top: the highest score there can be; ``None`` where there is none, and no ``five_best``.
    """
    values = np.array([_row(instruction, top) for instruction in instructions])
    sums = values.sum(axis=0)
    has_top = top is not None
    points, samples = _figures(sums, has_top), _figures(bootstrap.resample(values, "ranking"), has_top)
    counts = {name: int(sums[column]) for name, column in _COUNTS.items()}
    counts["instructions_unscored"] = counts["instructions"] - counts["instructions_scored"]
    if has_top:
        counts["answers_at_the_top"] = int(sums[_Column.TOP])

    return RankingReport(
        figures={name: optional(float(value)) for name, value in points.items()},
        intervals={
            name: None if np.isnan(value) else bootstrap.interval(samples[name])
            for name, value in points.items()
        },
        counts=counts,
    )


def is_exact_match(ranks: Sequence[float], scores: Sequence[float]) -> bool:
    """Tell whether scores put answers in exactly the order of their ranks."""
    return all(
        _sign(ranks[second] - ranks[first]) == _sign(scores[first] - scores[second])
        for first, second in itertools.combinations(range(len(ranks)), 2)
    )


def correlations(ranks: Sequence[float], scores: Sequence[float]) -> tuple[float, float]:
    """Return Spearman's rho and Kendall's tau-b of scores with negated ranks; both must vary."""
    # It has no types of its own.
    from scipy import stats  # type: ignore[import-untyped]

    goodness = [-rank for rank in ranks]

    return (
        float(stats.spearmanr(goodness, scores).statistic),
        float(stats.kendalltau(goodness, scores, variant="b").statistic),
    )


def _row(instruction: RankedScores, top: float | None) -> FloatArray:
    ranks, scores = instruction.ranks, instruction.scores
    row = np.zeros(len(_Column))
    row[_Column.INSTRUCTION] = 1
    row[_Column.ANSWERS] = len(ranks)
    row[_Column.UNSCORED_ANSWERS] = sum(score is None for score in scores)
    _fill_pairs(row, instruction)
    known = [(rank, score) for rank, score in zip(ranks, scores, strict=True) if score is not None]
    if top is not None:
        best = [rank for rank, score in known if score == top]
        row[_Column.TOP] = len(best)
        row[_Column.TOP_BEST] = best.count(min(ranks))
    if len(known) > 1:
        _fill_order(row, [rank for rank, _ in known], [score for _, score in known])

    return row


def _fill_pairs(row: FloatArray, instruction: RankedScores) -> None:
    for first, second in ranked_pairs(instruction.ranks):
        row[_Column.PAIRS] += 1
        old, new = instruction.scores[first], instruction.scores[second]
        if old is None or new is None:
            row[_Column.UNSCORED_PAIRS] += 1
        elif old == new:
            row[_Column.TIED] += 1
        else:
            row[_Column.RIGHT] += (old > new) == (instruction.ranks[first] < instruction.ranks[second])


def _fill_order(row: FloatArray, ranks: Sequence[float], scores: Sequence[float]) -> None:
    row[_Column.SCORED] = 1
    row[_Column.EXACT] = is_exact_match(ranks, scores)
    if len(set(scores)) == 1:
        row[_Column.CONSTANT_SCORES] = 1
    elif len(set(ranks)) == 1:
        row[_Column.CONSTANT_RANKS] = 1
    else:
        row[_Column.CORRELATED] = 1
        row[_Column.SPEARMAN], row[_Column.KENDALL] = correlations(ranks, scores)


def _figures(sums: FloatArray, has_top: bool) -> dict[str, FloatArray]:
    figures = _FIGURES | _FIVE_BEST if has_top else _FIGURES
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            name: np.divide(sums[..., over], sums[..., under]) for name, (over, under) in figures.items()
        }


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
