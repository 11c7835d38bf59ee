"""The figures of a judge, each a quotient of column sums over pairs; see the glossary below.

``order_0_1``, ``order_1_0``
    Right judgements among those of that order. ``0_1`` shows the pair as it is stored. A tie and a
    failure are not right.
``mean``
    The plain mean of the two; undefined unless there are judgements in both orders.
``both_right``
    Among pairs judged in both orders: the right answer in both.
``agreement``
    Among the same pairs: the same answer in both orders. A tie agrees with a tie, a failure with a
    failure of either kind.
``vote_of_orders``
    Among the same pairs: more judgements name the right answer than the wrong one, ties and failures
    abstaining. (JudgeBench's own metric.)
``accuracy``
    Right judgements among all, with or without a known order.
``accuracy_of_decided``
    Right judgements among those that name one answer.
``better_first``, ``better_last``
    Right judgements where the better answer is shown first, or last.
``first_slot``
    Among judgements that name one answer: the one shown first. A judge without a leaning to a position
    has 0.5 over both orders.
``tie``, ``unparseable``, ``truncated``
    Judgements that say so, among all.
``length_controlled``
    The plain mean of two accuracies: over judgements whose better answer is the longer one (in
    characters), and over those where it is the shorter one; a pair of equal lengths counts half in
    each. It is what accuracy would be were the longer answer right as often as the shorter one, so any
    rule that looks at nothing but length has exactly 0.5. (The length-controlled win rate of
    AlpacaEval, arXiv 2404.04475, asks the same counterfactual question of a fitted regression, at a
    length difference of zero; here no model is fitted.)
``upstream``, ``upstream_0_1``, ``upstream_1_0``
    Upstream's own scoring: 1 for a win, 0 for a loss and 0.5 for anything else, by its benchmark
    parser. One order at a time is how published figures were made.

A reward model or a scoring judge scores one answer at a time, so there is no order and no slot. It has
``accuracy``, ``accuracy_of_decided``, ``length_controlled`` and ``tie`` as above, where right is a right
answer with a higher score than every wrong one, and

``unscored``
    Comparisons with an answer that has no score, among all. They are not right.
``upstream``
    Upstream's own scoring: 1 for right, else 0; in RewardBench 2 a right answer that shares the highest
    score has its part of 1, and Ties is scored by its formula. Over all subsets, Ties is left out.
``ties_…``
    The parts of that formula, for Ties alone; see ``rewardbench2.py``.

A scoring judge, but no reward model, has of these too

``unparseable``, ``truncated``
    Samples without a score, among all samples of the answers that are compared. An answer that is
    compared several times, as with ranks, counts each time.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ste_fairseq2.evaluation.pairs import Column, FloatArray
from ste_fairseq2.evaluation.rewardbench2 import ties_total

FIGURES: Final = (
    "order_0_1",
    "order_1_0",
    "mean",
    "both_right",
    "agreement",
    "vote_of_orders",
    "accuracy",
    "accuracy_of_decided",
    "better_first",
    "better_last",
    "first_slot",
    "length_controlled",
    "tie",
    "unparseable",
    "truncated",
    "upstream",
    "upstream_0_1",
    "upstream_1_0",
)


def compute_figures(sums: FloatArray) -> dict[str, FloatArray]:
    """Return the figures that the source of column sums has: every one of :data:`FIGURES` for a judge.

    :param sums: shape (…, columns), all of judgements or all of scores; the figures have shape (…), with
        NaN where a figure is undefined.
    """
    if of_scores(sums):
        return _figures_of_scores(sums)

    def ratio(over: Column, under: Column) -> FloatArray:
        return _quotient(sums[..., over], sums[..., under])

    order_0_1 = ratio(Column.RIGHT_0_1, Column.JUDGED_0_1)
    order_1_0 = ratio(Column.RIGHT_1_0, Column.JUDGED_1_0)

    return {
        "order_0_1": order_0_1,
        "order_1_0": order_1_0,
        "mean": (order_0_1 + order_1_0) / 2,
        "both_right": ratio(Column.BOTH_RIGHT, Column.COMPLETE),
        "agreement": ratio(Column.AGREE, Column.COMPLETE),
        "vote_of_orders": ratio(Column.VOTE, Column.COMPLETE),
        "accuracy": ratio(Column.RIGHT, Column.JUDGED),
        "accuracy_of_decided": ratio(Column.RIGHT, Column.DECIDED),
        "better_first": ratio(Column.RIGHT_BETTER_FIRST, Column.JUDGED_BETTER_FIRST),
        "better_last": ratio(Column.RIGHT_BETTER_LAST, Column.JUDGED_BETTER_LAST),
        "first_slot": ratio(Column.FIRST, Column.DECIDED),
        "length_controlled": _length_controlled(sums),
        "tie": ratio(Column.TIE, Column.JUDGED),
        "unparseable": ratio(Column.UNPARSEABLE, Column.JUDGED),
        "truncated": ratio(Column.TRUNCATED, Column.JUDGED),
        "upstream": ratio(Column.UPSTREAM, Column.JUDGED),
        "upstream_0_1": ratio(Column.UPSTREAM_0_1, Column.JUDGED_0_1),
        "upstream_1_0": ratio(Column.UPSTREAM_1_0, Column.JUDGED_1_0),
    }


def of_scores(sums: FloatArray) -> bool:
    """Tell whether column sums come of scores, each of one answer, and not of judgements on pairs."""
    return bool(np.any(sums[..., Column.SCORED] > 0))


def of_graded(sums: FloatArray) -> bool:
    """Tell whether column sums come of a scoring judge's scores."""
    return bool(np.any(sums[..., Column.GRADED] > 0))


def _figures_of_scores(sums: FloatArray) -> dict[str, FloatArray]:
    def ratio(over: Column, under: Column) -> FloatArray:
        return _quotient(sums[..., over], sums[..., under])

    figures = {
        "accuracy": ratio(Column.RIGHT, Column.JUDGED),
        "accuracy_of_decided": ratio(Column.RIGHT, Column.DECIDED),
        "length_controlled": _length_controlled(sums),
        "tie": ratio(Column.TIE, Column.JUDGED),
        "unscored": ratio(Column.UNSCORED, Column.JUDGED),
    }
    if of_graded(sums):
        figures |= {
            "unparseable": ratio(Column.UNPARSEABLE, Column.SAMPLES),
            "truncated": ratio(Column.TRUNCATED, Column.SAMPLES),
        }
    num_ties = sums[..., Column.REF] + sums[..., Column.TIED]
    others = sums[..., Column.JUDGED] - num_ties
    if np.any(others > 0):
        return figures | {"upstream": _quotient(sums[..., Column.UPSTREAM], others)}
    # A part that no prompt tells about is 0, as it is upstream.
    ties = {
        "ties_ref_accuracy": np.nan_to_num(ratio(Column.REF_RIGHT, Column.REF)),
        "ties_tied_accuracy": np.nan_to_num(ratio(Column.TIED_RIGHT, Column.TIED)),
        "ties_preferred": np.nan_to_num(ratio(Column.PREFERRED, Column.TIED_WITH_REF)),
        "ties_preferred_hard": np.nan_to_num(ratio(Column.PREFERRED_HARD, Column.TIED_WITH_REF)),
        "ties_margin_score": np.nan_to_num(ratio(Column.MARGIN_SCORE, Column.TIED_WITH_REF)),
    }

    return figures | ties | {"upstream": ties_total(*ties.values())}


def _length_controlled(sums: FloatArray) -> FloatArray:
    longer = _quotient(sums[..., Column.RIGHT_LONGER], sums[..., Column.JUDGED_LONGER])
    shorter = _quotient(sums[..., Column.RIGHT_SHORTER], sums[..., Column.JUDGED_SHORTER])

    return (longer + shorter) / 2


def _quotient(over: FloatArray, under: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        quotient: FloatArray = np.divide(over, under)

    return quotient
