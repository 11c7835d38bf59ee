"""Whether a process is still there, for tests that kill some."""

from __future__ import annotations

import subprocess
import time


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has reaped does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout

    return bool(state.strip()) and not state.startswith("Z")


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.05)
