"""The instructions of the small world: one of four kinds over a few digits, with answers code can check.

`max of 3 8 2 5` has the answer `8`. Lists of digits are dealt once and for all to a training part and a
held-out part, so that no list is in both, of whatever kind its instructions are.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.jsonl import write_rows
from ste_fairseq2.records import Instruction
from ste_fairseq2.rng import derived_generator, derived_seed

Kind: TypeAlias = Literal["first", "last", "max", "min"]

KINDS: Final[tuple[Kind, ...]] = ("first", "last", "max", "min")

_TRUTH: Final[dict[Kind, Callable[[Sequence[int]], int]]] = {
    "first": lambda digits: digits[0],
    "last": lambda digits: digits[-1],
    "max": max,
    "min": min,
}
_LENGTHS: Final = (3, 4, 5)
_HELD_OUT_SHARE: Final = 8
"""One list of digits in so many is held out."""

_MAX_INSTRUCTIONS: Final = 50_000
"""There are some 126,000 for training; to draw most of them would take long."""


@dataclass(frozen=True)
class Task:
    """An instruction as what it means: a kind and different digits, of which one is the answer."""

    kind: Kind
    digits: tuple[int, ...]

    @property
    def text(self) -> str:
        """The instruction as a user writes it."""
        return " ".join([self.kind, "of", *map(str, self.digits)])

    @property
    def answer(self) -> str:
        """The true answer."""
        return str(_TRUTH[self.kind](self.digits))

    @property
    def wrong_answers(self) -> tuple[str, ...]:
        """The other digits, in their order."""
        return tuple(str(digit) for digit in self.digits if str(digit) != self.answer)

    @property
    def is_held_out(self) -> bool:
        """Whether only evaluation may show it."""
        digits = " ".join(map(str, self.digits))

        return derived_seed(0, "small-world-split", digits) % _HELD_OUT_SHARE == 0


def draw_task(generator: random.Random, *, held_out: bool, kind: Kind | None = None) -> Task:
    """Draw an instruction of one of the two parts.

    :param kind: one of :data:`KINDS`, drawn as well where absent.
    """
    chosen: Kind = kind if kind is not None else generator.choice(KINDS)
    while True:
        task = Task(chosen, tuple(generator.sample(range(10), generator.choice(_LENGTHS))))
        if task.is_held_out == held_out:
            return task


def draw_distinct(stage: str, count: int, seed: int, *, held_out: bool) -> Iterator[Task]:
    """Draw different instructions, equally many of each kind as far as ``count`` allows.

    A larger count continues a smaller one.
    """
    seen: set[Task] = set()
    for index in range(count):
        generator = derived_generator(seed, stage, str(index))
        while True:
            task = draw_task(generator, held_out=held_out, kind=KINDS[index % len(KINDS)])
            if task not in seen:
                break
        seen.add(task)
        yield task


def draw_training_instructions(count: int, seed: int) -> Iterator[Instruction]:
    """Draw different instructions to train on, equally many of each kind; ``category`` is the kind.

    :raises ConfigError: ``count`` is below 1 or more than the world offers.
    """
    if not 1 <= count <= _MAX_INSTRUCTIONS:
        raise ConfigError("count", f"must be from 1 to {_MAX_INSTRUCTIONS}, but is {count}.")
    tasks = draw_distinct("small-world-instructions", count, seed, held_out=False)

    return (
        Instruction(f"small-world-{index:05d}", task.text, {"category": task.kind})
        for index, task in enumerate(tasks)
    )


def write_training_instructions(path: Path, count: int, seed: int) -> int:
    """Write what :func:`draw_training_instructions` draws as JSONL; return how many there are."""
    return write_rows(path, (item.to_row() for item in draw_training_instructions(count, seed)))
