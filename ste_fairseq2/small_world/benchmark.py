"""Held-out pairs of the small world, as `ste evaluate --benchmark pairs --data FILE` reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.jsonl import write_rows
from ste_fairseq2.rng import derived_generator
from ste_fairseq2.small_world.instructions import draw_distinct

_STAGE: Final = "small-world-held-out"
_MAX_PAIRS: Final = 5_000


def held_out_pairs(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Draw pairs of the true answer and a wrong one, equally many of each kind; ``subset`` is the kind.

    The wrong answer is another digit of the same instruction. No instruction occurs twice, and none has
    digits that training instructions have.

    :raises ConfigError: ``count`` is below 1 or more than the world offers.
    """
    if not 1 <= count <= _MAX_PAIRS:
        raise ConfigError("count", f"must be from 1 to {_MAX_PAIRS}, but is {count}.")

    return (
        {
            "id": f"held-out-{index:04d}",
            "prompt": task.text,
            "chosen": task.answer,
            "rejected": derived_generator(seed, f"{_STAGE}-wrong", str(index)).choice(
                task.wrong_answers
            ),
            "subset": task.kind,
        }
        for index, task in enumerate(draw_distinct(_STAGE, count, seed, held_out=True))
    )


def write_held_out_pairs(path: Path, count: int, seed: int) -> int:
    """Write what :func:`held_out_pairs` draws as JSONL; return how many there are."""
    return write_rows(path, held_out_pairs(count, seed))
