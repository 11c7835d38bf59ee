"""What every loop is configured with, whatever its method: models, trainings, evaluation, launching.

Sections named after a stage hold options of its command line, without those that the loop sets itself
(inputs, output, model where it is the round's judge). They are checked before anything runs.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeAlias

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.loop.launch import Launch, parse_launch
from ste_fairseq2.loop.options import Options, check_evaluation, check_options

Phase: TypeAlias = Literal["sft", "dpo"]

TRAINING_KINDS: Final = ("sft", "dpo", "choose", "export", "evaluate")
"""Kinds of steps that train a model and score it; every method has them."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

_CHECKPOINT: Final = re.compile(r"last|best|judged|step_\d+")


@dataclass(kw_only=True)
class TrainingConfig:
    """How `fairseq2 lm` trains in each round, and which checkpoint becomes the model."""

    config_file: Path
    """configuration of the recipe, such as those in training_configs/"""
    config: dict[str, Any] = field(default_factory=dict)
    """values that win over the file, as `--config` takes them: {regime.num_data_epochs: 2}"""
    checkpoint: str = "last"
    """last; best (by the run's own `regime.score_metric`); step_N; or judged (by `choose`)"""
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    """type of the exported weights"""

    def validate(self) -> None:
        if not _CHECKPOINT.fullmatch(self.checkpoint):
            raise ConfigError(
                "checkpoint", f"must be last, best, judged or step_N, but is {self.checkpoint!r}."
            )


@dataclass(kw_only=True)
class LoopConfig(ABC):
    """What `ste loop` is configured with, beside the policy of a method."""

    STEP_KINDS: ClassVar[tuple[str, ...]] = TRAINING_KINDS
    """Kinds of the method's steps; `launch` says where each runs."""

    PILOT: ClassVar[str]
    """Values that make a small loop of any, to estimate from."""

    method: str
    model: str
    """the seed model: a Hugging Face folder"""
    rounds: int
    seed: int = 2
    """seed of samples, curation and training; round N adds N to it"""
    engine: Options = field(default_factory=dict)
    """options that every generating stage shares, such as {tensor_parallel_size: 8}"""
    sft: TrainingConfig | None = None
    """`fairseq2 lm instruction_finetune`"""
    dpo: TrainingConfig | None = None
    """`fairseq2 lm preference_finetune`"""
    choose: Options | None = None
    """benchmark that judges checkpoints, as `ste evaluate --checkpoints` takes it"""
    evaluate: dict[str, Options] = field(default_factory=dict)
    """benchmarks that score every judge, by a name, as `ste evaluate --model` takes them; the first is
    the one that rounds are compared by"""
    launch: dict[str, Any] = field(default_factory=dict)
    """where steps run, by kind or `default`: local, {torchrun: N}, {srun: [OPTION, …]} or
    {sbatch: [OPTION, …]}"""

    @property
    @abstractmethod
    def phases(self) -> tuple[Phase, ...]:
        """The trainings that the loop has, in their order; none where it trains nothing."""

    def validate(self) -> None:
        """
        :raises ConfigError:
        """
        if self.rounds < 0:
            raise ConfigError("rounds", f"must not be negative, but is {self.rounds}.")
        validate_names("evaluate", self.evaluate)
        for phase, section in self.trainings().items():
            if section.checkpoint == "judged" and self.choose is None:
                raise ConfigError("choose", f"must be given, since `{phase}.checkpoint` is judged.")
        check_options("engine", "annotate", self.engine)
        for name, options in self.evaluate.items():
            check_evaluation(f"evaluate.{name}", self.engine, options)
        if self.choose is not None:
            check_evaluation("choose", self.engine, self.choose)
        self.launches()

    def check_files(self) -> None:
        """Look at the files that are named, before anything is begun.

        :raises ConfigError:
        """
        for phase, section in self.trainings().items():
            if not section.config_file.is_file():
                raise ConfigError(
                    f"{phase}.config_file", f"names `{section.config_file}`, which does not exist."
                )

    def launches(self) -> Mapping[str, Launch]:
        """Return where each kind of step runs.

        :raises ConfigError:
        """
        kinds = self.STEP_KINDS
        for name in self.launch:
            if name not in ("default", *kinds):
                known = ", ".join(("default", *kinds))
                raise ConfigError(f"launch.{name}", f"is not a kind of step; there are {known}.")
        default = self.launch.get("default", "local")

        return {
            kind: parse_launch(f"launch.{kind}", self.launch.get(kind, default), kind) for kind in kinds
        }

    def trainings(self) -> dict[Phase, TrainingConfig]:
        """Return the trainings of the loop, in their order.

        :raises ConfigError: one has no section.
        """
        found: dict[Phase, TrainingConfig] = {}
        for phase in self.phases:
            section = self.sft if phase == "sft" else self.dpo
            if section is None:
                raise ConfigError(phase, f"must be given, since the loop trains by {phase}.")
            found[phase] = section

        return found


def validate_names(section: str, names: Mapping[str, Any]) -> None:
    """Refuse names that cannot be part of a path.

    :raises ConfigError:
    """
    for name in names:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{section}.{name}", "must be a name of letters, digits, . _ and -.")
