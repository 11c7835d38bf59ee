"""Runs one process of a loop to its end: its output in a log file, ended when the driver ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from ste_fairseq2.engines.orphans import OrphanGuard

_SECONDS_TO_STOP: Final = 570.0
"""For a training to write a checkpoint after SIGTERM; anything else ends at once."""

_SECONDS_BETWEEN_LOOKS: Final = 0.2


def run_child(
    argv: Sequence[str], environment: Mapping[str, str], log: Path, on_look: Callable[[], None]
) -> int:
    """Run a command and return its exit status.

    Interrupted (Ctrl-C, SIGTERM), the process and all it has started are asked to end; killed, they are
    killed too, so that a driver that is started again never meets one of its predecessor's processes.

    :param log: what the command writes is appended to it.
    :param on_look: called several times a second.
    :raises KeyboardInterrupt: the driver was asked to end, and the process has ended.
    """
    with log.open("ab") as stream:
        child = subprocess.Popen(
            argv,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # A negative number is a process group.
    guard = OrphanGuard([-child.pid])
    try:
        with _sigterm_as_interrupt():
            while True:
                try:
                    return child.wait(timeout=_SECONDS_BETWEEN_LOOKS)
                except subprocess.TimeoutExpired:
                    on_look()
    finally:
        _end_group(child)
        guard.close()


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End what is left of a process and of those it has started; a second interrupt ends it at once."""
    try:
        if child.poll() is None:
            _signal_group(child.pid, signal.SIGTERM)
            child.wait(timeout=_SECONDS_TO_STOP)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        pass
    _signal_group(child.pid, signal.SIGKILL)
    child.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
