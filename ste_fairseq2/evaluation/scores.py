"""The figures of one table of pairs, each with its interval, and the counts behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ste_fairseq2.evaluation.bootstrap import Bootstrap, Interval
from ste_fairseq2.evaluation.figures import compute_figures, of_graded, of_scores
from ste_fairseq2.evaluation.pairs import Column, PairTable

_COUNTS: Final = {
    "pairs_both_orders": Column.COMPLETE,
    "judgements": Column.JUDGED,
    "judgements_0_1": Column.JUDGED_0_1,
    "judgements_1_0": Column.JUDGED_1_0,
    "correct_0_1": Column.RIGHT_0_1,
    "correct_1_0": Column.RIGHT_1_0,
    "correct_both": Column.BOTH_RIGHT,
    "equal": Column.AGREE,
    "tie": Column.TIE,
    "unparseable": Column.UNPARSEABLE,
    "truncated": Column.TRUNCATED,
}

_COUNTS_OF_SCORES: Final = {
    "compared": Column.JUDGED,
    "correct": Column.RIGHT,
    "tie": Column.TIE,
    "unscored": Column.UNSCORED,
}

_COUNTS_OF_GRADES: Final = _COUNTS_OF_SCORES | {
    "samples": Column.SAMPLES,
    "unparseable": Column.UNPARSEABLE,
    "truncated": Column.TRUNCATED,
}


@dataclass(frozen=True)
class Scores:
    """The figures that the source of a table has; one that is not defined is ``None``."""

    figures: Mapping[str, float | None]
    intervals: Mapping[str, Interval | None]
    counts: Mapping[str, int | float]

    def to_row(self) -> dict[str, Any]:
        return {"counts": dict(self.counts), **self.figures, "intervals": dict(self.intervals)}


def score_table(table: PairTable, bootstrap: Bootstrap, name: str) -> Scores:
    """Score at least one pair.

    :param name: names the table to the bootstrap; see :meth:`Bootstrap.resample`.
    """
    figures = {name: float(value) for name, value in compute_figures(table.sums).items()}
    resampled = compute_figures(bootstrap.resample(table.values, name))

    return Scores(
        figures={name: optional(value) for name, value in figures.items()},
        intervals={
            name: None if np.isnan(value) else bootstrap.interval(resampled[name])
            for name, value in figures.items()
        },
        counts=_counts(table),
    )


def optional(value: float) -> float | None:
    """Return ``None`` in place of NaN, which JSON does not have."""
    return None if np.isnan(value) else value


def _counts(table: PairTable) -> dict[str, int | float]:
    sums = table.sums
    columns = _COUNTS
    if of_scores(sums):
        columns = _COUNTS_OF_GRADES if of_graded(sums) else _COUNTS_OF_SCORES

    return {"pairs": len(table.ids)} | {name: _whole(float(sums[c])) for name, c in columns.items()}


def _whole(value: float) -> int | float:
    """Return a count as a whole number, unless several samples a pair have made it an expectation."""
    return int(value) if value.is_integer() else value
