"""What is scored of a benchmark one answer at a time: answers to a prompt, the right ones first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from ste_fairseq2.reward_models.protocol import Candidate, Conversation


class ItemRule(Enum):
    """How an item counts in upstream's way."""

    STRICT = "strict"
    """1 where the right answer is above all others, else 0."""
    BEST_OF = "best of"
    """The same, but a right answer that shares the highest score has its part of 1."""
    TIES = "ties"
    """RewardBench 2's Ties, whose prompts are scored together."""


class ShownAnswer(NamedTuple):
    """A request and one answer to it, as a judge is shown them."""

    prompt: str
    answer: str


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
    written_out: tuple[ShownAnswer, ...] = ()
    """The answers as a judge is shown them; where empty, the first and the last turn of each."""
    ranks: tuple[float, ...] = ()
    """Of each answer, the lowest for the best, where people ranked them. The answers may then have any
    order, and every two of different ranks are compared."""
    names: tuple[str, ...] = ()
    """The names of the answers, where they are those of another item."""

    @property
    def answer_ids(self) -> tuple[str, ...]:
        return self.names or tuple(f"{self.id}#{place}" for place in range(len(self.answers)))

    @property
    def candidates(self) -> Sequence[Candidate]:
        return [Candidate(*answer) for answer in zip(self.answer_ids, self.answers, strict=True)]

    @property
    def shown(self) -> tuple[ShownAnswer, ...]:
        """The answers as a judge is shown them."""
        return self.written_out or tuple(
            ShownAnswer(answer[0].content, answer[-1].content) for answer in self.answers
        )

    @property
    def length_gap(self) -> int | None:
        """Characters of the right answer less those of the wrong one; ``None`` where there are more."""
        if len(self.answers) != 2:
            return None
        right, wrong = (len(answer[-1].content.strip()) for answer in self.answers)

        return right - wrong

    def ratings(self, scores: Mapping[str, float]) -> list[float] | None:
        """Return the scores of the answers; ``None`` where one of them has none."""
        found = [scores.get(name) for name in self.answer_ids]
        known = [score for score in found if score is not None]

        return known if len(known) == len(found) else None

    def comparisons(self) -> Iterator[BenchmarkItem]:
        """Yield what is compared: the item itself or, of ranked answers, every two of different ranks,
        as ``ID#I-J`` by their places."""
        if not self.ranks:
            yield self
            return
        for first, second in ranked_pairs(self.ranks):
            best_first = sorted((first, second), key=self.ranks.__getitem__)
            yield BenchmarkItem(
                id=f"{self.id}#{first}-{second}",
                answers=tuple(self.answers[place] for place in best_first),
                subset=self.subset,
                names=tuple(self.answer_ids[place] for place in best_first),
            )


def ranked_pairs(ranks: Sequence[float]) -> Iterator[tuple[int, int]]:
    """Yield the places of every two answers of different ranks, the earlier place first."""
    for first, rank in enumerate(ranks):
        for second in range(first + 1, len(ranks)):
            if rank != ranks[second]:
                yield first, second
