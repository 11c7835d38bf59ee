"""The seeded choice among the instructions that qualify, where more do than are wanted.

An instruction's place is a hash of the seed and its id and of nothing else, so neither the order of
files nor which others qualify changes who stands before whom. Whoever wants fewer takes the first of
them: a random sample as well.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Final

from ste_fairseq2.rng import derived_seed

_STAGE: Final = "select"


def choose(ids: Iterable[str], count: int | None, seed: int) -> list[str]:
    """Return ``count`` of the ids, or all where it is ``None`` or there are no more, by their place."""
    places = ((derived_seed(seed, _STAGE, name), name) for name in ids)
    chosen = sorted(places) if count is None else heapq.nsmallest(count, places)

    return [name for _, name in chosen]


def describe_choice(num_chosen: int, num_qualifying: int, seed: int) -> str:
    """Say how the instructions were chosen, for the manifest."""
    if num_chosen == num_qualifying:
        return f"all {num_qualifying} qualifying"

    return f"{num_chosen} of {num_qualifying} qualifying, by seed {seed}"
