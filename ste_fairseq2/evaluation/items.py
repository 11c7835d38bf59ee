"""What a reward model scores of a benchmark: answers to a prompt, the right ones first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from ste_fairseq2.reward_models.protocol import Candidate, Conversation


class ItemRule(Enum):
    """How an item counts in upstream's way."""

    STRICT = "strict"
    """1 where the right answer is above all others, else 0."""
    BEST_OF = "best of"
    """The same, but a right answer that shares the highest score has its part of 1."""
    TIES = "ties"
    """RewardBench 2's Ties, whose prompts are scored together."""


@dataclass(frozen=True)
class BenchmarkItem:
    """A prompt with its answers."""

    id: str
    """Unique within the benchmark; that of the pair where the item is one."""
    answers: tuple[Conversation, ...]
    """Conversations that end with an answer; the right ones first."""
    num_right: int = 1
    subset: str | None = None
    rule: ItemRule = ItemRule.STRICT

    @property
    def candidates(self) -> Sequence[Candidate]:
        return [Candidate(f"{self.id}#{n}", answer) for n, answer in enumerate(self.answers)]

    @property
    def length_gap(self) -> int | None:
        """Characters of the right answer less those of the wrong one; ``None`` where there are more."""
        if len(self.answers) != 2:
            return None
        right, wrong = (len(answer[-1].content.strip()) for answer in self.answers)

        return right - wrong

    def ratings(self, scores: Mapping[str, float]) -> list[float] | None:
        """Return the scores of the answers; ``None`` where one of them has none."""
        found = [scores.get(candidate.id) for candidate in self.candidates]
        known = [score for score in found if score is not None]

        return known if len(known) == len(found) else None
