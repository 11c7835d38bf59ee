"""One part of the page: what it says before anything is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ste_fairseq2.report.chart import Chart, Table
from ste_fairseq2.report.facts import LoopFacts

SEED = "seed"


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
    """Return the names of the rounds, the seed model first."""
    lengths = [len(facts.summaries)]
    if with_peers:
        lengths += [len(peer.summaries) for peer in facts.peers]

    return [SEED, *(str(number) for number in range(1, max(lengths)))]
