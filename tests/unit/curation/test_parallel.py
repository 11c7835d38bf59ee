"""Workers give results in order, begin at once, read ahead a little, and do not die quietly."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from ste_fairseq2.curation.parallel import Workers
from ste_fairseq2.errors import SteError


def double(number: int) -> int:
    return 2 * number


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_results_come_in_order_and_few_tasks_are_ahead() -> None:
    taken = []

    def tasks() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    with Workers(2) as workers:
        results = workers.map(double, tasks())
        assert taken == [0, 1, 2, 3]
        assert [next(results) for _ in range(3)] == [0, 2, 4]
        assert len(taken) <= 8
        assert list(results) == list(range(6, 100, 2))


def test_no_tasks_have_no_results() -> None:
    with Workers(1) as workers:
        assert list(workers.map(double, [])) == []


def test_a_killed_worker_is_an_error() -> None:
    with Workers(1) as workers, pytest.raises(SteError, match="a worker process was killed"):
        list(workers.map(die, range(5)))
