"""What a loop of Self-Rewarding Language Models is configured with: ranked answers, scores, rounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.loop.config import TRAINING_KINDS, LoopConfig, Phase, validate_names
from ste_fairseq2.loop.options import Options, check_options

_STAGE_KINDS: Final = (
    *("prepare_ranked", "prepare_eft", "self_instruct"),
    *("candidates", "score", "prepare_preferences", "follow"),
)

CANDIDATES: Final[Options] = {"samples": 4}
"""Answers drawn for each instruction (paper, 2.3)."""

SCORE: Final[Options] = {"mode": "score", "samples": 3, "temperature": 0.7, "top_p": 0.9}
"""Judgements whose scores an answer's score is the mean of (paper, 3.1), and how they are drawn."""


@dataclass(kw_only=True)
class SelfRewardingConfig(LoopConfig):
    """Self-Rewarding Language Models (arXiv 2401.10020): a model scores its own answers and learns to
    prefer the best to the worst, each round from the last model."""

    STEP_KINDS: ClassVar[tuple[str, ...]] = (*_STAGE_KINDS, *TRAINING_KINDS)
    PILOT: ClassVar[str] = "prepare_ranked.ift_examples=50 self_instruct.count=50 rounds=1"

    method: Literal["self_rewarding"]
    ranked: tuple[str, ...]
    """answers that people have ranked: files, folders or data sets that `ste prepare-ranked` reads"""
    rounds: int = 2
    """rounds of DPO, after the two of SFT (on IFT, on IFT and EFT)"""
    instructions: str | None = None
    """instructions of the rounds of DPO; where absent, `ste self-instruct` writes new ones each time"""
    prepare_ranked: Options = field(default_factory=dict)
    """options of `ste prepare-ranked`"""
    prepare_eft: Options = field(default_factory=dict)
    """options of `ste prepare-eft`"""
    self_instruct: Options = field(default_factory=dict)
    """options of `ste self-instruct`; `model` is the seed model where absent, in all rounds"""
    candidates: Options = field(default_factory=dict)
    """options of `ste respond`; 4 samples where they say nothing else"""
    score: Options = field(default_factory=dict)
    """options of `ste judge --mode score`; 3 samples where they say nothing else"""
    prepare_preferences: Options = field(default_factory=dict)
    """options of `ste prepare-preferences`"""
    follow: dict[str, Options] = field(default_factory=dict)
    """tests of every model's own answers, by a name, as `ste follow` takes them; without `inputs` the
    known answers are the best ones of the people's that are held out"""

    @property
    def phases(self) -> tuple[Phase, ...]:
        """SFT on IFT and EFT always; DPO where there are rounds of it."""
        return ("sft", "dpo") if self.rounds else ("sft",)

    def validate(self) -> None:
        """
        :raises ConfigError:
        """
        if self.instructions is not None and self.self_instruct:
            raise ConfigError("self_instruct", "is not run where `instructions` are given.")
        validate_names("follow", self.follow)
        super().validate()
        engine = self.engine
        check_options("prepare_ranked", "prepare-ranked", self.prepare_ranked)
        check_options("prepare_eft", "prepare-eft", self.prepare_eft)
        check_options("prepare_preferences", "prepare-preferences", self.prepare_preferences)
        check_options("self_instruct", "self-instruct", engine | self.self_instruct)
        check_options("candidates", "candidates", engine | CANDIDATES | self.candidates)
        if "mode" in self.score:
            raise ConfigError("score.mode", "cannot be set, since the loop sets it itself.")
        check_options("score", "score", engine | SCORE | self.score)
        for name, options in self.follow.items():
            check_options(f"follow.{name}", "follow", engine | options)
