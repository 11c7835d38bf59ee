"""What `ste follow` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

from ste_fairseq2.config_values import build_config
from ste_fairseq2.engines.config import EngineConfig
from ste_fairseq2.errors import ConfigError
from ste_fairseq2.evaluation.judging import INPUTS_NAME, JUDGEMENTS_NAME
from ste_fairseq2.synthesis.config import StageConfig
from ste_fairseq2.synthesis.judge import JudgeConfig


@dataclass(kw_only=True)
class FollowConfig(StageConfig):
    """`ste follow`."""

    inputs: str
    """JSONL with `instruction`, its known `answer` and, where wanted, `category` and `id`; or ranked
    answers as `ste prepare-ranked` writes them, of which an instruction's best is the known one"""
    temperature: float = 0.0
    """0 is greedy"""
    judge: Path | None = None
    """model that compares each answer with the known one, in both orders; without one an answer is right
    where it is the known one but for case and white space"""
    judge_options: dict[str, str] = field(default_factory=dict)
    """options of `ste judge` for that"""

    def validate(self) -> None:
        super().validate()
        if self.judge_options and self.judge is None:
            raise ConfigError("judge_options", "needs a `judge`.")
        if self.judge is not None:
            self.judge_config(self.judge)

    def judge_config(self, judge: Path) -> JudgeConfig:
        """Return how answers are compared.

        :raises ConfigError: an option is wrong.
        """
        import yaml

        # It runs where the model did, that is, with the same engine.
        engine = {item.name: getattr(self, item.name) for item in fields(EngineConfig)}
        fixed = {
            "inputs": str(self.output / INPUTS_NAME),
            "output": self.output / JUDGEMENTS_NAME,
            "model": judge,
            "both_orders": True,
        }
        options = {name: yaml.safe_load(text) for name, text in self.judge_options.items()}
        for name in fixed.keys() & options.keys():
            raise ConfigError("judge_options", f"cannot set `{name}`, which the test sets itself.")

        return build_config(JudgeConfig, engine | options | fixed)
