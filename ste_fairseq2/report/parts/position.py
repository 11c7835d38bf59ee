"""The part about leanings to a place: the answer shown first, or last."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from ste_fairseq2.report.chart import Chart, Series, percent
from ste_fairseq2.report.facts import LoopFacts, SampleFacts
from ste_fairseq2.report.parts.part import (
    Part,
    figure,
    has_figure,
    rates_by_round,
    round_names,
    score_values,
)

_LEAD: Final = (
    "Every pair is shown in both orders, so a judge without a leaning names the first answer in half "
    "of its decided judgements, and is right as often where the better answer comes first as where it "
    "comes last."
)


def make(facts: LoopFacts) -> Part:
    drawn = [(f.label, f.samples) for f in facts.judging if f.samples is not None]
    charts: list[Chart] = []
    notes: list[str] = []
    if drawn:
        charts += _training_charts(drawn)
        growing = [label for label, samples in drawn if not samples.is_complete]
        if growing:
            notes.append(
                f"Judgements of {', '.join(growing)} are still being drawn; here are those so far."
            )
    else:
        notes.append("No judgements have been drawn for training yet.")
    held_out = make_held_out(facts)

    return dataclasses.replace(
        held_out, charts=[*_known(charts), *held_out.charts], notes=[*notes, *held_out.notes]
    )


def make_held_out(facts: LoopFacts) -> Part:
    """Return the part of a method that draws no judgements of pairs for training."""
    names = [name for name in facts.config.evaluate if has_figure(facts, name, "first_slot")]
    charts = [chart for name in names for chart in _held_out_charts(facts, name)]

    return Part(
        anchor="position",
        title="Position bias",
        lead=_LEAD,
        charts=_known(charts),
        notes=[] if names else ["No judge has been scored on held-out pairs yet."],
    )


def _known(charts: Sequence[Chart]) -> list[Chart]:
    """Return the charts that have a value."""
    return [chart for chart in charts if any(v is not None for s in chart.series for v in s.values)]


def _training_charts(drawn: list[tuple[str, SampleFacts]]) -> list[Chart]:
    x = [label for label, _ in drawn]
    samples = [one for _, one in drawn]

    return [
        rates_by_round(
            "First answer named, in samples for training",
            "decided samples (%)",
            x,
            [Series(name="", values=[percent(one.first_share) for one in samples])],
            reference=50,
            reference_name="no leaning",
        ),
        rates_by_round(
            "Right by the place of the better answer, in samples for training",
            "samples right (%)",
            x,
            [
                Series(
                    name=name,
                    values=[percent(one.right_share(better_first=first)) for one in samples],
                )
                for name, first in (("better answer first", True), ("better answer last", False))
            ],
        ),
    ]


def _held_out_charts(facts: LoopFacts, name: str) -> list[Chart]:
    x = round_names(facts)

    def series(title: str, key: str) -> Series:
        return Series(name=title, values=score_values(facts.summaries, name, figure(key)))

    return [
        rates_by_round(
            f"First answer named, {name}",
            "decided judgements (%)",
            x,
            [series("", "first_slot")],
            reference=50,
            reference_name="no leaning",
        ),
        rates_by_round(
            f"Right by the place of the better answer, {name}",
            "judgements right (%)",
            x,
            [
                series("better answer first", "better_first"),
                series("better answer last", "better_last"),
            ],
        ),
    ]
