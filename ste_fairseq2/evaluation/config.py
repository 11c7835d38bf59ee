"""What `ste evaluate` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.reward_models.config import RewardKind


@dataclass(kw_only=True)
class EvaluateConfig:
    """What to score."""

    output: Path
    """folder for scores.json, card.md and what a model says of the benchmark"""
    judgements: Path | None = None
    """judgements to score: a file or folder of judgement samples, or what `ste judge` wrote"""
    benchmark: str | None = None
    """benchmark that the judgements are of, or that the model is asked about"""
    data: Path | None = None
    """local copy of the benchmark's data, in place of the Hugging Face Hub"""
    model: Path | None = None
    """model that judges the benchmark, each pair in both orders; with mode=score, answers one by one"""
    judge_options: dict[str, str] = field(default_factory=dict)
    """options of `ste judge` for that, such as prompt=released-judge samples=32 temperature=0.7, or
    mode=score samples=3 temperature=0.7"""
    checkpoints: Path | None = None
    """output folder of a training run: each of its checkpoints judges the benchmark, and the best is
    named (checkpoints.json, .md and .png); checkpoints that the run has not exported are"""
    reward_model: Path | None = None
    """reward model that scores the answers of the benchmark, or the responses of best_of, one by one"""
    kind: RewardKind = "classifier"
    """where the reward model's score comes from; classifier: its logit; dpo: the log-probability of an
    answer less that under `reference`; ref-free-*: log-probabilities of its tokens, averaged, summed, or
    their norm with a minus"""
    reference: Path | None = None
    """with --kind dpo: the model that training began with"""
    reward_options: dict[str, str] = field(default_factory=dict)
    """label_index=N for a classifier with several labels, dtype=bfloat16, batch_tokens=N,
    trust_remote_code=true for a model that brings its own code"""
    best_of: Path | None = None
    """file or folder of prompts, each with responses, which the reward model ranks"""
    frozen_inputs: Path | None = None
    """file of rendered prompts with is_shuffled, where the judgements do not have it themselves"""
    prior: Path | None = None
    """output folder of an evaluation of prior-sets, for RewardBench's score with them at half weight"""
    judge: str | None = None
    """name of the judge, for judgements that do not name theirs"""
    compare: tuple[Path, ...] = ()
    """output folders of this command; the first is what the others are compared with"""
    resamples: int = 10_000
    """bootstrap resamples of the intervals"""
    level: float = 0.95
    """confidence level of the intervals"""
    seed: int = 2
    """seed of the resamples"""
    quarantine_limit: float = 0.01
    """share of malformed rows (0 to 1) that is still put up with"""

    @property
    def is_scoring(self) -> bool:
        """Whether the model scores answers one by one."""
        return self.judge_options.get("mode") == "score"

    def validate(self) -> None:
        """
        :raises ConfigError:
        """
        sources = (
            self.judgements,
            self.model,
            self.checkpoints,
            self.reward_model,
            self.compare or None,
        )
        if sum(source is not None for source in sources) != 1:
            raise ConfigError(
                "judgements",
                "must be given, or else one of `model`, `checkpoints`, `reward_model` and `compare`.",
            )
        if (self.model is not None or self.checkpoints is not None) and self.benchmark is None:
            raise ConfigError("benchmark", "must be given, for the model to judge.")
        if self.checkpoints is not None and self.is_scoring:
            raise ConfigError(
                "judge_options",
                "cannot have mode=score with `checkpoints`, which are chosen by the accuracy of both "
                "orders; score the benchmark with one checkpoint at a time, as `model`.",
            )
        self._validate_reward_model()
        if self.frozen_inputs is not None and (self.judgements is None or self.benchmark is None):
            raise ConfigError("frozen_inputs", "needs `judgements` and the `benchmark` they are of.")
        if self.prior is not None and self.benchmark != "rewardbench":
            raise ConfigError("prior", "belongs to the `benchmark` rewardbench.")
        if self.resamples < 1:
            raise ConfigError("resamples", f"must be at least 1, but is {self.resamples}.")
        if not 0.0 < self.level < 1.0:
            raise ConfigError("level", f"must be between 0 and 1, but is {self.level}.")
        if not 0.0 <= self.quarantine_limit <= 1.0:
            raise ConfigError("quarantine_limit", f"must be 0 to 1, but is {self.quarantine_limit}.")

    def _validate_reward_model(self) -> None:
        if self.reward_model is not None:
            if (self.benchmark is None) == (self.best_of is None):
                raise ConfigError("benchmark", "must be given for the reward model, or else `best_of`.")
            return
        if self.kind != "classifier":
            raise ConfigError("kind", "is that of a `reward_model`, which is not given.")
        for name in ("reference", "reward_options", "best_of"):
            if getattr(self, name):
                raise ConfigError(name, "needs a `reward_model`.")
