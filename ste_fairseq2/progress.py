"""Shows how far long work is: a bar on a terminal, one line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_SECONDS_BETWEEN_LINES: Final = 30.0


class WorkProgress:
    """Counts finished items and generated tokens (or another unit of work) on standard error."""

    def __init__(self, label: str, *, total: int, done: int = 0, unit: str = "tokens") -> None:
        """
        :param total: items in all.
        :param done: items that an earlier run has finished; they do not count towards the speed.
        :param unit: what the second argument of :meth:`advance` counts.
        """
        self._label = label
        self._unit = unit
        self._total = total
        self._skipped = done
        self._done = done
        self._tokens = 0
        self._dropped = 0
        self._started = self._last_line = time.monotonic()
        console = Console(stderr=True)
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(),
                console=console,
            )
            self._task = self._bar.add_task(label, total=total, completed=done, speed="")

    def __enter__(self) -> WorkProgress:
        if self._bar is not None:
            self._bar.start()

        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        else:
            self._write_line()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def advance(self, items: int, tokens: int, *, dropped: int = 0) -> None:
        """
        :param dropped: how many of ``items`` no record came of.
        """
        self._done += items
        self._tokens += tokens
        self._dropped += dropped
        if self._bar is not None:
            self._bar.update(self._task, advance=items, speed=self._speed())
        elif time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._write_line()

    def _speed(self) -> str:
        fresh = self._done - self._skipped
        kept = f"kept {fresh - self._dropped} of {fresh}, " if self._dropped else ""

        return f"{kept}{self._tokens / max(self.seconds, 1e-9):,.0f} {self._unit}/s"

    def _write_line(self) -> None:
        self._last_line = time.monotonic()
        fresh = self._done - self._skipped
        left = (self._total - self._done) * self.seconds / fresh if fresh else None
        remaining = f", {left:,.0f} s left" if left else ""
        print(
            f"{self._label}: {self._done}/{self._total}, {self._speed()}{remaining}",
            file=sys.stderr,
            flush=True,
        )
