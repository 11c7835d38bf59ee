"""The plan of a loop: its steps with their command lines, what they read and write, and its rounds.

A planner of a method (``planner.py``) makes it as a pure function of the configuration. Layout that all
methods share, below the loop's folder::

    ROUND/PHASE/{data,run,model}   training set, training, the model of it; without PHASE where a round
                                   has one training
    ROUND/evaluate/NAME            scores of the round's judge
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.digest import digest_text
from ste_fairseq2.loop.config import Phase

LOGS_NAME: Final = "logs"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One process of a loop."""

    name: str
    """Unique, such as ``round-1/sft/annotate/main``; its output lies under this name."""
    kind: str
    """One of the method's :attr:`~ste_fairseq2.loop.config.LoopConfig.STEP_KINDS`."""
    round: int
    """From 1; 0 for what comes before the first round."""
    argv: tuple[str, ...]
    """The public command line."""
    output: Path
    reads: tuple[str, ...]
    """The data that it works on: outputs of other steps, or the user's files."""
    model: str | None = None
    """The model that it asks, trains from or scores; the run, where it is a training's."""
    settings: Path | None = None
    """A file with settings of the step, where it has one."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that the command line needs beside the environment."""
    appears_whole: bool = False
    """Whether the output is only there once it is complete."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the stage was configured with, the common options included; none of a training."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """What a round is made of; round 0 is the seed model."""

    number: int
    name: str
    """As tables call it: ``seed``, ``1`` …"""
    judge: Path
    """The model that comes of the round."""
    annotations: tuple[Path, ...] = ()
    """Folders of judgement samples, all trainings together."""
    data: Mapping[Phase, Path] = field(default_factory=dict)
    """The training sets."""
    runs: Mapping[Phase, Path] = field(default_factory=dict)
    """The training runs' folders."""
    pairs: tuple[Path, ...] = ()
    """What the annotations are of."""
    candidates: Path | None = None
    """Answers to choose among, several to an instruction."""
    scores: Path | None = None
    """Scores of answers, one by one."""
    evaluations: Mapping[str, Path] = field(default_factory=dict)
    """Tests of the model as a judge."""
    followings: Mapping[str, Path] = field(default_factory=dict)
    """Tests of its own answers."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    steps: tuple[Step, ...]
    rounds: tuple[Round, ...]
    """The seed model first."""

    def maker_of(self, place: str) -> Step | None:
        """Return the step whose output a folder or file is or lies in; ``None`` for the user's own."""
        path = Path(place)
        for candidate in (path, *path.parents):
            if candidate in self._makers:
                return self._makers[candidate]

        return None

    @functools.cached_property
    def _makers(self) -> Mapping[Path, Step]:
        return {step.output: step for step in self.steps}


def show_command(step: Step, command: Sequence[str]) -> str:
    """Return a command as a shell takes it, with the variables that the step needs.

    :param command: the step's own, or that within its launcher.
    """
    variables = [f"{name}={shlex.quote(value)}" for name, value in step.environment.items()]

    return " ".join([*variables, shlex.join(command)])


def job_name(folder: Path, step: Step) -> str:
    """Return the name of a step's job, where it is one; other loops' jobs have others."""
    return f"ste-{digest_text(str(folder.resolve()))[:8]}-{step.name.replace('/', '-')}"


def log_of(folder: Path, step: Step) -> Path:
    """Return the file that takes what a step writes."""
    return folder / LOGS_NAME / f"{step.name.replace('/', '.')}.log"
