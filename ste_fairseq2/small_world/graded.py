"""Answers of the small world with grades: right, a wrong digit of the list, a digit from elsewhere.

What "people" think of answers: they rank the three grades, and an assessor who knows the world gives
them 5, 2 and 0 points. :func:`ranked_trees` writes their ranks in OpenAssistant's form.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.jsonl import read_rows, write_rows
from ste_fairseq2.records import read_messages
from ste_fairseq2.rng import derived_generator
from ste_fairseq2.small_world.instructions import Task, draw_distinct
from ste_fairseq2.small_world.reasoning import parse_task
from ste_fairseq2.store import find_record_files

POINTS: Final = (5, 2, 0)
"""Points of an answer, by its rank."""

_STAGE: Final = "small-world-ranked"
_MAX_COUNT: Final = 5_000


def rank_of(task: Task, response: str) -> int:
    """Return 0 for the true answer, 1 for another digit of the list, 2 for anything else."""
    if response == task.answer:
        return 0

    return 1 if response in task.wrong_answers else 2


def draw_answer(task: Task, rank: int, generator: random.Random) -> str:
    """Draw an answer that ranks so."""
    if rank == 0:
        return task.answer
    if rank == 1:
        return generator.choice(task.wrong_answers)

    return str(generator.choice([digit for digit in range(10) if digit not in task.digits]))


def judgement_of_one(task: Task, points: int) -> str:
    """Return a judgement of one answer: the judge's own answer to the instruction, then the points."""
    return f"{task.answer} Score: {points}"


def share_of_right_pairs(training_set: Path) -> float | None:
    """Return in what share of preference pairs the chosen answer has the better grade, among the pairs
    whose grades differ; ``None`` where there is none. Only the world's truth shows it.

    An instruction that a model wrote may be none of the world's; pairs of those are left out.
    """
    right: list[bool] = []
    for file in find_record_files(training_set):
        for row in read_rows(file):
            messages = read_messages(row) or ()
            try:
                [task] = (parse_task(message.content) for message in messages)
            except ValueError:
                continue
            grades = [rank_of(task, row.text(name)) for name in ("tgt_chosen", "tgt_rejected")]
            if grades[0] != grades[1]:
                right.append(grades[0] < grades[1])

    return sum(right) / len(right) if right else None


def ranked_trees(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Draw conversations with an answer of each grade, as OpenAssistant stores them: one tree a row.

    Instructions are those that may be trained on, each once, equally many of each kind.

    :raises ConfigError: ``count`` is below 1 or more than the world offers.
    """
    if not 1 <= count <= _MAX_COUNT:
        raise ConfigError("count", f"must be from 1 to {_MAX_COUNT}, but is {count}.")

    return (
        _tree(f"tree-{index:05d}", task, derived_generator(seed, f"{_STAGE}-answers", str(index)))
        for index, task in enumerate(draw_distinct(_STAGE, count, seed, held_out=False))
    )


def write_ranked_trees(path: Path, count: int, seed: int) -> int:
    """Write what :func:`ranked_trees` draws as JSONL; return how many there are."""
    return write_rows(path, ranked_trees(count, seed))


def _tree(tree_id: str, task: Task, generator: random.Random) -> dict[str, Any]:
    ranks = list(range(len(POINTS)))
    generator.shuffle(ranks)
    replies = [
        _message(f"{tree_id}-{rank}", "assistant", draw_answer(task, rank, generator)) | {"rank": rank}
        for rank in ranks
    ]
    prompt = _message(tree_id, "prompter", task.text) | {"replies": replies}

    return {"message_tree_id": tree_id, "tree_state": "ready_for_export", "prompt": prompt}


def _message(message_id: str, role: str, text: str) -> dict[str, Any]:
    fields = {"message_id": message_id, "role": role, "text": text, "lang": "en"}

    return fields | {"review_result": True, "deleted": False, "rank": None, "replies": []}
