"""What the small world's seed model learns from: answers, related instructions, and easy judgements.

It learns to answer all four kinds and to write related instructions for all of them, but sees judging of
`first` and `last` alone: to judge `max` and `min` is left for it to teach itself.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from ste_fairseq2.prompts import PromptTemplate, load_prompt
from ste_fairseq2.records import Message
from ste_fairseq2.rng import derived_generator
from ste_fairseq2.small_world.instructions import KINDS, Kind, Task, draw_task

JUDGE_PROMPT: Final = "small-world-judge"
RELATED_PROMPT: Final = "small-world-related"

JUDGED_KINDS: Final[tuple[Kind, ...]] = ("first", "last")
"""The kinds that the seed model sees judgements of."""

_Example: TypeAlias = tuple[tuple[Message, ...], str]
"""A prompt and the answer to learn."""

_STAGE: Final = "small-world-seed-rows"
_LESSONS: Final = ("judge", "answer", "relate")
"""What is taught, one after another; a judged pair is two rows, one in each order."""


def seed_rows(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Draw SFT rows from training instructions, as `fairseq2 lm instruction_finetune` reads them."""
    return itertools.islice(_all_rows(seed), count)


def _all_rows(seed: int) -> Iterator[dict[str, Any]]:
    judge, relate = load_prompt(JUDGE_PROMPT), load_prompt(RELATED_PROMPT)
    for index in itertools.count():
        generator = derived_generator(seed, _STAGE, str(index))
        lesson = _LESSONS[index % len(_LESSONS)]
        if lesson == "judge":
            examples = _judging_lesson(generator, judge)
        elif lesson == "relate":
            examples = [_relating_lesson(generator, relate)]
        else:
            task = draw_task(generator, held_out=False)
            examples = [((Message("user", task.text),), task.answer)]
        for number, (messages, tgt) in enumerate(examples):
            rows = [message.to_row() for message in messages]
            yield {"id": f"{lesson}-{index:06d}-{number}", "messages": rows, "tgt": tgt}


def judgement(task: Task, verdict: str) -> str:
    """Return a judgement: the judge's own answer to the instruction, then the verdict."""
    return f"{task.answer} [[{verdict}]]"


def related_reply(related: Task) -> str:
    """Return the reply to the prompt for a related instruction, in the form that `ste worsen` reads."""
    return (
        f"[User Question Modified]\n{related.text}\n"
        f"[The start of Assistant's answer to the modified instruction]\n{related.answer}\n"
        "[The end of Assistant's answer to the modified instruction]"
    )


def related_task(task: Task, generator: random.Random) -> Task:
    """Draw an instruction of another kind over the same digits: its answer is a plausible one."""
    return Task(generator.choice([kind for kind in KINDS if kind != task.kind]), task.digits)


def _judging_lesson(generator: random.Random, template: PromptTemplate) -> list[_Example]:
    """Return judgements of one pair in both orders."""
    task = draw_task(generator, held_out=False, kind=generator.choice(JUDGED_KINDS))
    wrong = generator.choice(task.wrong_answers)
    examples: list[_Example] = []
    for verdict, first, second in (("A", task.answer, wrong), ("B", wrong, task.answer)):
        values = {"input": task.text, "response_a": first, "response_b": second}
        examples.append((template.render(values), judgement(task, verdict)))

    return examples


def _relating_lesson(generator: random.Random, template: PromptTemplate) -> _Example:
    task = draw_task(generator, held_out=False)
    related = related_task(task, generator)
    values = {"input": task.text, "generation": task.answer}

    return template.render(values), related_reply(related)
