"""Reads how far a judge's scores agree with human ranks, from what its evaluations have written."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ste_fairseq2.evaluation.bootstrap import Interval
from ste_fairseq2.evaluation.result import SCORES_NAME
from ste_fairseq2.loop.plan import Plan
from ste_fairseq2.report.facts import RankingFacts


def read_rankings(plan: Plan) -> dict[str, list[RankingFacts | None]]:
    """Return the agreement by benchmark and round, of the benchmarks that have any."""
    names = dict.fromkeys(name for round_ in plan.rounds for name in round_.evaluations)
    found = {
        name: [
            _read(round_.evaluations[name]) if name in round_.evaluations else None
            for round_ in plan.rounds
        ]
        for name in names
    }

    return {name: rankings for name, rankings in found.items() if any(rankings)}


def _read(evaluation: Path) -> RankingFacts | None:
    path = evaluation / SCORES_NAME
    if not path.is_file():
        return None
    row: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8")).get("ranking") or {}
    # Beside the figures stand counts and intervals.
    figures = {name: value for name, value in row.items() if value is None or _is_number(value)}
    if not figures:
        return None
    intervals = row.get("intervals") or {}

    return RankingFacts(
        figures=figures, intervals={name: _interval(intervals.get(name)) for name in figures}
    )


def _interval(ends: object) -> Interval | None:
    if not isinstance(ends, Sequence) or len(ends) != 2 or not all(map(_is_number, ends)):
        return None

    return float(ends[0]), float(ends[1])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
