"""What `ste demo` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ste_fairseq2.errors import ConfigError


@dataclass(kw_only=True)
class DemoConfig:
    """`ste demo`."""

    output_dir: Path
    """folder to write; the same one again goes on where it was left"""
    seed: int = 2
    """seed of the instructions, the held-out pairs, the samples and the training"""
    rounds: int = 3
    """rounds of judging and training"""
    instructions: int = 600
    """instructions to make pairs of"""

    def validate(self) -> None:
        """
        :raises ConfigError:
        """
        for name in ("rounds", "instructions"):
            if getattr(self, name) < 1:
                raise ConfigError(name, f"must be at least 1, but is {getattr(self, name)}.")
