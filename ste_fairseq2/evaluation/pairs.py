"""Adds judgements up per pair: the rows that every figure is a quotient of sums of.

The pair, not the judgement, is what a benchmark samples, so figures are written as quotients of column
sums over pairs; a bootstrap resample is then another sum over the same rows.

Where a pair has several judgements in an order, its entries for both orders together are expectations
over one judgement drawn from each order: with shares ``p`` of right judgements in order 0_1 and ``q`` in
1_0, both are right with ``p * q``. With one judgement in each order this is the plain count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ste_fairseq2.evaluation.judgements import Judgement, Standing
from ste_fairseq2.verdicts import Verdict

FloatArray = NDArray[np.float64]


class Column(IntEnum):
    """The columns of a pair's row."""

    JUDGED = 0
    RIGHT = 1
    DECIDED = 2
    """Judgements that name one answer."""
    FIRST = 3
    """… and name the one shown first."""
    TIE = 4
    UNPARSEABLE = 5
    TRUNCATED = 6
    JUDGED_0_1 = 7
    RIGHT_0_1 = 8
    JUDGED_1_0 = 9
    RIGHT_1_0 = 10
    COMPLETE = 11
    """1 where the pair was judged in both orders."""
    BOTH_RIGHT = 12
    AGREE = 13
    VOTE = 14
    """1 where the judgements of both orders name the right answer more often than the wrong one."""
    JUDGED_BETTER_FIRST = 15
    RIGHT_BETTER_FIRST = 16
    JUDGED_BETTER_LAST = 17
    RIGHT_BETTER_LAST = 18
    JUDGED_LONGER = 19
    """Judgements of a pair whose better answer is the longer; equal lengths count half here …"""
    RIGHT_LONGER = 20
    JUDGED_SHORTER = 21
    """… and half here."""
    RIGHT_SHORTER = 22
    UPSTREAM = 23
    """Points in upstream's way: 1 for a win, 0 for a loss, 0.5 for anything else."""
    UPSTREAM_0_1 = 24
    UPSTREAM_1_0 = 25
    SCORED = 26
    """Comparisons of scores that answers have by themselves, not judgements; also under JUDGED."""
    UNSCORED = 27
    """… and have an answer without a score."""
    REF = 28
    """Prompts of RewardBench 2's Ties (its columns: see ``rewardbench2.py``); also under JUDGED."""
    REF_RIGHT = 29
    TIED = 30
    TIED_RIGHT = 31
    TIED_WITH_REF = 32
    PREFERRED = 33
    PREFERRED_HARD = 34
    MARGIN_SCORE = 35
    GRADED = 36
    """Comparisons of scores that a judge gave; also under SCORED."""
    SAMPLES = 37
    """The samples of those scores, which UNPARSEABLE and TRUNCATED are then of."""


@dataclass(frozen=True)
class PairTable:
    """One row of column sums for each pair, sorted by pair id."""

    ids: tuple[str, ...]
    values: FloatArray
    """Shape (pairs, columns)."""

    @property
    def sums(self) -> FloatArray:
        total: FloatArray = self.values.sum(axis=0)

        return total


def concatenate(tables: Iterable[PairTable]) -> PairTable:
    """Return all rows of at least one table; ids are then unique only within their own table."""
    tables = list(tables)

    return PairTable(
        tuple(pair_id for table in tables for pair_id in table.ids),
        np.concatenate([table.values for table in tables]),
    )


def tabulate(judgements: Iterable[Judgement]) -> PairTable:
    """Return the table of the pairs that ``judgements`` are of."""
    by_pair: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        by_pair.setdefault(judgement.pair_id, []).append(judgement)
    ids = tuple(sorted(by_pair))
    values = np.zeros((len(ids), len(Column)))
    for row, pair_id in zip(values, ids, strict=True):
        _fill(row, by_pair[pair_id])

    return PairTable(ids, values)


def _fill(row: FloatArray, judgements: Sequence[Judgement]) -> None:
    for judgement in judgements:
        is_right = judgement.standing is Standing.RIGHT
        points = _upstream_points(judgement)
        row[Column.JUDGED] += 1
        row[Column.RIGHT] += is_right
        row[Column.UPSTREAM] += points

        if judgement.verdict.is_decided:
            row[Column.DECIDED] += 1
            row[Column.FIRST] += judgement.verdict is Verdict.A
        elif judgement.verdict is Verdict.TIE:
            row[Column.TIE] += 1
        elif judgement.verdict is Verdict.TRUNCATED:
            row[Column.TRUNCATED] += 1
        else:
            row[Column.UNPARSEABLE] += 1

        if judgement.order == "0_1":
            row[Column.JUDGED_0_1] += 1
            row[Column.RIGHT_0_1] += is_right
            row[Column.UPSTREAM_0_1] += points
        elif judgement.order == "1_0":
            row[Column.JUDGED_1_0] += 1
            row[Column.RIGHT_1_0] += is_right
            row[Column.UPSTREAM_1_0] += points

        if judgement.gold is Verdict.A:
            row[Column.JUDGED_BETTER_FIRST] += 1
            row[Column.RIGHT_BETTER_FIRST] += is_right
        else:
            row[Column.JUDGED_BETTER_LAST] += 1
            row[Column.RIGHT_BETTER_LAST] += is_right

        fill_lengths(row, judgement.length_gap, is_right=is_right)

    _fill_both_orders(row, judgements)


def fill_lengths(row: FloatArray, gap: int | None, *, is_right: bool) -> None:
    """Add to the columns of the longer and the shorter answer.

    :param gap: characters of the better answer less those of the worse; ``None`` where not known.
    """
    if gap is None:
        return
    longer = 0.5 if gap == 0 else float(gap > 0)
    row[Column.JUDGED_LONGER] += longer
    row[Column.RIGHT_LONGER] += longer * is_right
    row[Column.JUDGED_SHORTER] += 1 - longer
    row[Column.RIGHT_SHORTER] += (1 - longer) * is_right


def _fill_both_orders(row: FloatArray, judgements: Sequence[Judgement]) -> None:
    first = [j.standing for j in judgements if j.order == "0_1"]
    second = [j.standing for j in judgements if j.order == "1_0"]
    if not first or not second:
        return
    # The right answer is the same answer in both orders, so equal standing is the same answer.
    shares = [
        (first.count(standing) / len(first)) * (second.count(standing) / len(second))
        for standing in Standing
    ]
    both = [*first, *second]
    row[Column.COMPLETE] = 1
    row[Column.BOTH_RIGHT] = shares[0]
    row[Column.AGREE] = sum(shares)
    row[Column.VOTE] = both.count(Standing.RIGHT) > both.count(Standing.WRONG)


def _upstream_points(judgement: Judgement) -> float:
    if not judgement.upstream.is_decided:
        return 0.5

    return float(judgement.upstream is judgement.gold)
