"""Leads from one training example back to the rows it came of, each with file and line."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from ste_fairseq2.errors import InputError, MissingPathError, UnfinishedStageError
from ste_fairseq2.jsonl import Row, read_rows
from ste_fairseq2.loop.plan import Plan, Step
from ste_fairseq2.store import find_record_files

_REFERENCE_FIELDS: Final = (
    *("sample_id", "chosen_sample_id", "rejected_sample_id", "pair_id"),
    *("answer_id", "chosen_answer_id", "rejected_answer_id", "instruction_id"),
)
"""Fields of a row that name rows it came of."""

_SHOWN_FIELDS: Final = (
    *("instruction", "baseline", "worse", "modified_instruction"),
    *("vllm_output", "gold", "order", "source", "category"),
    *("input", "response", "rank", "score", "chosen_score", "rejected_score"),
)
"""Fields of a row that say what it is, as far as it has them."""

_SHOWN_CHARS: Final = 200


def describe_example(plan: Plan, example_id: str) -> str:
    """Return the example's row and those it came of, back to the first file that has ids.

    :raises InputError: no training set holds the example.
    """
    for step in plan.steps:
        if step.kind.startswith("prepare_") and step.output.is_dir():
            for row in _rows(step.output, {example_id}):
                return "\n".join(_describe(plan, step, row))

    raise InputError(
        f"no training set of the loop has an example `{example_id}`; ids are in the train-*.jsonl files "
        "of its `data` folders."
    )


def _describe(plan: Plan, step: Step, example: Row) -> Iterator[str]:
    yield from _show(step.name, example)
    yield from _trace(plan, step.reads, _references(example))


def _trace(plan: Plan, places: Collection[str], ids: Collection[str]) -> Iterator[str]:
    """Yield the rows of these ids and what they came of, which has the same id or is named."""
    for place in places:
        found = list(_rows(Path(place), ids))
        maker = plan.maker_of(place)
        for row in found:
            yield from _show(place if maker is None else maker.name, row)
        if found:
            if maker is not None:
                # A judgement's pair and an answer's instruction have ids of their own.
                earlier = {str(row.data["id"]) for row in found}.union(*map(_references, found))
                yield from _trace(plan, maker.reads, {*ids, *earlier})
            # Of several places it came of one; another may hold something else of the same id.
            return


def _references(row: Row) -> set[str]:
    return {str(row.data[name]) for name in _REFERENCE_FIELDS if row.data.get(name) is not None}


def _rows(place: Path, ids: Collection[str]) -> Iterator[Row]:
    """Yield the rows with these ids; none where the place has no JSONL, as a data set of the Hub."""
    try:
        files = find_record_files(place)
    except (MissingPathError, UnfinishedStageError):
        return
    for file in files:
        for row in read_rows(file, on_error=lambda error: None):
            if row.data.get("id") in ids:
                yield row


def _show(name: str, row: Row) -> Iterator[str]:
    yield f"{name}  {row.source}:{row.line}"
    for field in _SHOWN_FIELDS:
        if field in row.data:
            text = " ".join(str(row.data[field]).split())
            yield f"    {field}: {text[:_SHOWN_CHARS]}{'…' if len(text) > _SHOWN_CHARS else ''}"
