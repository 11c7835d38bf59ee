"""The part about the trainings: their metrics by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ste_fairseq2.report.chart import Chart, Series, Unit
from ste_fairseq2.report.facts import CurveFacts, LoopFacts
from ste_fairseq2.report.parts.part import Part
from ste_fairseq2.report.training import METRICS

_LEAD: Final = (
    "What fairseq2 measured while it trained. A loss that does not fall, a reward margin that does "
    "not leave zero, or a gradient norm that jumps means that the round's data or learning rate is "
    "wrong."
)

_UNITS: Final = {"DPO Loss": " (nats)", "NLL Loss": " (nats)", "Reward Accuracy": " (%)"}

_MOST_POINTS: Final = 200
"""Of one curve; of longer ones every so many-th step is shown."""


def make(facts: LoopFacts) -> Part:
    charts: list[Chart] = []
    notes: list[str] = []
    for phase in facts.config.phases:
        curves = [curve for curve in facts.curves if curve.phase == phase]
        if not curves:
            notes.append(f"No training by {phase.upper()} has written metrics yet.")
            continue
        charts += [
            _chart(phase.upper(), metric, curves)
            for metric in METRICS
            if any(metric in curve.metrics for curve in curves)
        ]
    if not facts.config.phases:
        notes = ["The loop has no round of training."]
    longest = max((len(p) for c in facts.curves for p in c.metrics.values()), default=0)
    if longest > _MOST_POINTS:
        notes.append(
            f"Curves are thinned to at most {_MOST_POINTS} steps; all are in run/metrics/train.jsonl."
        )

    return Part(anchor="training", title="Training", lead=_LEAD, charts=charts, notes=notes)


def _chart(phase: str, metric: str, curves: Sequence[CurveFacts]) -> Chart:
    points = {curve.round: dict(curve.metrics.get(metric, ())) for curve in curves}
    steps = thin(sorted({step for found in points.values() for step in found}), _MOST_POINTS)
    is_share = metric == "Reward Accuracy"
    unit: Unit = "%" if is_share else "number"

    return Chart(
        title=f"{phase}: {METRICS[metric]}",
        kind="lines",
        x_label="step",
        y_label=f"{METRICS[metric]}{_UNITS.get(metric, '')}",
        x=steps,
        unit=unit,
        reference=50 if is_share else None,
        series=[
            Series(
                name=curve.label,
                values=[
                    None
                    if (value := points[curve.round].get(step)) is None
                    else 100 * value
                    if is_share
                    else value
                    for step in steps
                ],
                colour=curve.round - 1,
            )
            for curve in curves
        ],
    )


def thin(steps: Sequence[int], limit: int) -> list[int]:
    """Return every so many-th step, and the last, so that there are at most ``limit``.

    >>> thin([1, 2, 3, 4, 5, 6, 7], 4)
    [1, 4, 7]
    """
    if len(steps) <= limit:
        return list(steps)
    stride = -(-len(steps) // (limit - 1))
    kept = list(steps[::stride])

    return kept if kept[-1] == steps[-1] else [*kept, steps[-1]]
