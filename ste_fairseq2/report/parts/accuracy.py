"""The part about accuracy on held-out pairs: by round, section and order, beside other loops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ste_fairseq2.report.chart import Chart, Series, percent_interval
from ste_fairseq2.report.facts import LoopFacts
from ste_fairseq2.report.parts.part import (
    Part,
    ReadScore,
    all_loops,
    figure,
    has_figure,
    rates_by_round,
    round_names,
    score_in,
    score_values,
)

_MOST_SECTIONS: Final = 36
"""Sections drawn of a benchmark."""

_LEAD: Final = (
    "Accuracy is the mean of both orders on pairs that no training has seen, with its interval; a "
    "coin has 50 %. A loop works where the curve rises by more than its intervals. Being right in "
    "both orders does not reward a leaning to a place; agreement says how often both orders name the "
    "same answer, right or wrong."
)

_OF_SCORES: Final = (
    "The answers were scored one by one, so there are no orders: right is a better answer with the "
    "higher score. Equal scores are not right, so this is not to be compared with a coin."
)


def make(facts: LoopFacts) -> Part:
    names = list(facts.config.evaluate)
    charts: list[Chart] = []
    notes: list[str] = []
    for name in names:
        if not any(name in summary.benchmarks for summary in facts.summaries):
            notes.append(f"No judge has been scored on {name} yet.")
            continue
        charts += _benchmark_charts(facts, name)
        sections, left_out = _section_charts(facts, name)
        charts += sections
        if left_out:
            notes.append(
                f"{left_out} more sections of {name} are not drawn; they are in its folders' card.md."
            )
    if not names:
        notes.append("The configuration names no benchmark under `evaluate`, so nothing was scored.")
    if facts.peers and charts:
        known = {name for peer in facts.peers for s in peer.summaries for name in s.benchmarks}
        if not known & set(names):
            notes.append("The loops to compare with have scores on none of these benchmarks.")

    return Part(anchor="accuracy", title="Accuracy", lead=_LEAD, charts=charts, notes=notes)


def _benchmark_charts(facts: LoopFacts, name: str) -> Iterator[Chart]:
    x = round_names(facts, with_peers=True)
    is_of_pairs = has_figure(facts, name, "both_right")
    yield rates_by_round(
        f"Accuracy on {name}",
        "accuracy (%)",
        x,
        _loops(facts, name, len(x), figure("accuracy"), with_intervals=True),
        reference=50 if is_of_pairs else None,
        reference_name="a coin" if is_of_pairs else "",
        note="" if is_of_pairs else _OF_SCORES,
    )
    for key, title, y_label in (
        ("both_right", "Right in both orders", "pairs right in both orders (%)"),
        ("agreement", "Agreement of both orders", "pairs with the same answer (%)"),
    ):
        if is_of_pairs:
            series = _loops(facts, name, len(x), figure(key))
            yield rates_by_round(f"{title}, {name}", y_label, x, series)
    yield rates_by_round(
        f"Judgements without a {'verdict' if is_of_pairs else 'score'}, {name}",
        "judgements (%)",
        round_names(facts),
        [
            Series(name=key, values=score_values(facts.summaries, name, figure(key)))
            for key in ("unparseable", "truncated")
        ],
    )


def _section_charts(facts: LoopFacts, name: str) -> tuple[list[Chart], int]:
    x = round_names(facts, with_peers=True)
    sections = dict.fromkeys(
        section
        for summary in facts.summaries
        if name in summary.benchmarks
        for section in summary.benchmarks[name].sections
    )
    charts = [
        rates_by_round(
            f"{section} ({name})",
            "accuracy (%)",
            x,
            _loops(facts, name, len(x), _section(section)),
            reference=50,
            is_small=True,
        )
        for section in list(sections)[:_MOST_SECTIONS]
    ]

    return charts, max(len(sections) - _MOST_SECTIONS, 0)


def _loops(
    facts: LoopFacts,
    benchmark: str,
    length: int,
    read: ReadScore,
    *,
    with_intervals: bool = False,
) -> list[Series]:
    """Return a series of this loop and one of each that is compared."""
    found = []
    for index, (name, summaries) in enumerate(all_loops(facts)):
        values = score_values(summaries, benchmark, read, length=length)
        if index and all(value is None for value in values):
            continue
        intervals = [
            None if (score := score_in(summaries, benchmark, n)) is None else score.interval
            for n in range(length)
        ]
        found.append(
            Series(
                name=name,
                values=values,
                intervals=[percent_interval(i) for i in intervals] if with_intervals else (),
                colour=index,
            )
        )

    return found


def _section(name: str) -> ReadScore:
    return lambda score: score.sections.get(name)
