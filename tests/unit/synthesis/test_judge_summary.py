from __future__ import annotations

from typing import Any

from ste_fairseq2.jsonl import Row
from ste_fairseq2.synthesis.judge_summary import JudgeSummary, summarise


def _summarise(*rows: dict[str, Any]) -> JudgeSummary:
    common = {"num_prompt_tokens": 10, "num_output_tokens": 2, "order": "0_1"}
    return summarise(
        Row("x", n, {"pair_id": f"p{n}"} | common | row) for n, row in enumerate(rows, start=1)
    )


def test_verdicts_and_tokens_are_counted() -> None:
    summary = _summarise({"verdict": "A"}, {"verdict": "truncated"}, {"verdict": "A"})

    assert summary.to_dict()["verdicts"] == {
        "A": 2,
        "B": 0,
        "tie": 0,
        "unparseable": 0,
        "truncated": 1,
    }
    assert (summary.num_prompt_tokens, summary.num_output_tokens) == (30, 6)
    assert dict(summary.lines())["A better"] == "2 of 3 (66.7%)"
    assert summary.accuracy is None


def test_a_failure_is_not_right() -> None:
    summary = _summarise(
        {"verdict": "A", "label": "A"},
        {"verdict": "B", "label": "A"},
        {"verdict": "unparseable", "label": "A"},
        {"verdict": "B"},
    )

    assert summary.accuracy == 1 / 3
    assert dict(summary.lines())["right, of those with a label"] == "1 of 3 (33.3%)"


def test_orders_agree_where_both_name_the_same_answer() -> None:
    summary = _summarise(
        {"pair_id": "same", "verdict": "A"},
        {"pair_id": "other", "order": "1_0", "verdict": "A"},
        {"pair_id": "same", "order": "1_0", "verdict": "B"},
        {"pair_id": "other", "verdict": "A"},
        {"pair_id": "mute", "verdict": "tie"},
        {"pair_id": "mute", "order": "1_0", "verdict": "tie"},
        {"pair_id": "single", "verdict": "A"},
    )

    assert (summary.num_both_orders, summary.num_consistent) == (3, 1)


def test_a_manifest_gives_the_summary_back() -> None:
    summary = _summarise(
        {"pair_id": "same", "verdict": "A", "label": "A"},
        {"pair_id": "same", "order": "1_0", "verdict": "truncated", "label": "B"},
    )

    assert JudgeSummary.from_dict(summary.to_dict()) == summary
