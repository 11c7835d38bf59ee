from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from ste_fairseq2.engines.concurrency import as_finished, close_loop


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    assert not asyncio.all_tasks(loop)
    close_loop(loop)


class _Calls:
    """Calls that finish when others have begun, so that their order does not depend on time."""

    def __init__(self, finishes_after: dict[int, int]) -> None:
        self._finishes_after = finishes_after
        self._has_begun = {number: asyncio.Event() for number in range(10)}
        self.running = self.most_running = self.cancelled = 0
        self.finished: list[int] = []

    async def __call__(self, number: int) -> int:
        self._has_begun[number].set()
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self._has_begun[self._finishes_after.get(number, number)].wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        self.finished.append(number)

        return number


def test_results_come_in_the_order_of_finishing(loop: asyncio.AbstractEventLoop) -> None:
    calls = _Calls({0: 5, 1: 3})

    results = list(as_finished(loop, calls, range(6), 3))

    # 3 begins when 2 has made room, and lets 1 finish; 5, the last, lets 0 finish.
    assert results == [2, 3, 1, 4, 5, 0] == calls.finished
    assert calls.most_running == 3


def test_items_are_drawn_as_calls_finish(loop: asyncio.AbstractEventLoop) -> None:
    drawn = []

    def endless() -> Iterator[int]:
        for number in itertools.count():
            drawn.append(number)
            yield number % 10

    results = as_finished(loop, _Calls({}), endless(), 3)
    assert list(itertools.islice(results, 3)) == [0, 1, 2]
    results.close()

    assert len(drawn) == 3


def test_closing_cancels_what_is_under_way(loop: asyncio.AbstractEventLoop) -> None:
    calls = _Calls({1: 9, 2: 9})
    results = as_finished(loop, calls, range(3), 3)

    assert next(results) == 0
    results.close()

    assert (calls.cancelled, calls.running) == (2, 0)


def test_an_error_comes_after_the_results_beside_it(loop: asyncio.AbstractEventLoop) -> None:
    calls = _Calls({3: 9})

    async def call(number: int) -> int:
        if number < 2:
            raise ValueError(f"{number} failed")
        return await calls(number)

    results = as_finished(loop, call, range(4), 4)

    assert next(results) == 2
    with pytest.raises(ValueError, match="0 failed"):
        next(results)
    assert (calls.cancelled, calls.running) == (1, 0)


def test_an_error_of_the_items_cancels_the_calls(loop: asyncio.AbstractEventLoop) -> None:
    calls = _Calls({0: 9})

    def broken() -> Iterator[int]:
        yield from (0, 1)
        raise ValueError("no more")

    results = as_finished(loop, calls, broken(), 2)

    assert next(results) == 1
    with pytest.raises(ValueError, match="no more"):
        next(results)
    assert calls.cancelled == 1


def test_a_loop_is_closed_with_what_is_left_in_it() -> None:
    loop = asyncio.new_event_loop()
    was_cancelled = []

    async def wait_for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            was_cancelled.append(True)

    task = loop.create_task(wait_for_ever())
    loop.run_until_complete(asyncio.sleep(0))

    close_loop(loop)
    close_loop(loop)

    assert loop.is_closed()
    assert task.cancelled()
    assert was_cancelled == [True]
