"""Counts as a command line prints them."""

from __future__ import annotations

from collections.abc import Mapping


def list_counts(counts: Mapping[str, int]) -> str:
    """Return names and counts in a line, in their order."""
    return ", ".join(f"{name} {count}" for name, count in counts.items())
