"""The demonstration's two loops run side by side, and none of their processes outlives them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ste_fairseq2.errors import ConfigError, DemoError
from ste_fairseq2.small_world.demo import run_loops
from ste_fairseq2.small_world.demo_config import DemoConfig
from tests.processes import wait_until_gone


@pytest.mark.parametrize("field", ["rounds", "instructions"])
def test_nothing_to_do_is_refused(field: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"`{field}` must be at least 1, but is 0"):
        DemoConfig(output_dir=tmp_path, **{field: 0}).validate()


def test_loops_run_at_the_same_time_and_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Each waits for what the other has written first.
    first, second = tmp_path / "first", tmp_path / "second"
    wait = "while [ ! -e {other} ]; do sleep 0.05; done"
    commands = {
        name: ["sh", "-c", f"echo begun >&2; touch {own}; {wait.format(other=other)}"]
        for name, own, other in (("one", first, second), ("two", second, first))
    }

    run_loops(commands, cores=1)

    shown = capsys.readouterr().err
    assert "one: begun" in shown
    assert "two: begun" in shown


def test_a_failed_loop_is_named() -> None:
    with pytest.raises(DemoError, match="the loop `two` ended with status 3"):
        run_loops({"one": ["true"], "two": ["sh", "-c", "exit 3"]}, cores=1)


def test_loops_end_with_the_demonstration(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = (
        "from ste_fairseq2.small_world.demo import run_loops\n"
        f"run_loops({{'one': ['sh', '-c', 'echo $$ > {pid_file}; sleep 60']}}, cores=1)"
    )
    demo = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 30
    while not pid_file.is_file() or not pid_file.read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    demo.kill()
    demo.wait()

    wait_until_gone(int(pid_file.read_text()))
