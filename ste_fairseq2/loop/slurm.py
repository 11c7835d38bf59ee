"""Waits for the job of a step that an earlier driver submitted, so that no step runs twice at a time.

A job outlives the driver that waits for it. When it has ended, its step is simply run again: what it
finished is kept, and a step that is complete ends at once.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Final

from ste_fairseq2.errors import QueueError

_SECONDS_BETWEEN_LOOKS: Final = 30.0


def wait_for_job(
    name: str, on_look: Callable[[], None], *, seconds_between_looks: float = _SECONDS_BETWEEN_LOOKS
) -> None:
    """Return when no job of that name is pending or running.

    :param on_look: called before each look at the queue.
    :raises QueueError: the queue cannot be looked at.
    """
    while True:
        on_look()
        if not _find_jobs(name):
            return
        time.sleep(seconds_between_looks)


def _find_jobs(name: str) -> str:
    try:
        return subprocess.run(
            ["squeue", "--me", "--noheader", "--format=%i", f"--name={name}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except FileNotFoundError:
        raise QueueError("`squeue` is not there; is this a machine of the cluster?") from None
    except subprocess.CalledProcessError as ex:
        raise QueueError(f"`squeue` ended with status {ex.returncode}: {ex.stderr.strip()}") from None
