"""Puts evaluations side by side: each judge's figures on the pairs they share, and the differences.

All judges are compared with the first. Differences are within pairs: each resample draws the same pairs
for both judges, so that what makes a pair hard for both cancels out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ste_fairseq2.errors import InputError
from ste_fairseq2.evaluation import markdown
from ste_fairseq2.evaluation.bootstrap import Bootstrap, Interval
from ste_fairseq2.evaluation.figures import compute_figures
from ste_fairseq2.evaluation.judgements import GroupKey
from ste_fairseq2.evaluation.pair_store import read_pairs
from ste_fairseq2.evaluation.pairs import Column, FloatArray, PairTable
from ste_fairseq2.evaluation.scores import optional
from ste_fairseq2.jsonl import write_text

COMPARED: Final = (
    "order_0_1",
    "order_1_0",
    "mean",
    "both_right",
    "agreement",
    "accuracy",
    "first_slot",
    "length_controlled",
    "tie",
    "unparseable",
    "truncated",
    "unscored",
    "upstream",
)
"""A comparison has those that both of its sides have: a reward model has no order and no slot."""

_Pairs = Mapping[tuple[str | None, str], FloatArray]
"""The row of each pair, by subset and id."""


@dataclass(frozen=True)
class Difference:
    """One figure of two judges on the same pairs."""

    value: float | None
    difference: float | None
    interval: Interval | None


@dataclass(frozen=True)
class Comparison:
    """A judge against the first."""

    name: str
    num_shared: int
    """Pairs that both were asked about."""
    first: Mapping[str, float | None]
    """The first judge's figures on those pairs."""
    figures: Mapping[str, Difference]

    def to_row(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "pairs_shared": self.num_shared,
            "figures": {
                name: {
                    "first": self.first[name],
                    "value": figure.value,
                    "difference": figure.difference,
                    "interval": figure.interval,
                }
                for name, figure in self.figures.items()
            },
        }


@dataclass(frozen=True)
class ComparisonReport:
    """All judges against the first."""

    first: str
    comparisons: tuple[Comparison, ...]
    bootstrap: Bootstrap

    def to_row(self) -> dict[str, Any]:
        return {
            "first": self.first,
            "bootstrap": self.bootstrap.describe(),
            "comparisons": [comparison.to_row() for comparison in self.comparisons],
        }

    def to_markdown(self) -> str:
        parts = [f"# Comparison with {self.first}"]
        for comparison in self.comparisons:
            rows = [
                [
                    name,
                    markdown.percent(comparison.first[name]),
                    markdown.percent(figure.value),
                    markdown.points(figure.difference, figure.interval),
                ]
                for name, figure in comparison.figures.items()
            ]
            parts.append(f"## {comparison.name}, on {comparison.num_shared} shared pairs")
            parts.append(
                markdown.table(["figure", self.first, comparison.name, "difference (interval)"], rows)
            )

        return "\n\n".join(parts) + "\n"


def compare(folders: Sequence[Path], bootstrap: Bootstrap) -> ComparisonReport:
    """Compare the judges of the output folders of evaluations.

    :raises MissingPathError: a folder is not that of an evaluation.
    :raises InputError: there is nothing to compare with, or two judges share no pair.
    """
    judges = [judge for folder in folders for judge in _read_judges(folder)]
    if len(judges) < 2:
        raise InputError("there is one judge only; `--compare` takes two evaluations or more.")
    (first, first_pairs), *others = judges

    return ComparisonReport(
        first,
        tuple(_compare(first, first_pairs, name, pairs, bootstrap) for name, pairs in others),
        bootstrap,
    )


def write_comparison(folder: Path, report: ComparisonReport) -> None:
    """Write ``comparison.json`` and ``comparison.md``."""
    write_text(folder / "comparison.json", json.dumps(report.to_row(), indent=2) + "\n")
    write_text(folder / "comparison.md", report.to_markdown())


def _read_judges(folder: Path) -> list[tuple[str, _Pairs]]:
    """Return the judges of an evaluation, named by its folder; several by their own names too."""
    tables = read_pairs(folder)
    judges = sorted({key.judge for key in tables}, key=lambda judge: judge or "")

    return [
        (str(folder) if len(judges) == 1 else f"{folder}: {judge or '-'}", _rows(tables, judge))
        for judge in judges
    ]


def _rows(tables: Mapping[GroupKey, PairTable], judge: str | None) -> _Pairs:
    return {
        (key.subset, pair_id): row
        for key, table in tables.items()
        if key.judge == judge
        for pair_id, row in zip(table.ids, table.values, strict=True)
    }


def _compare(
    first: str, first_pairs: _Pairs, name: str, pairs: _Pairs, bootstrap: Bootstrap
) -> Comparison:
    shared = sorted(first_pairs.keys() & pairs.keys(), key=lambda pair: (pair[0] or "", pair[1]))
    if not shared:
        raise InputError(f"`{first}` and `{name}` have no pair in common, so they cannot be compared.")
    both = np.array([np.concatenate([first_pairs[pair], pairs[pair]]) for pair in shared])
    num_columns = len(Column)
    sums, resampled = both.sum(axis=0), bootstrap.resample(both, "comparison")
    old, new = compute_figures(sums[:num_columns]), compute_figures(sums[num_columns:])
    old_samples = compute_figures(resampled[:, :num_columns])
    new_samples = compute_figures(resampled[:, num_columns:])
    compared = [figure for figure in COMPARED if figure in old and figure in new]

    return Comparison(
        name=name,
        num_shared=len(shared),
        first={figure: optional(float(old[figure])) for figure in compared},
        figures={
            figure: Difference(
                value=optional(float(new[figure])),
                difference=optional(float(new[figure] - old[figure])),
                interval=bootstrap.interval(new_samples[figure] - old_samples[figure]),
            )
            for figure in compared
        },
    )
