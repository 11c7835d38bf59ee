"""Waits for the job of a step that an earlier driver submitted, so that no step runs twice at a time.

A job outlives the driver that waits for it. When it has ended, its step is simply run again: what it
finished is kept, and a step that is complete ends at once.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Final

_SECONDS_BETWEEN_LOOKS: Final = 30.0


def wait_for_job(
    name: str, on_look: Callable[[], None], *, seconds_between_looks: float = _SECONDS_BETWEEN_LOOKS
) -> None:
    """Return when no job of that name is pending or running.

    :param on_look: called before each look at the queue.
    """
    while True:
        on_look()
        queue = subprocess.run(
            ["squeue", "--me", "--noheader", "--format=%i", f"--name={name}"],
            capture_output=True,
            text=True,
            check=True,
        )
        if not queue.stdout.strip():
            return
        time.sleep(seconds_between_looks)
