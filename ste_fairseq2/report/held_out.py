"""Reads the judgements of a loop's evaluations, to show some of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ste_fairseq2.curation.outcomes import judge_outcome
from ste_fairseq2.errors import RowError
from ste_fairseq2.evaluation.judging import INPUTS_NAME, JUDGEMENTS_NAME
from ste_fairseq2.jsonl import Row, read_rows
from ste_fairseq2.loop.plan import Plan
from ste_fairseq2.records import JudgeInput
from ste_fairseq2.report.judgements import VERDICTS, Choice, ShownJudgement, ShownPair, Stratum
from ste_fairseq2.store.stage import RECORDS_PREFIX
from ste_fairseq2.verdicts import Verdict


def offer_held_out(plan: Plan, choice: Choice[ShownJudgement]) -> None:
    """Offer every judgement on a pair whose better answer is known."""
    for round_ in plan.rounds:
        for name, path in round_.evaluations.items():
            _offer_all(path, f"held-out: {name}", round_.number, choice)


def read_held_out_pairs(plan: Plan, wanted: Mapping[str, Collection[str]]) -> dict[str, ShownPair]:
    """Return the texts of pairs, as far as they are there.

    :param wanted: ids by evaluation.
    """
    return {
        f"{path}#{pair_id}": pair
        for round_ in plan.rounds
        for path in round_.evaluations.values()
        for pair_id, pair in _read_pairs(path, wanted.get(str(path), ())).items()
    }


def _offer_all(evaluation: Path, kind: str, round_number: int, choice: Choice[ShownJudgement]) -> None:
    for row in _rows(evaluation / JUDGEMENTS_NAME):
        try:
            _offer(row, evaluation, kind, round_number, choice)
        except (RowError, ValueError):
            # A line that is being written, or a row of another program.
            continue


def _read_pairs(evaluation: Path, wanted: Collection[str]) -> dict[str, ShownPair]:
    path = evaluation / INPUTS_NAME
    if not wanted or not path.is_file():
        return {}
    inputs = (
        JudgeInput.from_row(row)
        for row in read_rows(path, on_error=lambda error: None)
        if row.data.get("id") in wanted
    )

    return {pair.id: ShownPair(pair.input, pair.response_a, pair.response_b) for pair in inputs}


def _offer(
    row: Row, evaluation: Path, kind: str, round_number: int, choice: Choice[ShownJudgement]
) -> None:
    label = row.optional_text("label")
    if label not in (Verdict.A.value, Verdict.B.value):
        return
    verdict, gold = Verdict(row.text("verdict")), Verdict(label)
    finish_reason = row.optional_text("finish_reason")
    name = VERDICTS[judge_outcome(verdict, gold, finish_reason)]
    pair_id, text = row.text("pair_id"), row.text("generated_output")
    better_first = gold is Verdict.A
    samples = row.data.get("samples", ())
    votes = (sum(sample["verdict"] == label for sample in samples), len(samples)) if samples else None
    record_id, prompt, order = row.text("id"), row.text("prompt"), row.text("order")
    choice.offer(
        Stratum(kind, round_number, better_first),
        name,
        record_id,
        lambda: ShownJudgement(
            id=record_id,
            kind=kind,
            round=round_number,
            verdict=name,
            named=verdict.value,
            better_first=better_first,
            group=row.optional_text("subset") or "",
            text=text,
            cut=finish_reason == "length",
            pair=f"{evaluation}#{pair_id}",
            is_swapped=order == "1_0",
            prompt=prompt,
            votes=votes,
        ),
    )


def _rows(folder: Path) -> Iterator[Row]:
    for path in sorted(folder.glob(f"{RECORDS_PREFIX}-*.jsonl")):
        yield from read_rows(path, on_error=lambda error: None)
