"""What a chart says, without a picture: its series, its table of numbers and its text alternative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ste_fairseq2.evaluation.bootstrap import Interval
from ste_fairseq2.evaluation.markdown import NONE as NONE

Unit: TypeAlias = Literal["%", "count", "seconds", "number"]

_SPOKEN_VALUES: Final = 12
"""So many values of a series are read out; of longer ones the first and the last."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line, or one colour of bars."""

    name: str
    values: Sequence[float | None]
    """One for each x; ``None`` where there is none."""
    intervals: Sequence[Interval | None] = ()
    colour: int | None = None
    """From 0; its place among the series where ``None``."""

    def interval(self, index: int) -> Interval | None:
        return self.intervals[index] if self.intervals else None


@dataclass(frozen=True, kw_only=True)
class Table:
    """Numbers as text."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    num_names: int = 1
    """The first so many columns are names, the others numbers."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart; percentages are between 0 and 100."""

    title: str
    kind: Literal["lines", "steps", "bars", "stack"]
    x_label: str
    y_label: str
    x: Sequence[str] | Sequence[float]
    """Names, or numbers that are drawn to scale."""
    series: Sequence[Series]
    unit: Unit
    reference: float | None = None
    """A value to draw a dashed line at."""
    reference_name: str = ""
    is_small: bool = False
    """One of many alike."""
    note: str = ""

    def table(self) -> Table:
        """Return the numbers that are drawn."""
        return Table(
            title=self.title,
            header=[self.x_label, *(series.name or self.y_label for series in self.series)],
            rows=[
                [
                    _x_text(x),
                    *(
                        value_text(series.values[n], self.unit, series.interval(n))
                        for series in self.series
                    ),
                ]
                for n, x in enumerate(self.x)
            ],
        )

    def alternative(self) -> str:
        """Return in words what the picture shows."""
        parts = [f"{self.title}. {self.y_label} by {self.x_label}."]
        for series in self.series:
            pairs = list(zip(self.x, series.values, strict=True))
            if len(pairs) > _SPOKEN_VALUES:
                pairs = [pairs[0], pairs[-1]]
            values = ", ".join(f"{_x_text(x)}: {value_text(value, self.unit)}" for x, value in pairs)
            parts.append(f"{series.name}: {values}." if series.name else f"{values}.")

        return " ".join(parts)


def value_text(value: float | None, unit: Unit, interval: Interval | None = None) -> str:
    """
    >>> value_text(33.333, "%", (16.66, 50))
    '33.3 (16.7 to 50.0)'
    >>> value_text(12345, "count"), value_text(0.00034, "number")
    ('12,345', '0.00034')
    """
    if value is None:
        return NONE
    match unit:
        case "count":
            return f"{value:,.0f}"
        case "number":
            text = f"{value:.4g}"
            return text if interval is None else f"{text} ({interval[0]:.4g} to {interval[1]:.4g})"
        case _:
            text = f"{value:,.1f}"

    return text if interval is None else f"{text} ({interval[0]:.1f} to {interval[1]:.1f})"


def percent(value: float | None) -> float | None:
    """Return a fraction as a percentage."""
    return None if value is None else 100 * value


def share(part: float, whole: float) -> float | None:
    """Return a part as a percentage of the whole, ``None`` where there is no whole."""
    return 100 * part / whole if whole else None


def percent_interval(interval: Interval | None) -> Interval | None:
    return None if interval is None else (100 * interval[0], 100 * interval[1])


def _x_text(x: object) -> str:
    """Return a name or a number."""
    return f"{x:.6g}" if isinstance(x, float) else str(x)
