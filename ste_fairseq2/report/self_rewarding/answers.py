"""Reads the scored answers of a loop, to show some of them with what became of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.errors import RowError
from ste_fairseq2.jsonl import Row, read_rows
from ste_fairseq2.loop.plan import Plan, Round
from ste_fairseq2.report.judgements import Choice, ShownAnswer, ShownSample, Stratum
from ste_fairseq2.store.manifest import read_manifest
from ste_fairseq2.store.stage import RECORDS_PREFIX

_KIND: Final = "scored answers"

_NAMED_BY: Final = {
    "chosen_answer_id": "chosen",
    "rejected_answer_id": "rejected",
    "answer_id": "teaches judging",
}
"""Fields of a training set that name an answer, and what it is there."""

_OTHERS: Final = {"sft": "left out", "dpo": "neither"}
"""What the answers are that a training set does not name."""


def offer_answers(plan: Plan, choice: Choice[ShownAnswer]) -> None:
    """Offer every scored answer, whether or not the stage that scores them has ended."""
    for round_ in plan.rounds:
        if round_.scores is None:
            continue
        became, others = _read_fates(round_)
        for row in _rows(round_.scores):
            try:
                answer = _read(row, round_.number, became, others)
            except (RowError, ValueError, TypeError, KeyError):
                # A line that is being written, or a row of another program.
                continue
            _offer(answer, choice)


def _offer(answer: ShownAnswer, choice: Choice[ShownAnswer]) -> None:
    choice.offer(Stratum(_KIND, answer.round), answer.became, answer.id, lambda: answer)


def _read(row: Row, number: int, became: Mapping[str, str], others: str) -> ShownAnswer:
    answer_id = row.text("id")

    return ShownAnswer(
        id=answer_id,
        round=number,
        instruction=row.text("input"),
        answer=row.text("response"),
        score=row.optional_number("score"),
        became=became.get(answer_id, others),
        samples=[_read_sample(sample) for sample in row.require("samples")],
    )


def _read_sample(data: Mapping[str, Any]) -> ShownSample:
    score, failure = data["score"], data.get("failure")

    return ShownSample(
        text=str(data["generated_output"]),
        score=None if score is None else float(score),
        failure="" if failure is None else str(failure),
    )


def _read_fates(round_: Round) -> tuple[Mapping[str, str], str]:
    """Return what became of the answers that the training set names, and of the others."""
    [(phase, data)] = round_.data.items()
    manifest = read_manifest(data)
    if manifest is None:
        return {}, "no training set yet"
    became: dict[str, str] = {}
    for name in manifest.details["files"]:
        for row in read_rows(data / name, on_error=lambda error: None):
            for field, fate in _NAMED_BY.items():
                if field in row.data:
                    became[str(row.data[field])] = fate

    return became, _OTHERS[phase]


def _rows(folder: Path) -> Iterator[Row]:
    for path in sorted(folder.glob(f"{RECORDS_PREFIX}-*.jsonl")):
        yield from read_rows(path, on_error=lambda error: None)
