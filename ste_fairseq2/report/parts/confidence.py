"""The part about how sure the judges are: the share of right samples on each pair and order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

from ste_fairseq2.report.chart import Chart, Series, share
from ste_fairseq2.report.facts import LoopFacts, Votes
from ste_fairseq2.report.parts.part import Part

_LEAD: Final = (
    "Of the samples of one pair in one order, which share is right? Weight in the middle is a judge "
    "that guesses; weight at both ends, one that knows or is wrong for certain. The chart of "
    "thresholds tells how many pairs `min_agreement` would keep: those whose samples are right at "
    "least so often in both orders."
)

_MOST_SAMPLES: Final = 20
"""With so many samples each count has a bar; with more, or unequal numbers, tenths have."""

_BINS: Final = 10

_MOST_THRESHOLDS: Final = 60


def make(facts: LoopFacts) -> Part:
    voted = [(f, f.samples.votes) for f in facts.judging if f.samples is not None]
    notes: list[str] = []
    charts = [_histogram(f.label, votes) for f, votes in voted]
    if not voted:
        notes.append("No judgements have been drawn for training yet.")
    elif all(one.total == 1 for _, votes in voted for one in votes):
        notes.append("One sample was drawn for each pair and order, so there is no vote to look at.")
    agreements = [(f, pair_agreements(votes)) for f, votes in voted]
    thresholds = list_thresholds([vote for _, votes in voted for vote in votes])
    if any(found for _, found in agreements):
        charts.append(
            Chart(
                title="Pairs that a threshold would keep",
                kind="steps",
                x_label="least share of right samples in both orders",
                y_label="pairs",
                x=thresholds,
                unit="count",
                series=[
                    Series(name=f.label, values=[num_kept(found, least) for least in thresholds])
                    for f, found in agreements
                ],
            )
        )
    notes += [
        f"The training set of {f.label} was made with `min_agreement` {f.curation.min_agreement:g}."
        for f, _ in voted
        if f.curation is not None and f.curation.min_agreement
    ]

    return Part(anchor="confidence", title="Vote confidence", lead=_LEAD, charts=charts, notes=notes)


def pair_agreements(votes: Sequence[Votes]) -> list[float]:
    """Return, for each pair that was judged in both orders, the lower share of right samples."""
    shares: dict[str, dict[bool, float]] = {}
    for vote in votes:
        if vote.is_pair:
            shares.setdefault(vote.prompt, {})[vote.better_first] = vote.share

    return [min(orders.values()) for orders in shares.values() if len(orders) == 2]


def list_thresholds(votes: Sequence[Votes]) -> list[float]:
    """Return every share that so many samples can have, for between them nothing changes; of too many
    shares, twentieths instead."""
    totals = {vote.total for vote in votes}
    exact = sorted({n / total for total in totals for n in range(total + 1)})

    return exact if len(exact) <= _MOST_THRESHOLDS else [n / 20 for n in range(21)]


def num_kept(agreements: Sequence[float], least: float) -> int:
    """Return how many pairs `min_agreement` keeps."""
    return sum(agreement >= least for agreement in agreements)


def _histogram(label: str, votes: Sequence[Votes]) -> Chart:
    totals = {vote.total for vote in votes}
    if len(totals) == 1 and (total := next(iter(totals))) <= _MOST_SAMPLES:
        names = [f"{right}/{total}" if total <= 8 else str(right) for right in range(total + 1)]
        counts = [sum(vote.right == right for vote in votes) for right in range(total + 1)]
        x_label = "right samples" if total <= 8 else f"right samples of {total}"
    else:
        edges = [n / _BINS for n in range(_BINS + 1)]
        names = [f"{100 * low:g} to {100 * high:g}" for low, high in itertools.pairwise(edges)]
        places = [min(vote.right * _BINS // vote.total, _BINS - 1) for vote in votes]
        counts = [places.count(n) for n in range(_BINS)]
        x_label = "right samples (%)"

    return Chart(
        title=f"Right samples, {label}",
        kind="bars",
        x_label=x_label,
        y_label="pairs and orders (%)",
        x=names,
        unit="%",
        is_small=True,
        series=[Series(name="", values=[share(count, len(votes)) for count in counts])],
    )
