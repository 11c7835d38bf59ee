"""What the base model of Self-Rewarding learns from: a little of everything, with errors in it.

It scores single answers, judges pairs, answers, and writes new instructions, as a model does that has
read much. Of judging it sees `first` and `last` alone, worked out with care. In answering it is hasty:
asked for the largest or smallest digit it mostly names the last one. So there is something left to learn
from people and from itself.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from ste_fairseq2.prompts import load_prompt
from ste_fairseq2.records import Message
from ste_fairseq2.rng import derived_generator
from ste_fairseq2.small_world.graded import POINTS, draw_answer, judgement_of_one
from ste_fairseq2.small_world.instructions import Kind, draw_task
from ste_fairseq2.small_world.seed_rows import JUDGE_PROMPT, JUDGED_KINDS, judgement
from ste_fairseq2.synthesis.new_instruction import list_examples

SCORE_PROMPT: Final = "small-world-score"
NEW_PROMPT: Final = "small-world-new"

NUM_SHOTS: Final = 8
"""Examples that the prompt for a new instruction shows."""

HASTY_KINDS: Final[tuple[Kind, ...]] = ("max", "min")
HASTY_ANSWERS: Final = 0.6
"""Share of the answers to instructions of these kinds that are the last digit."""

FOREIGN_ANSWERS: Final = 0.1
"""Share of all answers that are no digit of the list."""

BLIND_SCORES: Final = 0.1
"""Share of the judgements of single answers whose points are drawn blindly."""

_STAGE: Final = "small-world-base-rows"

_Example: TypeAlias = tuple[tuple[Message, ...], str]
"""A prompt and the answer to learn."""


def base_rows(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Draw SFT rows from training instructions, as `fairseq2 lm instruction_finetune` reads them."""
    return itertools.islice(_all_rows(seed), count)


def _all_rows(seed: int) -> Iterator[dict[str, Any]]:
    lessons: tuple[Callable[[random.Random], _Example], ...]
    lessons = (_score, _judge, _score, _answer, _score, _judge, _score, _new)
    for index in itertools.count():
        generator = derived_generator(seed, _STAGE, str(index))
        messages, tgt = lessons[index % len(lessons)](generator)
        rows = [message.to_row() for message in messages]
        yield {"id": f"base-{index:06d}", "messages": rows, "tgt": tgt}


def _answer(generator: random.Random) -> _Example:
    task = draw_task(generator, held_out=False)
    answer = draw_answer(task, 2 if generator.random() < FOREIGN_ANSWERS else 0, generator)
    if task.kind in HASTY_KINDS and generator.random() < HASTY_ANSWERS:
        answer = str(task.digits[-1])

    return (Message("user", task.text),), answer


def _score(generator: random.Random) -> _Example:
    task = draw_task(generator, held_out=False, kind=generator.choice(JUDGED_KINDS))
    rank = generator.randrange(len(POINTS))
    points = POINTS[rank]
    if generator.random() < BLIND_SCORES:
        points = generator.randrange(6)
    values = {"input": task.text, "response": draw_answer(task, rank, generator)}

    return load_prompt(SCORE_PROMPT).render(values), judgement_of_one(task, points)


def _judge(generator: random.Random) -> _Example:
    task = draw_task(generator, held_out=False, kind=generator.choice(JUDGED_KINDS))
    answers = [task.answer, draw_answer(task, generator.choice((1, 2)), generator)]
    verdict = generator.choice("AB")
    if verdict == "B":
        answers.reverse()
    values = {"input": task.text, "response_a": answers[0], "response_b": answers[1]}

    return load_prompt(JUDGE_PROMPT).render(values), judgement(task, verdict)


def _new(generator: random.Random) -> _Example:
    *shown, new = (draw_task(generator, held_out=False).text for _ in range(NUM_SHOTS + 1))

    return load_prompt(NEW_PROMPT).render({"examples": list_examples(shown)}), new
