"""Says what a loop would do: steps, command lines, what is done and what the rest will cost."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ste_fairseq2.evaluation import markdown
from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.cost import Estimate, Measured, estimate, measure
from ste_fairseq2.loop.journal import is_done, read_journal
from ste_fairseq2.loop.load import LOOP_NAME, read_loop_folder
from ste_fairseq2.loop.methods import make_plan
from ste_fairseq2.loop.plan import Plan, Step, job_name, log_of, show_command
from ste_fairseq2.loop.run import check_resume

_HEADER = ("step", "state", "records in", "records out", "tokens", "hours", "GPU hours")


def describe_plan(config: LoopConfig, folder: Path, pilot: Path | None) -> str:
    """Return the plan as text; nothing is written or started.

    :param pilot: folder of a loop to estimate from; where absent the loop's own finished steps serve.
    :raises ResumeMismatchError: the folder was begun with another configuration.
    :raises MissingPathError: the pilot's folder holds no loop.
    """
    check_resume(config, folder)
    plan = make_plan(config, folder)
    measured = _measure(pilot if pilot is not None else folder, is_needed=pilot is not None)
    estimates = estimate(config, plan, folder, measured)
    states = read_journal(folder)
    launches = config.launches()
    commands = []
    for step in plan.steps:
        command = launches[step.kind].wrap(
            step.argv, job_name=job_name(folder, step), log=log_of(folder, step)
        )
        commands += [f"# {step.name}", show_command(step, command)]
    done = {step.name for step in plan.steps if is_done(step, states.get(step.name))}
    parts = ["\n".join(commands), _table(plan, done, estimates), _footer(config, plan, done, measured)]

    return "\n\n".join(parts)


def _measure(folder: Path, *, is_needed: bool) -> dict[str, Measured]:
    if not is_needed and not (folder / LOOP_NAME).is_file():
        return {}
    config, plan = read_loop_folder(folder)

    return measure(config, plan, folder)


def _table(plan: Plan, done: set[str], estimates: dict[str, Estimate]) -> str:
    rows = [_row(step, done, estimates.get(step.name, Estimate())) for step in plan.steps]
    left = list(estimates.values())
    rows.append(
        [
            *("all that is left", "", "", ""),
            _number(_sum(e.tokens for e in left)),
            _hours(_sum(None if e.seconds is None else e.seconds / 3600 for e in left)),
            _hours(_sum(e.device_hours for e in left)),
        ]
    )

    return markdown.table(_HEADER, rows, num_names=2)


def _row(step: Step, done: set[str], costs: Estimate) -> list[str]:
    return [
        step.name,
        "done" if step.name in done else "to do",
        _number(costs.inputs),
        _number(costs.outputs),
        _number(costs.tokens),
        _hours(None if costs.seconds is None else costs.seconds / 3600),
        _hours(costs.device_hours),
    ]


def _footer(config: LoopConfig, plan: Plan, done: set[str], measured: dict[str, Measured]) -> str:
    kinds = {step.kind for step in plan.steps if step.name not in done}
    unknown = sorted(kinds - measured.keys())
    text = f"{len(done)} of {len(plan.steps)} steps are done."
    if unknown:
        text += (
            f" Not known, and not in the sums, is what these will take: {', '.join(unknown)}. Run the "
            f"loop on a few instructions in another folder (`--set {config.PILOT}`) and name that by "
            "`--pilot`."
        )

    return text


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]

    return sum(known) if known else None


def _number(value: float | None) -> str:
    return markdown.NONE if value is None else f"{value:,.0f}"


def _hours(value: float | None) -> str:
    return markdown.NONE if value is None else f"{value:,.2f}"
