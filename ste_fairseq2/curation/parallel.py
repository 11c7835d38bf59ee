"""Runs a function over tasks in worker processes; results come in the order of the tasks."""

from __future__ import annotations

import itertools
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import TypeVar

from ste_fairseq2.errors import SteError

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")


class Workers:
    """A pool of processes; a context manager."""

    def __init__(self, count: int) -> None:
        """
        :param count: processes, or 0 for one on each core this process may use.
        """
        self.count = count or len(os.sched_getaffinity(0))
        # A forked child would inherit the locks of whatever threads the caller runs.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self.count, mp_context=context, initializer=_end_with_parent)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def map(self, call: Callable[[TaskT], ResultT], tasks: Iterable[TaskT]) -> Iterator[ResultT]:
        """Begin at once, and return the results in order; few tasks are ahead, so memory stays flat.

        :raises SteError: a worker process died.
        """
        left = iter(tasks)
        pending = deque(self._pool.submit(call, task) for task in itertools.islice(left, 2 * self.count))

        return self._results(call, left, pending)

    def _results(
        self,
        call: Callable[[TaskT], ResultT],
        tasks: Iterator[TaskT],
        pending: deque[Future[ResultT]],
    ) -> Iterator[ResultT]:
        try:
            for task in tasks:
                pending.append(self._pool.submit(call, task))
                yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool as ex:
            raise SteError(
                "a worker process was killed, perhaps for want of memory; run the same command again."
            ) from ex


def _end_with_parent() -> None:
    """Watch the parent from a worker: one that is killed would leave its workers waiting for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
