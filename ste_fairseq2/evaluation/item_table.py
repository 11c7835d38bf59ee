"""Turns the scores of single answers into tables of pairs, one row for each comparison.

The rows have no order and no slot, so the columns of those stay empty. In RewardBench 2's Ties a row is
a number: a prompt with its reference. Ranked answers have a row for every two of different ranks.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from ste_fairseq2.evaluation.items import BenchmarkItem, ItemRule
from ste_fairseq2.evaluation.pairs import Column, FloatArray, PairTable, fill_lengths
from ste_fairseq2.evaluation.rewardbench2 import TiesItem, best_of, score_ties, ties_number


class SampleCounts(NamedTuple):
    """The samples of one answer's score."""

    total: int
    unparseable: int
    truncated: int


def tabulate_items(
    items: Iterable[BenchmarkItem],
    scores: Mapping[str, float],
    samples: Mapping[str, SampleCounts] | None = None,
) -> PairTable:
    """Return the table of at least one item.

    :param scores: by candidate; one that is not there could not be scored.
    :param samples: likewise, where a judge gave the scores; it may not have been asked about all.
    """
    by_row: dict[str, list[BenchmarkItem]] = {}
    for item in itertools.chain.from_iterable(i.comparisons() for i in items):
        is_ties = item.rule is ItemRule.TIES
        name = f"{item.subset}/{ties_number(item.id)}" if is_ties else item.id
        by_row.setdefault(name, []).append(item)
    ids = tuple(sorted(by_row))
    values = np.zeros((len(ids), len(Column)))
    for row, name in zip(values, ids, strict=True):
        for item in by_row[name]:
            _fill(row, item, item.ratings(scores))
            if samples is not None:
                _fill_samples(row, item, samples)
        if by_row[name][0].rule is ItemRule.TIES:
            _fill_ties(row, by_row[name], scores)

    return PairTable(ids, values)


def _fill(row: FloatArray, item: BenchmarkItem, ratings: list[float] | None) -> None:
    row[Column.JUDGED] += 1
    row[Column.SCORED] += 1
    if ratings is None:
        row[Column.UNSCORED] += 1
        fill_lengths(row, item.length_gap, is_right=False)
        return
    margin = min(ratings[: item.num_right]) - max(ratings[item.num_right :])
    is_right = margin > 0
    row[Column.RIGHT] += is_right
    row[Column.DECIDED] += margin != 0
    row[Column.TIE] += margin == 0
    fill_lengths(row, item.length_gap, is_right=is_right)
    if item.rule is ItemRule.BEST_OF:
        row[Column.UPSTREAM] += best_of(ratings)
    elif item.rule is ItemRule.STRICT:
        row[Column.UPSTREAM] += is_right


def _fill_samples(row: FloatArray, item: BenchmarkItem, samples: Mapping[str, SampleCounts]) -> None:
    row[Column.GRADED] += 1
    for found in (samples[name] for name in item.answer_ids if name in samples):
        row[Column.SAMPLES] += found.total
        row[Column.UNPARSEABLE] += found.unparseable
        row[Column.TRUNCATED] += found.truncated


def _fill_ties(row: FloatArray, items: Iterable[BenchmarkItem], scores: Mapping[str, float]) -> None:
    """Fill the columns of one number of Ties; a prompt that could not be scored counts as wrong."""
    known, kinds = [], []
    for item in items:
        name = item.id.rpartition("/")[2]
        kinds.append(name.partition(":")[0])
        ratings = item.ratings(scores)
        if ratings is not None:
            known.append(TiesItem(name, ratings[: item.num_right], ratings[item.num_right :]))
    score = score_ties(known)
    row[Column.REF] = kinds.count("ref")
    row[Column.REF_RIGHT] = score.ref_accuracy
    row[Column.TIED] = kinds.count("tied")
    row[Column.TIED_RIGHT] = score.tied_accuracy
    row[Column.TIED_WITH_REF] = len(kinds) == 2
    row[Column.PREFERRED] = score.preferred
    row[Column.PREFERRED_HARD] = score.preferred_hard
    row[Column.MARGIN_SCORE] = score.margin_score
