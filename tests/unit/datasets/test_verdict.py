"""Held-out judgements as questions of one verdict: which rows, what is asked, which pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fairseq2.device import CPU
from fairseq2.gang import create_fake_gangs

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.datasets import SourceConfig
from ste_fairseq2.datasets.plan import Step
from ste_fairseq2.datasets.preference import PreferenceExamples
from ste_fairseq2.datasets.sft import SftExamples
from ste_fairseq2.datasets.verdict import NO_CELL, VerdictBatch, VerdictRows
from ste_fairseq2.jsonl import write_rows


def row(name: str, tgt: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": name,
        "messages": [{"role": "user", "content": f"Judge {name}."}],
        "tgt": tgt,
        **fields,
    }


def verdicts(rows: Sequence[Mapping[str, Any]], renderer: ChatRenderer, folder: Path) -> VerdictRows:
    write_rows(folder / "rows.jsonl", rows)
    kls = SftExamples if "tgt" in rows[0] else PreferenceExamples
    dataset: Any = kls("valid_sources", [SourceConfig(path=str(folder / "rows.jsonl"))])
    dataset.measure(renderer, create_fake_gangs(CPU), max_seq_len=500, source_encode_mode="chat")

    return VerdictRows(dataset)


def collated(found: VerdictRows) -> VerdictBatch:
    numbers = tuple(range(found.num_rows))

    return found.collate(Step(((numbers,),)), numbers, is_filler=False)


def asked(found: VerdictRows, renderer: ChatRenderer) -> list[tuple[str, str]]:
    """Return judgement and mark of each row as the model sees them: with the right and the other one."""
    header = "assistant<|end_header_id|>\n\n"
    texts = []
    for group in collated(found).answers.groups:
        whole = [renderer.decode([*group.prompt, *answer]) for answer in group.answers]
        right, other = (text.rpartition(header)[2] for text in whole)
        texts.append((right, other))

    return texts


def test_what_follows_the_last_mark_is_not_asked(renderer: ChatRenderer, tmp_path: Path) -> None:
    found = verdicts([row("a", "[[B]]? No.\n\n[[A]]"), row("b", "So [[B]], I say.")], renderer, tmp_path)

    assert asked(found, renderer) == [
        ("[[B]]? No.\n\n[[A]]", "[[B]]? No.\n\n[[B]]"),
        ("So [[B]]", "So [[A]]"),
    ]


def test_the_two_answers_share_all_up_to_the_letter(renderer: ChatRenderer, tmp_path: Path) -> None:
    (group,) = collated(
        verdicts([row("a", "Both are bad.\n\n[[B]]")], renderer, tmp_path)
    ).answers.groups

    right, other = group.answers
    assert right[0] != other[0]
    assert "B" in renderer.decode(right[:1])
    assert "A" in renderer.decode(other[:1])
    assert renderer.decode(group.prompt).endswith("Both are bad.\n\n[[")


def test_what_the_row_calls_right_counts(renderer: ChatRenderer, tmp_path: Path) -> None:
    found = verdicts([row("a", "x [[A]]", gold="B"), row("b", "x [[A]]", gold="?")], renderer, tmp_path)

    assert [right for right, _ in asked(found, renderer)] == ["x [[B]]", "x [[A]]"]


def test_of_a_pair_the_chosen_judgement_is_asked(renderer: ChatRenderer, tmp_path: Path) -> None:
    pair = {"id": "a", "src": "Judge.", "tgt_chosen": "x [[A]]", "tgt_rejected": "y [[B]]"}

    assert asked(verdicts([pair], renderer, tmp_path), renderer) == [("x [[A]]", "x [[B]]")]


def test_rows_without_a_decided_verdict_are_left_out(renderer: ChatRenderer, tmp_path: Path) -> None:
    rows = [row("a", "[[C]]"), row("b", "none"), row("c", "<think>[[A]]"), row("d", "[[A]]")]
    found = verdicts(rows, renderer, tmp_path)

    assert found.num_rows == 1
    assert found.left_out == {"tie": 1, "unparseable": 2}


def test_cells_name_order_and_pair_of_complete_pairs(renderer: ChatRenderer, tmp_path: Path) -> None:
    rows = [
        row("p0", "[[A]]", pair_id="p", order="0_1"),
        row("q1", "[[A]]", pair_id="q", order="1_0"),
        row("alone", "[[A]]", pair_id="alone", order="0_1"),
        row("tied", "[[C]]", pair_id="alone", order="1_0"),
        row("no order", "[[A]]", pair_id="p"),
        row("q0", "[[B]]", pair_id="q", order="0_1"),
        row("p1", "[[B]]", pair_id="p", order="1_0"),
        row("p1 again", "so [[B]]", pair_id="p", order="1_0"),
    ]
    found = verdicts(rows, renderer, tmp_path)

    assert found.num_pairs == 2
    assert collated(found).cells.tolist() == [0, 3, NO_CELL, NO_CELL, 2, 1, 1]


def test_planning_never_takes_a_row_for_shorter_than_it_is(
    renderer: ChatRenderer, tmp_path: Path
) -> None:
    found = verdicts([row("a", "[[A]]"), row("b", "word " * 40 + "[[B]]")], renderer, tmp_path)

    for planned, group in zip(found.planned_rows, collated(found).answers.groups, strict=True):
        assert planned.longest >= len(group.prompt) + max(map(len, group.answers))
