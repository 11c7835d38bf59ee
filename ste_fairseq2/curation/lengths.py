"""Lengths of the texts of a training set, so that a set which teaches length is seen before training."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

_EDGES: Final = {
    "words": (50, 100, 200, 400, 800, 1600, 3200),
    "characters": (250, 500, 1000, 2000, 4000, 8000, 16000),
}


class LengthTally:
    """Counts texts by their length in words and characters; exact, and small however many texts."""

    def __init__(self, texts: Sequence[str] = ()) -> None:
        self._counts: dict[str, Counter[int]] = {
            "words": Counter(len(text.split()) for text in texts),
            "characters": Counter(map(len, texts)),
        }

    def merge(self, other: LengthTally) -> None:
        for unit, counts in other._counts.items():
            self._counts[unit].update(counts)

    def report(self) -> dict[str, Any]:
        """Return mean, median and histogram of each unit."""
        return {
            unit: {
                "mean": round(sum(n * c for n, c in counts.items()) / max(counts.total(), 1), 1),
                "median": _median(counts),
                "histogram": _histogram(counts, _EDGES[unit]),
            }
            for unit, counts in self._counts.items()
        }


def describe_lengths(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a table of the reports of several sides."""
    width = max(len(side) for side in reports)
    lines = []
    for unit in _EDGES:
        lines.append(f"{unit}:")
        for side, report in reports.items():
            numbers = report[unit]
            histogram = "  ".join(f"{bin_}: {n}" for bin_, n in numbers["histogram"].items() if n)
            lines.append(
                f"  {side:<{width}}  mean {numbers['mean']:g}, median {numbers['median']:g}; {histogram}"
            )

    return "\n".join(lines)


def _median(counts: Counter[int]) -> float:
    total = counts.total()
    if not total:
        return 0.0
    values = sorted(counts)
    reached = list(itertools.accumulate(counts[value] for value in values))
    low = next(v for v, r in zip(values, reached, strict=True) if r > (total - 1) // 2)
    high = next(v for v, r in zip(values, reached, strict=True) if r > total // 2)

    return (low + high) / 2


def _histogram(counts: Counter[int], edges: tuple[int, ...]) -> dict[str, int]:
    names = [f"<{edges[0]}", *(f"{a}-{b - 1}" for a, b in itertools.pairwise(edges)), f">={edges[-1]}"]
    histogram = dict.fromkeys(names, 0)
    for value, count in counts.items():
        histogram[names[sum(value >= edge for edge in edges)]] += count

    return histogram
