"""Which conversations share a batch: sorted by length, bounded by tokens."""

from __future__ import annotations

from collections.abc import Sequence


def plan_batches(lengths: Sequence[int], *, max_tokens: int, pads: bool) -> list[list[int]]:
    """Return batches of places in ``lengths``, the longest first: if memory is short, it shows at once.

    :param max_tokens: bound of a batch, padding included; what is longer is a batch by itself.
    :param pads: whether different lengths may share a batch.
    """
    batches: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: (-lengths[place], place)):
        batch = batches[-1] if batches else []
        longest = lengths[batch[0]] if batch else 0
        if batch and (len(batch) + 1) * longest <= max_tokens and (pads or lengths[place] == longest):
            batch.append(place)
        else:
            batches.append([place])

    return batches
