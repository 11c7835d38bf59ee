"""How many of the judgements that a filter has kept conclude rightly from a wrong answer of their own.

A judgement of the small world begins with the judge's own answer to the instruction. Rejection
sampling looks at the verdict alone, so a lucky guess passes, wrong answer and all. Only the world's
truth shows it, and only the demonstration's table uses it: no training does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, get_args

from ste_fairseq2.jsonl import read_rows
from ste_fairseq2.small_world.instructions import Kind, Task
from ste_fairseq2.store import find_record_files

_SEPARATOR: Final = " of "


def share_of_wrong_reasoning(training_set: Path, pairs: Path) -> float:
    """Return the share of a training set's judgements whose own answer is not the true one.

    :param pairs: what the judgements are of.
    """
    truths = {
        row.text("id"): parse_task(row.text("instruction")).answer
        for file in find_record_files(pairs)
        for row in read_rows(file)
    }
    rows = [row for file in find_record_files(training_set) for row in read_rows(file)]
    wrong = sum(row.text("tgt").split()[0] != truths[row.text("pair_id")] for row in rows)

    return wrong / len(rows)


def parse_task(text: str) -> Task:
    """Return the task that an instruction of the world means."""
    kind, _, digits = text.partition(_SEPARATOR)
    [known] = (name for name in get_args(Kind) if name == kind)

    return Task(known, tuple(int(digit) for digit in digits.split()))
