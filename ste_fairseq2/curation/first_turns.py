"""From the turns of conversations to opening prompts with ranked answers; counts what it leaves out.

Only first turns serve (Self-Rewarding Language Models, arXiv 2401.10020, 3.1.1): what opens a
conversation, and the assistant's replies to that. Turns may come in any order, a reply before what it
replies to.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from ste_fairseq2.curation.conversations import Turn
from ste_fairseq2.jsonl import Row
from ste_fairseq2.records.ranked import RankedAnswer

_READY: Final = "ready_for_export"
"""The state of a tree whose messages have all been ranked and reviewed."""


@dataclass(frozen=True)
class RankedPrompt:
    """An instruction with the answers that people ranked; there is at least one."""

    id: str
    text: str
    answers: tuple[RankedAnswer, ...]
    """Sorted by id."""

    @property
    def has_order(self) -> bool:
        """Whether one answer is better than another."""
        return len({answer.rank for answer in self.answers}) > 1


@dataclass(frozen=True)
class Selected:
    """What is left of the conversations, and what became of the rest."""

    prompts: list[RankedPrompt] = field(default_factory=list)
    """Sorted by id."""
    prompt_fates: Counter[str] = field(default_factory=Counter)
    """Prompts that are left out, by reason."""
    answer_fates: Counter[str] = field(default_factory=Counter)
    """Answers to opening prompts that are left out, by reason."""
    other_turns: Counter[str] = field(default_factory=Counter)
    """Turns that are no first turns: ``later_turn``, and ``no_prompt`` where what it replies to is not
    in the input."""


class FirstTurns:
    """Collects turns; :meth:`select` joins them."""

    def __init__(self) -> None:
        self._prompts: dict[str, tuple[Turn, str]] = {}
        self._replies: dict[str, tuple[Turn, str]] = {}

    def add(self, row: Row, turns: Sequence[Turn]) -> None:
        """Take the turns of a row, all or none.

        :raises RowError: the id of one is taken.
        """
        place = f"{row.source}:{row.line}"
        new: set[str] = set()
        for turn in turns:
            known = self._prompts if turn.parent_id is None else self._replies
            earlier, at = known.get(turn.id, (None, place))
            is_taken = earlier is not None or turn.id in new
            new.add(turn.id)
            if not is_taken:
                continue
            if not turn.is_plain:
                row.fail("message_id", f"{turn.id!r} is that of {at} too; ids must be unique.")
            if turn.is_answer:
                row.fail("id", f"{turn.id!r} is that of {at} too; ids must be unique.")
            if turn != earlier:
                row.fail("instruction_id", f"{turn.id!r} is that of another instruction at {at}.")
        for turn in turns:
            known = self._prompts if turn.parent_id is None else self._replies
            known.setdefault(turn.id, (turn, place))

    def select(self, languages: Collection[str]) -> Selected:
        """Return the prompts that have a ranked answer.

        :param languages: those to keep; all where empty.
        """
        selected = Selected()
        answers = self._answers_by_prompt(selected.other_turns)
        for name in sorted(self._prompts):
            prompt, _ = self._prompts[name]
            reason = _why_not_prompt(prompt, languages)
            if reason is not None:
                selected.prompt_fates[reason] += 1
                selected.answer_fates["prompt_left_out"] += len(answers[name])
                continue
            ranked = []
            for answer in sorted(answers[name], key=lambda turn: turn.id):
                found = _rank(prompt, answer)
                if isinstance(found, str):
                    selected.answer_fates[found] += 1
                else:
                    ranked.append(found)
            if ranked:
                selected.prompts.append(RankedPrompt(prompt.id, prompt.text, tuple(ranked)))
            else:
                selected.prompt_fates["no_ranked_answer"] += 1

        return selected

    def _answers_by_prompt(self, others: Counter[str]) -> defaultdict[str, list[Turn]]:
        answers: defaultdict[str, list[Turn]] = defaultdict(list)
        for turn, _ in self._replies.values():
            assert turn.parent_id is not None
            if turn.is_answer and turn.parent_id in self._prompts:
                answers[turn.parent_id].append(turn)
            elif turn.parent_id in self._replies or turn.parent_id in self._prompts:
                others["later_turn"] += 1
            else:
                others["no_prompt"] += 1

        return answers


def _why_not_prompt(prompt: Turn, languages: Collection[str]) -> str | None:
    if prompt.tree_state not in (None, _READY):
        return "not_ready"
    if languages and not prompt.is_plain and prompt.language not in languages:
        return "other_language"

    return _why_not(prompt)


def _rank(prompt: Turn, answer: Turn) -> RankedAnswer | str:
    """Return the answer, or why it is left out."""
    reason = _why_not(answer)
    if reason is not None:
        return reason
    if answer.rank is None:
        return "unranked"

    return RankedAnswer(answer.id, prompt.id, prompt.text, answer.text, answer.rank)


def _why_not(turn: Turn) -> str | None:
    if turn.is_deleted:
        return "deleted"
    if turn.failed_review:
        return "failed_review"

    return None if turn.text.strip() else "empty"
