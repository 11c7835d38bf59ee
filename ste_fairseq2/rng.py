"""Random generators derived from (seed, stage, record id), so that order and workers do not matter."""

from __future__ import annotations

import hashlib
import random


def derived_seed(seed: int, stage: str, record_id: str) -> int:
    """Return a 63-bit seed that depends on nothing but the three arguments."""
    key = f"{seed}\x00{stage}\x00{record_id}".encode()

    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") >> 1


def derived_generator(seed: int, stage: str, record_id: str) -> random.Random:
    """Return a generator for one record of one stage; see :func:`derived_seed`."""
    return random.Random(derived_seed(seed, stage, record_id))


def draw_key(seed: int, stage: str, record_id: str) -> tuple[float, str]:
    """Return what to sort records by for an order of chance, which does not depend on the others."""
    return derived_generator(seed, stage, record_id).random(), record_id
