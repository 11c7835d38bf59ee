"""Draws charts with matplotlib, as SVG for the page. The same chart is always drawn the same."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ste_fairseq2.report.chart import Chart, Series
from ste_fairseq2.report.svg import INK, PAPER, RULE, SERIES, clean

MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: Final = ("-", "--", "-.", ":")

_SIZE: Final = (5.3, 3.1)
_SMALL_SIZE: Final = (4.0, 2.5)
_MOST_NAMES: Final = 10
"""So many names stand side by side on the x axis; more are slanted."""
_MOST_MARKED: Final = 40

_SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ste-report",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "hatch.linewidth": 0.7,
}


def draw(chart: Chart, prefix: str) -> str:
    """Return the chart as an ``svg`` element.

    :param prefix: its ids begin with this; no other chart of the page may have it.
    """
    with rc_context(_SETTINGS):
        figure = Figure(figsize=_SMALL_SIZE if chart.is_small else _SIZE, layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        places = _place(axes, chart)
        match chart.kind:
            case "bars":
                _draw_bars(axes, places, chart.series)
            case "stack":
                _draw_stack(axes, places, chart.series)
            case _:
                _draw_lines(axes, places, chart)
        if chart.reference is not None:
            axes.axhline(chart.reference, color=INK, linestyle=(0, (2, 3)), linewidth=1, alpha=0.6)
        _finish(axes, chart)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None}, transparent=True)

    return clean(stream.getvalue(), prefix, chart.alternative())


def marker_of(index: int) -> str:
    return MARKERS[index % len(MARKERS)]


def _place(axes: Axes, chart: Chart) -> list[float]:
    """Return where each x is drawn, and name the names."""
    numbers = [x for x in chart.x if not isinstance(x, str)]
    if len(numbers) == len(chart.x):
        if all(number == int(number) for number in numbers):
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        return numbers
    names = [str(x) for x in chart.x]
    slant = len(names) > _MOST_NAMES or max(map(len, names)) > 60 / len(names)
    axes.set_xticks(
        range(len(names)), names, rotation=35 if slant else 0, ha="right" if slant else "center"
    )
    axes.set_xlim(-0.6, len(names) - 0.4)

    return [float(n) for n in range(len(names))]


def _draw_lines(axes: Axes, places: Sequence[float], chart: Chart) -> None:
    spread = 0.04 if chart.x and isinstance(chart.x[0], str) else 0.0
    for index, series in enumerate(chart.series):
        colour = _colour(series, index)
        # Series with the same values must not hide each other.
        shift = spread * (index - (len(chart.series) - 1) / 2)
        known = [n for n, value in enumerate(series.values) if value is not None]
        x = [places[n] + shift for n in known]
        y = [series.values[n] or 0.0 for n in known]
        for place, value, n in zip(x, y, known, strict=True):
            if (interval := series.interval(n)) is not None:
                low, high = min(interval[0], value), max(interval[1], value)
                axes.errorbar(
                    [place], [value], [[value - low], [high - value]], color=colour, capsize=3.5, lw=1.2
                )
        axes.plot(
            x,
            y,
            color=colour,
            linestyle=DASHES[index // len(MARKERS) % len(DASHES)],
            marker=marker_of(index) if len(x) <= _MOST_MARKED and chart.kind != "steps" else "",
            markersize=5,
            drawstyle="steps-pre" if chart.kind == "steps" else "default",
            clip_on=False,
        )


def _draw_bars(axes: Axes, places: Sequence[float], series: Sequence[Series]) -> None:
    gap = min((b - a for a, b in itertools.pairwise(places)), default=1.0)
    width = 0.8 * gap / max(len(series), 1)
    for index, one in enumerate(series):
        offset = (index - (len(series) - 1) / 2) * width
        axes.bar(
            [place + offset for place in places],
            [value or 0.0 for value in one.values],
            width=0.92 * width,
            color=_colour(one, index),
        )


def _draw_stack(axes: Axes, places: Sequence[float], series: Sequence[Series]) -> None:
    bottom = [0.0] * len(places)
    for index, one in enumerate(series):
        values = [value or 0.0 for value in one.values]
        axes.bar(
            places, values, bottom=bottom, width=0.62, color=_colour(one, index), edgecolor=PAPER, lw=0.8
        )
        bottom = [low + value for low, value in zip(bottom, values, strict=True)]


def _finish(axes: Axes, chart: Chart) -> None:
    if chart.unit == "%":
        axes.set_ylim(0, 100)
        axes.set_yticks([0, 25, 50, 75, 100])
    else:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
        if chart.kind != "lines":
            axes.set_ylim(bottom=0)
    if chart.unit in ("count", "seconds"):
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=3)


def _colour(series: Series, index: int) -> str:
    return SERIES[(index if series.colour is None else series.colour) % len(SERIES)]


def _short(value: float) -> str:
    """
    >>> _short(1500), _short(2_000_000), _short(0.5)
    ('1.5k', '2M', '0.5')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"

    return f"{value:g}"
