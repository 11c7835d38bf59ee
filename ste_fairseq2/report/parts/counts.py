"""Counts by reason as charts and tables, which several parts show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ste_fairseq2.report.chart import NONE, Chart, Series, Table, share
from ste_fairseq2.report.facts import DropFacts

Counts: TypeAlias = tuple[str, Mapping[str, int]]
"""A name, and counts."""


def reasons(counts: Sequence[Mapping[str, int]]) -> list[str]:
    """Return the reasons that occur, `kept` first, then the most frequent."""
    totals: dict[str, int] = {}
    for row in counts:
        for name, count in row.items():
            totals[name] = totals.get(name, 0) + count

    return sorted(
        (name for name, total in totals.items() if total),
        key=lambda name: (name != "kept", -totals[name], name),
    )


def words(name: str) -> str:
    return name.replace("_", " ")


def fates_chart(title: str, y_label: str, rows: Sequence[Counts], names: Sequence[str]) -> Chart:
    """
    :param rows: counts by round.
    :param names: all fates, so that each has the same colour in every chart.
    """
    return Chart(
        title=title,
        kind="stack",
        x_label="round",
        y_label=y_label,
        x=[label for label, _ in rows],
        unit="%",
        series=[
            Series(
                name=words(name),
                values=[share(counts.get(name, 0), sum(counts.values())) for _, counts in rows],
                colour=colour,
            )
            for colour, name in enumerate(names)
            if any(counts.get(name) for _, counts in rows)
        ],
    )


def count_table(
    title: str, names: Sequence[str], rows: Sequence[Counts], *, titles: Mapping[str, str] = {}
) -> Table:
    """Return the counts by round, without the columns that are empty.

    :param titles: what some of the names are called.
    """
    used = [name for name in names if any(counts.get(name) for _, counts in rows)]

    return Table(
        title=title,
        header=["round", *(titles.get(name, words(name)) for name in used)],
        rows=[[label, *(f"{counts.get(name, 0):,}" for name in used)] for label, counts in rows],
    )


def drops_table(title: str, drops: Sequence[DropFacts]) -> Table:
    names = reasons([drop.counts for drop in drops])

    return Table(
        title=f"{title}: records by what became of them",
        header=["step", *map(words, names)],
        rows=[
            [drop.step, *(f"{drop.counts[name]:,}" if name in drop.counts else NONE for name in names)]
            for drop in drops
        ],
    )
