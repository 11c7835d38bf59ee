"""Judges a benchmark with every checkpoint of a training run and writes which is the best.

Checkpoints are judged one after another, each in a process of its own, so that the memory of an engine
is free before the next one starts. The output folder has a folder ``step_N`` for each, which is that of
an evaluation, and what :mod:`~ste_fairseq2.evaluation.checkpoint_report` writes, made anew with each
checkpoint that is done. Started again, the command goes on where it was left.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from ste_fairseq2.curation.parallel import Workers
from ste_fairseq2.errors import MissingPathError, NoCheckpointError
from ste_fairseq2.evaluation.benchmark import Benchmark, BenchmarkPair
from ste_fairseq2.evaluation.bootstrap import Bootstrap
from ste_fairseq2.evaluation.checkpoint_choice import CheckpointScore, Choice, choose
from ste_fairseq2.evaluation.checkpoint_report import write_choice
from ste_fairseq2.evaluation.evaluate import EvaluationPlan, evaluate
from ste_fairseq2.evaluation.judging import INPUTS_NAME, JUDGEMENTS_NAME
from ste_fairseq2.jsonl import write_rows
from ste_fairseq2.models.export_alone import export_alone
from ste_fairseq2.store.folder import lock_folder
from ste_fairseq2.synthesis.judge import JudgeConfig, run_judge

_EXPORT_NAME: Final = "hg"

_STEP: Final = re.compile(r"step_(\d+)")

MakeConfig = Callable[[Path, Path, Path], JudgeConfig]
"""Gives the configuration of judging from inputs, output and model."""


@dataclass(frozen=True, kw_only=True)
class CheckpointPlan:
    """Whose checkpoints are judged, and how they are scored."""

    run: Path
    """The output folder of a training run."""
    output: Path
    quarantine_limit: float = 0.01
    bootstrap: Bootstrap


def judge_checkpoints(
    plan: CheckpointPlan,
    make_config: MakeConfig,
    benchmark: Benchmark,
    pairs: Sequence[BenchmarkPair],
    passed_over: dict[str, int],
) -> Choice:
    """Judge with each checkpoint that has not judged everything yet, and choose.

    :raises InputError: the run has no checkpoint, or a model, the prompt or the configuration is wrong.
    :raises EngineError: an engine failed; what is finished is kept.
    """
    steps = find_steps(plan.run)
    with contextlib.closing(lock_folder(plan.output)):
        inputs = plan.output / INPUTS_NAME
        write_rows(inputs, (pair.to_judge_input() for pair in pairs))
        scores: list[CheckpointScore] = []

        def choice_so_far() -> Choice:
            return choose(plan.run, benchmark.name, scores, num_checkpoints=len(steps))

        for number, step in enumerate(steps, start=1):
            folder = plan.output / f"step_{step}"
            print(f"{folder.name}: checkpoint {number} of {len(steps)}", file=sys.stderr, flush=True)
            model = _exported(plan.run, step, folder)
            config = make_config(inputs, folder / JUDGEMENTS_NAME, model)
            _in_own_process(partial(run_judge, config))
            scoring = EvaluationPlan(
                judgements=config.output,
                output=folder,
                judge=folder.name,
                quarantine_limit=plan.quarantine_limit,
                bootstrap=plan.bootstrap,
            )
            evaluation = evaluate(scoring, benchmark, pairs, passed_over)
            scores.append(CheckpointScore.of(step, model, evaluation))
            write_choice(plan.output, choice_so_far(), plan.bootstrap)

        return choice_so_far()


def find_steps(run: Path) -> list[int]:
    """Return the steps of a run's checkpoints in their order.

    :raises MissingPathError: the run has no folder of checkpoints.
    :raises NoCheckpointError: there is none in it.
    """
    folder = run / "checkpoints"
    if not folder.is_dir():
        raise MissingPathError("run's checkpoints", folder)
    found = (_STEP.fullmatch(path.name) for path in folder.iterdir())
    steps = sorted(int(match[1]) for match in found if match is not None)
    if not steps:
        raise NoCheckpointError(folder)

    return steps


def _exported(run: Path, step: int, folder: Path) -> Path:
    """Return a checkpoint as a model folder, exported below the output folder where the run has not."""
    own, by_run = folder / _EXPORT_NAME, run / "checkpoints" / f"step_{step}" / _EXPORT_NAME
    # What a judging was begun with stays what it goes on with.
    if by_run.is_dir() and not own.is_dir():
        return by_run
    if not own.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _in_own_process(partial(export_alone, run / "checkpoints", by_run.parent.name, own))

    return own


def _in_own_process(call: Callable[[], object]) -> None:
    """Call in a new process, which ends with this one; what it raises is raised here."""
    with Workers(1) as worker:
        for _ in worker.map(_call, [call]):
            pass


def _call(call: Callable[[], object]) -> None:
    call()
