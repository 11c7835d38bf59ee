from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from ste_fairseq2.engines.orphans import OrphanGuard
from tests.processes import is_running, wait_until_gone

_PARENT = """
import subprocess, sys, time
from ste_fairseq2.engines.orphans import OrphanGuard
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
guard = OrphanGuard([child.pid])
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_killed_process_takes_its_children_along() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, start_new_session=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_running(child)

    os.killpg(parent.pid, signal.SIGKILL)
    parent.communicate()

    wait_until_gone(child)


def test_closing_leaves_the_children_alone() -> None:
    child = subprocess.Popen(["sleep", "600"])
    guard = OrphanGuard([child.pid])

    guard.close()

    time.sleep(0.3)
    assert child.poll() is None
    child.kill()
    child.wait()
