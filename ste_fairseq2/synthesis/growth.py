"""A set of instructions that grows batch by batch, whatever the order in which completions finish.

Replies are asked for in batches of a fixed size. The prompts of a batch show what the batches before it
came to, and what becomes of its replies is decided when all have come, in the order of their ids. So a
batch that a kill has cut off ends as it would have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ste_fairseq2.engines.prompting import Prompter
from ste_fairseq2.engines.protocol import GenerationResult
from ste_fairseq2.instructions.novelty import KnownInstructions, WordingRule
from ste_fairseq2.prompts import PromptTemplate
from ste_fairseq2.records import Instruction
from ste_fairseq2.rng import derived_generator
from ste_fairseq2.store import StageStore
from ste_fairseq2.synthesis.new_instruction import list_examples, read_new_instruction
from ste_fairseq2.synthesis.replies import ReplyPlan, ReplyTask, Unusable
from ste_fairseq2.synthesis.reply_journal import ReplyJournal, ReplyOutcome
from ste_fairseq2.synthesis.stage import StageTools
from ste_fairseq2.synthesis.tasks import finish_tasks

EXAMPLES: Final = "examples"
"""What the prompt's template must show."""

_WORK_NAME: Final = ".work"
_MIN_DIGITS: Final = 6


@dataclass(frozen=True, kw_only=True)
class GrowthPlan:
    """How instructions are asked for, and which are kept."""

    template: PromptTemplate
    replies: ReplyPlan
    rule: WordingRule
    max_similarity: float
    count: int
    """New instructions wanted."""
    shots: int
    new_shots: int
    batch_size: int
    max_replies: int


class Growth:
    """The instructions that are known, while more are written."""

    def __init__(self, plan: GrowthPlan, seeds: Iterable[Instruction], store: StageStore) -> None:
        """
        :param seeds: the instructions that were given.
        :param store: holds what earlier runs came to, and receives what comes.
        """
        self._plan = plan
        self._store = store
        self._journal = ReplyJournal(store.folder / _WORK_NAME, store.__contains__)
        # By their ids, so that the order of files and of a store does not matter.
        self._seeds = sorted(seeds, key=lambda seed: seed.id)
        self._written = sorted(map(Instruction.from_row, store.records()), key=lambda new: new.id)
        self._known = KnownInstructions(plan.max_similarity)
        for instruction in (*self._seeds, *self._written):
            self._known.add(instruction.id, instruction.instruction)
        self._digits = max(_MIN_DIGITS, len(str(plan.max_replies - 1)))
        """So that ids stand in the order of their numbers."""
        self._num_decided = 0
        if self.is_over:
            self._journal.clear()

    @property
    def is_over(self) -> bool:
        """Whether there are as many as are wanted and no batch is cut off, or no reply is left."""
        number = self._first_undecided()
        if number >= self._plan.max_replies:
            return True

        return number % self._plan.batch_size == 0 and self._has_enough

    @property
    def tokens_undecided(self) -> int:
        """Tokens that were spent on replies which are not in the store yet."""
        return self._journal.num_tokens

    def finish(self, tools: StageTools) -> None:
        """Ask for batches until there are as many instructions as are wanted, or no reply is left."""
        while not self.is_over:
            self._finish_batch(tools)

    @property
    def _has_enough(self) -> bool:
        return len(self._written) >= self._plan.count

    def _id(self, number: int) -> str:
        return f"new-{number:0{self._digits}d}"

    def _first_undecided(self) -> int:
        while self._num_decided < self._plan.max_replies and self._id(self._num_decided) in self._store:
            self._num_decided += 1

        return self._num_decided

    def _finish_batch(self, tools: StageTools) -> None:
        """Ask for what is missing of the first batch that is not complete, and decide on it."""
        size = self._plan.batch_size
        start = self._first_undecided() // size * size
        end = min(start + size, self._plan.max_replies)
        # Not what an earlier run has kept of this batch itself.
        earlier = [new for new in self._written if new.id < self._id(start)]
        undecided = [i for i in map(self._id, range(start, end)) if i not in self._store]
        tasks = (
            make_task(self._plan, record_id, self._seeds, earlier, tools.prompter)
            for record_id in undecided
            if record_id not in self._journal
        )
        for task in finish_tasks(tasks, tools.engine):
            self._journal.put(task)
            tools.progress.advance(0, task.num_output_tokens)
        for record_id in undecided:
            is_new = self._decide(record_id, self._journal.pop(record_id))
            tools.progress.advance(int(is_new), 0)
        self._journal.clear()

    def _decide(self, record_id: str, outcome: ReplyOutcome) -> bool:
        """Write what came of a reply, and return whether it is a new instruction."""
        row = outcome.row
        if row is None:
            self._store.drop(record_id, outcome.reason, outcome.detail)
            return False
        new = Instruction(record_id, row["instruction"])
        detail = {name: value for name, value in row.items() if name not in ("id", "source")}
        similar = self._known.find_similar(new.instruction)
        if similar is not None:
            detail |= {"similar_to": similar.id, "similarity": round(similar.similarity, 4)}
            self._store.drop(record_id, "similar", detail)
            return False
        if self._has_enough:
            self._store.drop(record_id, "enough", detail)
            return False
        self._store.append(row)
        self._written.append(new)
        self._known.add(new.id, new.instruction)

        return True


def make_task(
    plan: GrowthPlan,
    record_id: str,
    seeds: Sequence[Instruction],
    earlier: Sequence[Instruction],
    prompter: Prompter,
) -> ReplyTask:
    """Return the task that asks for one instruction.

    :param earlier: those that were written in the batches before.
    """
    shots = draw_shots(plan, record_id, seeds, earlier)
    examples = list_examples([shot.instruction for shot in shots])

    return ReplyTask(
        record_id,
        lambda: prompter.render(plan.template.render({EXAMPLES: examples})),
        plan.replies,
        _make_reader(plan.rule, record_id, [shot.id for shot in shots]),
    )


def draw_shots(
    plan: GrowthPlan, record_id: str, seeds: Sequence[Instruction], earlier: Sequence[Instruction]
) -> list[Instruction]:
    """Return the examples that a prompt shows, in an order of chance: fewer than are wanted where there
    are no more."""
    generator = derived_generator(plan.replies.seed, plan.replies.stage, record_id)
    new = generator.sample(earlier, min(plan.new_shots, len(earlier)))
    given = generator.sample(seeds, min(plan.shots - len(new), len(seeds)))
    shots = given + new
    generator.shuffle(shots)

    return shots


def _make_reader(
    rule: WordingRule, record_id: str, shots: Sequence[str]
) -> Callable[[GenerationResult], dict[str, Any] | Unusable]:
    def read(result: GenerationResult) -> dict[str, Any] | Unusable:
        if result.finish_reason == "length":
            return Unusable("truncated")
        text = read_new_instruction(result.text, len(shots) + 1)
        if not text:
            return Unusable("empty")
        reason = rule.reason_against(text)
        if reason is not None:
            return Unusable(reason)

        return {
            "id": record_id,
            "instruction": text,
            "source": "self-instruct",
            "shots": list(shots),
        }

    return read
