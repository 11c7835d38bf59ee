"""Reads what stages have dropped, by reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ste_fairseq2.loop.plan import Plan
from ste_fairseq2.report.facts import DropFacts
from ste_fairseq2.store.manifest import read_manifest


def read_drops(plan: Plan, kinds: Sequence[str]) -> Iterator[DropFacts]:
    """Yield the stages of some kinds that have ended."""
    for step in plan.steps:
        if step.kind in kinds and (manifest := read_manifest(step.output)) is not None:
            yield DropFacts(step=step.name, counts=manifest.counts)
