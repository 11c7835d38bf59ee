"""Reads planned batches; its whole state is (epoch, step), so that a resumed run goes on exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeAlias, TypeVar

from fairseq2.datasets import DataReader
from typing_extensions import Self, override

from ste_fairseq2.datasets.plan import Step

BatchT = TypeVar("BatchT")

BatchT_co = TypeVar("BatchT_co", covariant=True)

StepsOfEpoch: TypeAlias = Callable[[int], Sequence[Step]]
"""Gives the optimiser steps of an epoch; epochs count from 1."""


class Collate(Protocol[BatchT_co]):
    """Makes a batch of rows of a step.

    A filler keeps a rank without rows in step with the others and must not be counted.
    """

    def __call__(self, step: Step, numbers: Sequence[int], *, is_filler: bool) -> BatchT_co: ...


class PlannedDataReader(DataReader[BatchT], Generic[BatchT]):
    """Loads the batches of one rank, step by step; an epoch ends with ``StopIteration``."""

    def __init__(
        self,
        steps_of_epoch: StepsOfEpoch,
        collate: Collate[BatchT],
        *,
        rank: int,
        num_accumulate: int = 1,
    ) -> None:
        """
        :param rank: the data-parallel rank whose batches these are.
        """
        self._steps_of_epoch = steps_of_epoch
        self._collate = collate
        self._rank = rank
        self._num_accumulate = num_accumulate
        self._epoch = 1
        self._next_step = 0
        self._steps: Sequence[Step] | None = None

    @override
    def __iter__(self) -> Self:
        return self

    @override
    def __next__(self) -> list[BatchT]:
        if self._steps is None:
            self._steps = self._steps_of_epoch(self._epoch)
        if self._next_step >= len(self._steps):
            raise StopIteration
        step = self._steps[self._next_step]
        self._next_step += 1

        return [self._load(step, k) for k in range(len(step.batches[0]))]

    def _load(self, step: Step, k: int) -> BatchT:
        numbers = step.batches[self._rank][k]
        if numbers:
            return self._collate(step, numbers, is_filler=False)

        return self._collate(step, step.batches[0][0], is_filler=True)

    @override
    def reset(self) -> None:
        """Move on to the next epoch."""
        self._epoch += 1
        self._next_step = 0
        self._steps = None

    @override
    def state_dict(self) -> dict[str, object]:
        return {"epoch": self._epoch, "next_step": self._next_step}

    @override
    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        self._epoch = int(str(state_dict["epoch"]))
        self._next_step = int(str(state_dict["next_step"]))
        self._steps = None

    @property
    @override
    def num_accumulate(self) -> int:
        return self._num_accumulate
