"""What is scored, and what a reward model is to the code that runs it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from ste_fairseq2.records import Message

Conversation: TypeAlias = tuple[Message, ...]
"""Turns that end with the answer in question."""


@dataclass(frozen=True)
class Candidate:
    """An answer that is to be scored."""

    id: str
    conversation: Conversation


@dataclass(frozen=True)
class Encoded:
    """The token ids of a conversation; kept small, since all of a benchmark's are held at once."""

    ids: array[int]
    answer_start: int
    """Where the scored tokens begin; 0 where the conversation is scored as a whole."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def key(self) -> tuple[bytes, int]:
        """Equal for equal conversations."""
        return self.ids.tobytes(), self.answer_start


class RewardModel(Protocol):
    """A model that scores answers; higher is better."""

    @property
    def max_len(self) -> int | None:
        """The longest conversation in tokens; ``None`` where the model does not say."""

    @property
    def pads(self) -> bool:
        """Whether conversations of different lengths may share a batch."""

    def encode(self, conversation: Conversation) -> Encoded:
        """
        :raises ChatTemplateError: the model's template cannot render it faithfully.
        """

    def score(self, batch: Sequence[Encoded]) -> list[float]:
        """Return the scores in the batch's order; one that is no number is NaN or infinite."""
