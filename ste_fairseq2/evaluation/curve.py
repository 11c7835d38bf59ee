"""Draws figures over the steps of a run or the rounds of a loop, with their intervals, as a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ste_fairseq2.evaluation.bootstrap import Interval

_COLOURS: Final = ("#1f5fa8", "#c4661f")
"""Blue and orange, which can be told apart by those who cannot tell red from green."""

_MOST_TICKS: Final = 12


@dataclass(frozen=True)
class Curve:
    """One figure: a fraction for each step (or round), or ``None`` where it is not defined."""

    name: str
    values: Sequence[float | None]
    intervals: Sequence[Interval | None]


def draw_curves(
    path: Path,
    steps: Sequence[int],
    curves: tuple[Curve, Curve],
    *,
    title: str,
    x_label: str = "training step",
    chosen: int | None = None,
) -> None:
    """Draw two curves in percent.

    :param steps: in their order; at least one.
    :param chosen: a step to point out, chosen by the first curve.
    """
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.add_subplot()
    # Bars of the same step must not lie upon each other.
    shift = 0.004 * (steps[-1] - steps[0])
    for curve, colour, offset in zip(curves, _COLOURS, (-shift, shift), strict=True):
        _draw_curve(axes, steps, curve, colour, offset)
    axes.axhline(50, color="grey", linestyle="--", linewidth=1, label="accuracy of a coin")
    if chosen is not None:
        value = curves[0].values[steps.index(chosen)]
        best = "" if value is None else f", {100 * value:.1f} %"
        axes.axvline(chosen, color=_COLOURS[0], linestyle=":", label=f"best: step {chosen}{best}")

    axes.set_title(title)
    axes.set_xlabel(x_label)
    axes.set_ylabel("percent, with intervals")
    if len(steps) <= _MOST_TICKS:
        axes.set_xticks(steps)
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    # Below the curves, which may run anywhere else.
    figure.legend(loc="outside lower center", ncols=4, frameon=False)

    temporary = path.with_name(f".{path.name}.tmp")
    figure.savefig(temporary, format="png", dpi=150)
    temporary.replace(path)


def _draw_curve(axes: Axes, steps: Sequence[int], curve: Curve, colour: str, offset: float) -> None:
    points = [
        (step + offset, value, interval or (value, value))
        for step, value, interval in zip(steps, curve.values, curve.intervals, strict=True)
        if value is not None
    ]
    axes.errorbar(
        [place for place, _, _ in points],
        [100 * value for _, value, _ in points],
        # A percentile interval need not hold the value itself, but a bar cannot have a negative length.
        yerr=[
            [100 * max(value - low, 0.0) for _, value, (low, _) in points],
            [100 * max(high - value, 0.0) for _, value, (_, high) in points],
        ],
        color=colour,
        marker="o",
        capsize=3,
        elinewidth=1,
        label=curve.name,
    )
