"""What has happened to the steps of a loop: one line when a step starts and one when it ends.

A driver that is killed leaves a start without an end; the time of that attempt is not known.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

from ste_fairseq2.jsonl import read_rows
from ste_fairseq2.loop.plan import Step
from ste_fairseq2.store.shards import Shards

_PREFIX: Final = "steps"


@dataclass(frozen=True)
class StepState:
    """What is known of a step that has been started."""

    attempts: int
    is_done: bool
    seconds: float
    """Of the attempts that ended, whether well or not."""
    started: float
    """When the last attempt began, in seconds since 1970."""
    made_from: Mapping[str, str] = field(default_factory=dict)
    """Digests of what the step read, where it is done; see :mod:`~ste_fairseq2.loop.lineage`."""


def read_journal(folder: Path) -> dict[str, StepState]:
    """Return the states of the steps by name; a step that is not there was never started.

    A last line that was cut by a kill, or is being written, is passed over.
    """
    states: dict[str, StepState] = {}
    for path in sorted(folder.glob(f"{_PREFIX}-*.jsonl")):
        for row in read_rows(path, on_error=lambda error: None):
            name = row.text("step")
            old = states.get(name, StepState(0, False, 0.0, 0.0))
            if row.data["event"] == "start":
                states[name] = StepState(old.attempts + 1, False, old.seconds, row.data["time"])
            else:
                seconds = old.seconds + row.data["seconds"]
                states[name] = StepState(
                    old.attempts,
                    row.data["status"] == 0,
                    seconds,
                    old.started,
                    row.data.get("made_from", {}),
                )

    return states


def is_done(step: Step, state: StepState | None) -> bool:
    """Whether a step has ended well and what it wrote is still there."""
    if not step.output.exists():
        return False

    return step.appears_whole or (state is not None and state.is_done)


class Journal:
    """Writes the journal of a loop; the caller holds the folder's lock."""

    def __init__(self, folder: Path) -> None:
        self._rows = Shards(folder, _PREFIX, shard_bytes=64 << 20)
        self.states: Mapping[str, StepState] = read_journal(folder)
        """As they were when the driver started."""

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rows.close()

    def start(self, step: str) -> None:
        self._rows.append({"event": "start", "step": step, "time": time.time()})

    def end(self, step: str, status: int, seconds: float, made_from: Mapping[str, str]) -> None:
        """
        :param status: of the process; 0 where it ended well.
        """
        self._rows.append(
            {
                "event": "end",
                "step": step,
                "status": status,
                "seconds": round(seconds, 3),
                "made_from": dict(made_from),
            }
        )
        self._rows.sync()
