"""What a loop is configured with: where instructions come from, the policy of the rounds, the stages.

Sections named after a stage hold options of its command line, without those that the loop sets itself
(inputs, output, model where it is the round's judge). They are checked before anything runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.loop.launch import Launch, parse_launch
from ste_fairseq2.loop.options import Options, check_evaluation, check_options

Phase: TypeAlias = Literal["sft", "dpo"]

STEP_KINDS: Final = (
    *("select", "respond", "worsen", "annotate", "prepare_sft", "prepare_dpo"),
    *("sft", "dpo", "choose", "export", "evaluate"),
)
"""Kinds of steps; `launch` says where each runs."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

_CHECKPOINT: Final = re.compile(r"last|best|judged|step_\d+")


@dataclass(kw_only=True)
class SourceConfig:
    """Where pairs come from: instructions, or what an earlier stage has already made of them."""

    instructions: str | None = None
    """JSONL, parquet or a data set, as `ste select` and `ste respond` read it"""
    responses: str | None = None
    """instead: JSONL or folder that `ste worsen` reads"""
    pairs: str | None = None
    """instead: JSONL or folder that `ste annotate` reads"""
    weight: float = 1.0
    """share of the training set, where there are several sources"""
    select: Options | None = None
    """options of `ste select` for this source alone; they win over the common ones"""

    def validate(self) -> None:
        given = [name for name in ("instructions", "responses", "pairs") if getattr(self, name)]
        if len(given) != 1:
            raise ConfigError(
                "instructions",
                "must be given, or else one of `responses` and `pairs`.",
            )
        if self.select is not None and self.instructions is None:
            raise ConfigError("select", "needs `instructions` to select from.")
        if self.weight <= 0.0:
            raise ConfigError("weight", f"must be above 0, but is {self.weight}.")


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
class LoopConfig:
    """`ste loop`."""

    model: str
    """the seed model: a Hugging Face folder"""
    sources: dict[str, SourceConfig]
    """where pairs come from, by a name; several are mixed by their weights"""
    rounds: int = 5
    """rounds of judging and training; 0 makes pairs and scores the seed model alone"""
    training: tuple[Phase, ...] = ("sft",)
    """trainings of a round, each on judgements of the model before it: [sft] (the paper), [sft, dpo]
    (the release: DPO+NLL from the SFT model), [dpo]"""
    train_from: Literal["seed", "last"] = "seed"
    """what each round's first training starts from: the seed model (the paper), or the last judge"""
    pairs: Literal["once", "every_round"] = "once"
    """once: the same pairs in all rounds (the paper); every_round: new responses each time"""
    first_judge: str | None = None
    """model that judges in round 1, where it is not the seed model"""
    seed: int = 2
    """seed of samples, curation and training; round N adds N to it"""
    engine: Options = field(default_factory=dict)
    """options that every generating stage shares, such as {tensor_parallel_size: 8}"""
    select: Options | None = None
    """options of `ste select`; where absent, all instructions are taken"""
    respond: Options = field(default_factory=dict)
    """options of `ste respond`; `model` is the seed model where absent"""
    worsen: Options = field(default_factory=dict)
    """options of `ste worsen`; `model` is the seed model where absent"""
    annotate: Options = field(default_factory=dict)
    """options of `ste annotate`"""
    prepare_sft: Options = field(default_factory=dict)
    """options of `ste prepare-sft`"""
    prepare_dpo: Options = field(default_factory=dict)
    """options of `ste prepare-dpo`"""
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

    def validate(self) -> None:
        """
        :raises ConfigError:
        """
        if self.rounds < 0:
            raise ConfigError("rounds", f"must not be negative, but is {self.rounds}.")
        self._validate_names("sources", self.sources)
        self._validate_names("evaluate", self.evaluate)
        if not self.sources:
            raise ConfigError("sources", "must name at least one source of instructions or pairs.")
        if self.pairs == "every_round":
            for name, source in self.sources.items():
                if source.pairs is not None:
                    raise ConfigError(f"sources.{name}.pairs", "cannot be made anew every round.")
        self._validate_training()
        self._validate_stages()
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
        for name in self.launch:
            if name not in ("default", *STEP_KINDS):
                known = ", ".join(("default", *STEP_KINDS))
                raise ConfigError(f"launch.{name}", f"is not a kind of step; there are {known}.")
        default = self.launch.get("default", "local")

        return {
            kind: parse_launch(f"launch.{kind}", self.launch.get(kind, default), kind)
            for kind in STEP_KINDS
        }

    def selection_of(self, source: SourceConfig) -> Options | None:
        """Return what selects instructions of a source; ``None`` where all are taken."""
        if self.select is None and source.select is None:
            return None

        return (self.select or {}) | (source.select or {})

    def trainings(self) -> dict[Phase, TrainingConfig]:
        """Return the trainings of a round, in their order; none where there is no round.

        :raises ConfigError: one has no section.
        """
        found: dict[Phase, TrainingConfig] = {}
        if not self.rounds:
            return found
        for phase in self.training:
            section = self.sft if phase == "sft" else self.dpo
            if section is None:
                raise ConfigError(phase, f"must be given, since `training` has {phase}.")
            found[phase] = section

        return found

    def _validate_training(self) -> None:
        if not self.training or len(set(self.training)) < len(self.training):
            raise ConfigError("training", "must name sft, dpo or both, each once.")
        for phase, section in self.trainings().items():
            if section.checkpoint == "judged" and self.choose is None:
                raise ConfigError("choose", f"must be given, since `{phase}.checkpoint` is judged.")

    def _validate_stages(self) -> None:
        """Build every stage's own configuration, with stand-ins for what the loop will set."""
        engine = self.engine
        check_options("engine", "annotate", engine)
        for name, source in self.sources.items():
            selection = self.selection_of(source)
            if selection is not None:
                section = "select" if source.select is None else f"sources.{name}.select"
                check_options(section, "select", engine | selection)
        check_options("respond", "respond", engine | self.respond)
        check_options("worsen", "worsen", engine | self.worsen)
        check_options("annotate", "annotate", engine | self.annotate)
        for phase in self.training:
            options = self.prepare_sft if phase == "sft" else self.prepare_dpo
            check_options(f"prepare_{phase}", f"prepare-{phase}", options)
        for name, options in self.evaluate.items():
            check_evaluation(f"evaluate.{name}", engine, options)
        if self.choose is not None:
            check_evaluation("choose", engine, self.choose)

    @staticmethod
    def _validate_names(section: str, names: Mapping[str, Any]) -> None:
        for name in names:
            if not _NAME.fullmatch(name):
                raise ConfigError(f"{section}.{name}", "must be a name of letters, digits, . _ and -.")
