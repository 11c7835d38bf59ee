"""Tells on standard error which step a loop is at: the running one with its newest log line."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final

_SECONDS_BETWEEN_LOOKS: Final = 1.0
_TAIL_BYTES: Final = 4096


class Ticker:
    """On a terminal one line that changes; elsewhere one when a step starts and one when it ends."""

    def __init__(self, label: str, log: Path) -> None:
        self._label = label
        self._log = log
        self._is_terminal = sys.stderr.isatty()
        self._last_look = self._started = time.monotonic()

    def __enter__(self) -> Ticker:
        if not self._is_terminal:
            self._print(self._label)

        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_terminal:
            self._overwrite("")

    def look(self) -> None:
        """Show the newest line of the log; called as often as one likes."""
        now = time.monotonic()
        if not self._is_terminal or now - self._last_look < _SECONDS_BETWEEN_LOOKS:
            return
        self._last_look = now
        self._overwrite(f"{self._label} {now - self._started:.0f} s: {_last_line(self._log)}")

    def done(self, seconds: float) -> None:
        if self._is_terminal:
            self._overwrite("")
        self._print(f"{self._label}: done in {seconds:.1f} s")

    def _overwrite(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r{text[:width]:<{width}}\r")
        sys.stderr.flush()

    @staticmethod
    def _print(text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _last_line(log: Path) -> str:
    with log.open("rb") as stream:
        stream.seek(max(log.stat().st_size - _TAIL_BYTES, 0))
        lines = stream.read().decode("utf-8", errors="replace").split("\n")
    shown = [line.strip() for line in lines if line.strip()]

    return shown[-1] if shown else ""
