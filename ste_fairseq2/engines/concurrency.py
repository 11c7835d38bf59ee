"""Runs asynchronous calls for a caller that is not: many at a time, results as they finish."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable
from typing import Any, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def as_finished(
    loop: asyncio.AbstractEventLoop,
    call: Callable[[ItemT], Coroutine[Any, Any, ResultT]],
    items: Iterable[ItemT],
    limit: int,
) -> Generator[ResultT, None, None]:
    """Yield what ``call`` returns for each item, in the order in which the calls finish.

    The loop only runs while the next result is waited for, in the caller's thread. An error of a call
    is raised after the results that were there with it. However the iteration ends, no call is left
    running in the loop.

    :param items: drawn one by one, as calls finish.
    :param limit: calls under way at a time.
    """
    waiting = iter(items)
    running: set[asyncio.Task[ResultT]] = set()
    # A set of finished tasks, as `asyncio.wait` returns it, has no order.
    finished: deque[asyncio.Task[ResultT]] = deque()
    try:
        while True:
            for item in itertools.islice(waiting, limit - len(running)):
                task = loop.create_task(call(item))
                task.add_done_callback(finished.append)
                running.add(task)
            if not running:
                return
            loop.run_until_complete(asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED))
            running.difference_update(finished)
            batch = sorted(finished, key=lambda task: task.exception() is not None)
            finished.clear()
            for task in batch:
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        if running:
            loop.run_until_complete(asyncio.gather(*running, return_exceptions=True))


def close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """End whatever libraries left running in a loop, then the loop; closing twice does nothing."""
    if loop.is_closed():
        return
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
