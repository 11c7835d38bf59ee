"""What every stage that asks a model can be configured with: input, output, sampling, limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ste_fairseq2.engines.config import EngineConfig
from ste_fairseq2.engines.protocol import SamplingSettings
from ste_fairseq2.errors import ConfigError


@dataclass(kw_only=True)
class StageConfig(EngineConfig):
    """A model, what it works on, and how it samples."""

    inputs: str
    """what to work on"""
    output: Path
    """folder to write; the same one again goes on where it was left"""
    temperature: float = 0.7
    """0 is greedy"""
    top_p: float = 0.9
    """share of the probability that tokens are drawn from"""
    max_tokens: int = 2048
    """longest answer of the model"""
    seed: int = 2
    """seed of the samples"""
    limit: int | None = None
    """work on only the first so many usable rows"""
    quarantine_limit: float = 0.01
    """share of malformed rows (0 to 1) that is still put up with"""

    def validate(self) -> None:
        super().validate()
        if self.max_tokens < 1:
            raise ConfigError("max_tokens", f"must be at least 1, but is {self.max_tokens}.")
        if self.limit is not None and self.limit < 1:
            raise ConfigError("limit", f"must be at least 1, but is {self.limit}.")
        if self.temperature < 0.0:
            raise ConfigError("temperature", f"must not be negative, but is {self.temperature}.")
        if not 0.0 < self.top_p <= 1.0:
            raise ConfigError("top_p", f"must be above 0 and at most 1, but is {self.top_p}.")
        if not 0.0 <= self.quarantine_limit <= 1.0:
            raise ConfigError("quarantine_limit", f"must be 0 to 1, but is {self.quarantine_limit}.")

    def sampling(self) -> SamplingSettings:
        return SamplingSettings(
            temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens
        )

    def check_varied(self, name: str) -> None:
        """Refuse several samples that would all be the same.

        :param name: the field that asks for several.
        :raises ConfigError:
        """
        if getattr(self, name) > 1 and self.temperature == 0.0:
            raise ConfigError(name, "above 1 are all the same at temperature 0; set `temperature`.")
