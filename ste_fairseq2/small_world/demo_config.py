"""What `ste demo` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ste_fairseq2.errors import ConfigError

_ROUNDS: Final = {"self_taught": 3, "self_rewarding": 2}
_INSTRUCTIONS: Final = {"self_taught": 600, "self_rewarding": 1500}


@dataclass(kw_only=True)
class DemoConfig:
    """`ste demo`."""

    output_dir: Path
    """folder to write; the same one again goes on where it was left"""
    method: Literal["self_taught", "self_rewarding"] = "self_taught"
    """self_taught: a judge learns from its own right judgements, by two filters side by side;
    self_rewarding: a model learns from the scores that it gives its own answers"""
    seed: int = 2
    """seed of the instructions, of what is held out, the samples and the training"""
    rounds: int | None = None
    """rounds of judging and training (3 where absent); with self_rewarding rounds of DPO (2)"""
    instructions: int | None = None
    """instructions to make pairs of (600 where absent); with self_rewarding new ones a round (1500)"""

    def validate(self) -> None:
        """
        :raises ConfigError:
        """
        for name in ("rounds", "instructions"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(name, f"must be at least 1, but is {value}.")

    @property
    def num_rounds(self) -> int:
        """The rounds to run."""
        return self.rounds if self.rounds is not None else _ROUNDS[self.method]

    @property
    def num_instructions(self) -> int:
        """The instructions to begin with, or to write in each round."""
        return self.instructions if self.instructions is not None else _INSTRUCTIONS[self.method]
