"""One part of the page: what it says before anything is drawn, and what several parts share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ste_fairseq2.loop.rounds import BenchmarkScore, RoundSummary
from ste_fairseq2.report.chart import Chart, Series, Table, percent
from ste_fairseq2.report.facts import LoopFacts

ReadScore: TypeAlias = Callable[[BenchmarkScore], float | None]
"""Takes a fraction out of a judge's score."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Sentences, charts and tables under a heading."""

    anchor: str
    title: str
    lead: str
    """What it tells, and how to read it."""
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    """What is missing or left out, in sentences."""


def round_names(facts: LoopFacts, *, with_peers: bool = False) -> list[str]:
    """Return the names of the rounds, the seed model first; with peers, of the loop that has most."""
    loops = [facts.summaries]
    if with_peers:
        loops += [peer.summaries for peer in facts.peers]

    return [summary.name for summary in max(loops, key=len)]


def rates_by_round(
    title: str,
    y_label: str,
    x: Sequence[str],
    series: Sequence[Series],
    *,
    reference: float | None = None,
    reference_name: str = "",
    is_small: bool = False,
    note: str = "",
) -> Chart:
    """Return a chart of percentages over the rounds."""
    return Chart(
        title=title,
        kind="lines",
        x_label="round",
        y_label=y_label,
        x=x,
        unit="%",
        series=series,
        reference=reference,
        reference_name=reference_name,
        is_small=is_small,
        note=note,
    )


def figure(name: str) -> ReadScore:
    """Take one of the figures of a score; one that scores single answers has none of orders."""
    return lambda score: score.figures.get(name)


def has_figure(facts: LoopFacts, benchmark: str, name: str) -> bool:
    """Tell whether the judges have a figure on a benchmark, defined or not."""
    return any(
        name in summary.benchmarks[benchmark].figures
        for summary in facts.summaries
        if benchmark in summary.benchmarks
    )


def all_loops(facts: LoopFacts) -> list[tuple[str, Sequence[RoundSummary]]]:
    """Return this loop and those to compare with; alone it needs no name."""
    return [
        (facts.name if facts.peers else "", facts.summaries),
        *((peer.name, peer.summaries) for peer in facts.peers),
    ]


def score_in(summaries: Sequence[RoundSummary], benchmark: str, n: int) -> BenchmarkScore | None:
    """Return what the judge of round ``n`` scored; ``None`` also beyond the last round."""
    return summaries[n].benchmarks.get(benchmark) if n < len(summaries) else None


def score_values(
    summaries: Sequence[RoundSummary], benchmark: str, read: ReadScore, *, length: int | None = None
) -> list[float | None]:
    """Return percentages by round.

    :param length: how many rounds are shown; those that there are where absent.
    """
    scores = [
        score_in(summaries, benchmark, n) for n in range(len(summaries) if length is None else length)
    ]

    return [None if score is None else percent(read(score)) for score in scores]
