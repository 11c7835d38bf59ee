"""What a loop of Self-Taught Evaluators is configured with: sources of pairs, policy of the rounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.loop.config import TRAINING_KINDS, LoopConfig, Phase, validate_names
from ste_fairseq2.loop.options import Options, check_options

_STAGE_KINDS = ("select", "respond", "worsen", "annotate", "prepare_sft", "prepare_dpo")


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
class SelfTaughtConfig(LoopConfig):
    """Self-Taught Evaluators (arXiv 2408.02666): a judge learns from its own right judgements."""

    STEP_KINDS: ClassVar[tuple[str, ...]] = (*_STAGE_KINDS, *TRAINING_KINDS)
    PILOT: ClassVar[str] = "select.count=50 rounds=1"

    method: Literal["self_taught"] = "self_taught"
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

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The trainings of a round; none where there is no round."""
        return self.training if self.rounds else ()

    def validate(self) -> None:
        """
        :raises ConfigError:
        """
        validate_names("sources", self.sources)
        if not self.sources:
            raise ConfigError("sources", "must name at least one source of instructions or pairs.")
        if self.pairs == "every_round":
            for name, source in self.sources.items():
                if source.pairs is not None:
                    raise ConfigError(f"sources.{name}.pairs", "cannot be made anew every round.")
        if not self.training or len(set(self.training)) < len(self.training):
            raise ConfigError("training", "must name sft, dpo or both, each once.")
        super().validate()
        self._validate_stages()

    def selection_of(self, source: SourceConfig) -> Options | None:
        """Return what selects instructions of a source; ``None`` where all are taken."""
        if self.select is None and source.select is None:
            return None

        return (self.select or {}) | (source.select or {})

    def _validate_stages(self) -> None:
        """Build every stage's own configuration, with stand-ins for what the loop will set."""
        engine = self.engine
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
