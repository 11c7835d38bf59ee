"""A job of an earlier driver is waited for until the queue no longer has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ste_fairseq2.errors import QueueError
from ste_fairseq2.loop.slurm import wait_for_job

_SQUEUE = """\
#!/bin/sh
echo "$@" >> {log}
if [ "$(wc -l < {log})" -le {num_looks} ]; then echo 4711; fi
"""

MakeQueue = Callable[[int], Path]


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeQueue:
    """Put a `squeue` on the path that shows a job at the first looks; return the log of its calls."""

    def make(num_looks: int) -> Path:
        log = tmp_path / "calls"
        script = tmp_path / "squeue"
        script.write_text(_SQUEUE.format(log=log, num_looks=num_looks))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        return log

    return make


def test_looks_until_the_job_is_gone(queue: MakeQueue) -> None:
    log, looks = queue(2), []

    wait_for_job("ste-1", lambda: looks.append(1), seconds_between_looks=0.01)

    assert log.read_text().splitlines() == ["--me --noheader --format=%i --name=ste-1"] * 3
    assert len(looks) == 3


def test_no_job_is_not_waited_for(queue: MakeQueue) -> None:
    log = queue(0)

    wait_for_job("ste-1", lambda: None, seconds_between_looks=600)

    assert len(log.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("script", "reason"),
    [(None, "`squeue` is not there"), ("echo no server >&2; exit 3", "status 3: no server")],
)
def test_a_queue_that_cannot_be_looked_at_is_told(
    script: str | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script is not None:
        (tmp_path / "squeue").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if script is not None else str(tmp_path))

    with pytest.raises(QueueError, match=reason):
        wait_for_job("job", lambda: None)
