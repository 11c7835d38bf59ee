"""A process of a loop: its output, its status, and that nothing of it is left when its driver ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ste_fairseq2.loop.child import run_child
from tests.processes import wait_until_gone

# Starts a process of its own, notes both, and waits; the second ignores SIGTERM.
FAMILY = """
sh -c 'trap "" TERM; sleep 60' & echo $! > {folder}/grandchild
echo $$ > {folder}/child; wait
"""


def nothing() -> None:
    pass


def test_output_is_appended_and_the_status_returned(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")

    status = run_child(["sh", "-c", "echo $NAME; echo err >&2; exit 3"], {"NAME": "x"}, log, nothing)

    assert status == 3
    assert sorted(log.read_text().splitlines()) == ["before", "err", "x"]


def test_a_signal_is_a_negative_status(tmp_path: Path) -> None:
    assert run_child(["sh", "-c", "kill -KILL $$"], {}, tmp_path / "log", nothing) == -signal.SIGKILL


def test_it_is_looked_after(tmp_path: Path) -> None:
    looks: list[int] = []

    run_child(["sleep", "1"], {}, tmp_path / "log", lambda: looks.append(1))

    assert looks


def test_what_a_process_leaves_behind_is_ended(tmp_path: Path) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/left"

    assert run_child(["sh", "-c", script], {}, tmp_path / "log", nothing) == 0
    wait_until_gone(int((tmp_path / "left").read_text()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_the_driver(number: signal.Signals, tmp_path: Path) -> None:
    driver = start_driver(tmp_path)
    family = [int((tmp_path / name).read_text()) for name in ("child", "grandchild")]

    driver.send_signal(number)
    driver.wait(timeout=20)

    for pid in family:
        wait_until_gone(pid)


def test_a_process_may_finish_its_work_when_asked_to_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = f"trap 'sleep 1; echo saved; exit 0' TERM; touch {tmp_path}/child {tmp_path}/grandchild;"
    driver = start_driver(tmp_path, script + " while :; do sleep 0.1; done")

    driver.terminate()
    driver.wait(timeout=20)

    assert "saved" in log.read_text()


def start_driver(folder: Path, script: str | None = None) -> subprocess.Popen[bytes]:
    """Start a driver, and return when its process is under way."""
    shell = FAMILY.format(folder=folder) if script is None else script
    code = (
        "from pathlib import Path\nfrom ste_fairseq2.loop.child import run_child\n"
        f"run_child(['sh', '-c', {shell!r}], {{}}, Path({str(folder / 'log')!r}), lambda: None)"
    )
    driver = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not (folder / "child").is_file() or not (folder / "grandchild").is_file():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)

    return driver
