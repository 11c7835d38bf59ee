"""Runs the steps of a loop one after another, going on where an earlier run was left.

Beside the outputs of the steps (see ``plan.py``) the folder holds::

    config.json        what its results depend on; another configuration is refused
    loop.json          the whole configuration it last ran with
    steps-00000.jsonl  the journal
    logs/STEP.log      what each step wrote, all attempts
    rounds.json        the rounds in figures, made anew when a step has ended
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.config_values import to_plain
from ste_fairseq2.errors import LoopStepError, ResumeMismatchError
from ste_fairseq2.loop.child import run_child
from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.digests import digest_inputs, digest_place
from ste_fairseq2.loop.journal import Journal, StepState, is_done
from ste_fairseq2.loop.launch import Launch, locate
from ste_fairseq2.loop.load import write_loop_config
from ste_fairseq2.loop.methods import make_plan
from ste_fairseq2.loop.plan import Plan, Step, job_name, log_of, show_command
from ste_fairseq2.loop.rounds import write_rounds
from ste_fairseq2.loop.slurm import wait_for_job
from ste_fairseq2.loop.ticker import Ticker
from ste_fairseq2.store.folder import check_config, lock_folder, write_config

_LAST_LINES: Final = 12
"""Of a failed step's log, shown with the error."""

_PLACE_FIELDS: Final = (
    *("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "distributed_backend"),
    *("concurrency", "max_attempts", "request_timeout", "workers"),
)
"""Options that change where and how fast a stage runs, but not what it writes."""


def run_loop(config: LoopConfig, folder: Path) -> Plan:
    """Run what is still to do, and return the plan.

    :raises FolderBusyError: another driver runs in the folder.
    :raises ResumeMismatchError: the folder was begun with another configuration.
    :raises LoopStepError: a step failed; started again, the loop goes on with it.
    """
    plan = make_plan(config, folder)
    launches = config.launches()
    with contextlib.closing(lock_folder(folder)):
        if not check_resume(config, folder):
            write_config(folder, loop_identity(config))
        with Journal(folder) as journal:
            _check_settings(plan, folder, journal.states)
            write_loop_config(config, folder)
            write_rounds(config, plan, folder)
            for number, step in enumerate(plan.steps, start=1):
                if is_done(step, journal.states.get(step.name)):
                    continue
                label = f"[{number}/{len(plan.steps)}] {step.name}"
                _run_step(step, launches[step.kind], folder, journal, label)
                write_rounds(config, plan, folder)

    return plan


def check_resume(config: LoopConfig, folder: Path) -> bool:
    """Return whether the folder was begun with this configuration; ``False`` where with none.

    :raises ResumeMismatchError: it was begun with another one.
    """
    return check_config(folder, loop_identity(config))


def _check_settings(plan: Plan, folder: Path, states: Mapping[str, StepState]) -> None:
    """Refuse to go on where a file of settings has changed since a step has used it.

    :raises ResumeMismatchError:
    """
    for step in plan.steps:
        state = states.get(step.name)
        if step.settings is None or state is None or not is_done(step, state):
            continue
        then = state.made_from.get(str(step.settings))
        if then is not None and digest_place(step.settings) != then:
            difference = f"`{step.kind}.config_file` (`{step.settings}` has changed since `{step.name}`)"
            raise ResumeMismatchError(folder, [difference])


def loop_identity(config: LoopConfig) -> dict[str, Any]:
    """Return what the results depend on, flat: ``{"annotate.samples": 15}``.

    Without the number of rounds, so that a loop can be made longer, and without where things run.
    """
    values = to_plain(asdict(config))
    for name in ("rounds", "launch"):
        del values[name]

    return {"stage": "loop", **dict(sorted(_flat(values, "")))}


def _run_step(step: Step, launch: Launch, folder: Path, journal: Journal, label: str) -> None:
    log = log_of(folder, step)
    log.parent.mkdir(exist_ok=True)
    job = job_name(folder, step)
    command = launch.wrap(step.argv, job_name=job, log=log)
    with log.open("a", encoding="utf-8") as stream:
        print(f"$ {show_command(step, command)}", file=stream)
    journal.start(step.name)
    began = time.monotonic()
    with Ticker(label, log) as ticker:
        if launch.way == "sbatch":
            wait_for_job(job, ticker.look)
        status = run_child(locate(command), step.environment, log, ticker.look)
        seconds = time.monotonic() - began
        journal.end(step.name, status, seconds, digest_inputs(step))
        if status == 0:
            ticker.done(seconds)
    if status != 0:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
        print("\n".join(f"  | {line}" for line in tail), file=sys.stderr)
        raise LoopStepError(step.name, status, log)


def _flat(values: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    """Return the fields with their paths, without those of :data:`_PLACE_FIELDS`."""
    items: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            # An empty section is not the same as none.
            items += _flat(value, f"{prefix}{name}.") or [(f"{prefix}{name}", {})]
        elif name.rpartition(".")[2] not in _PLACE_FIELDS:
            items.append((f"{prefix}{name}", value))

    return items
