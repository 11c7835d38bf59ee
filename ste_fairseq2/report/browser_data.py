"""The judgements as JSON within the page; no text in it can end the element or become markup."""

from __future__ import annotations

import json
from typing import Any, Final

from ste_fairseq2.report.facts import LoopFacts, round_title
from ste_fairseq2.report.judgements import BECAME, NAMES, ShownAnswer, ShownJudgement, ShownPair
from ste_fairseq2.scores import MAX_SCORE, whole_points

MOST_CHARS: Final = 20_000
"""Of one text; the rest is left out, and the page says so."""

_NO_SCORE: Final = "no score"
_POINTS: Final = (*map(str, range(MAX_SCORE + 1)), _NO_SCORE)
_ORDERS: Final = ("better first", "better last")

_ESCAPES: Final = {
    ord(character): f"\\u{ord(character):04x}" for character in ("<", ">", "&", "\u2028", "\u2029")
}


def to_data(facts: LoopFacts) -> dict[str, Any]:
    """Return what the page's script reads: pairs once, judgements that point to them, and scored answers
    with their judgements."""
    judgements = facts.judgements
    pairs: dict[ShownPair, int] = {}
    rows = [_answer_row(answer) for answer in judgements.answers]
    for judgement in judgements.chosen:
        pair = None if judgement.pair is None else judgements.pairs[judgement.pair]
        place = None if pair is None else pairs.setdefault(pair, len(pairs))
        rows.append(_row(judgement, place))

    return {
        "rounds": {
            str(summary.round): [summary.name, round_title(summary)] for summary in facts.summaries
        },
        "pairs": [
            {"instruction": _clip(p.instruction), "first": _clip(p.first), "second": _clip(p.second)}
            for p in pairs
        ],
        "judgements": sorted(rows, key=lambda row: row["round"]),
        "filters": {
            "round": sorted({row["round"] for row in rows}),
            "kind": sorted({row["kind"] for row in rows}),
            "points": [name for name in _POINTS if any(row.get("points") == name for row in rows)],
            "became": [name for name in BECAME if any(row.get("became") == name for row in rows)],
            "verdict": [name for name in NAMES if any(row.get("verdict") == name for row in rows)],
            "order": [name for name in _ORDERS if any(row.get("order") == name for row in rows)],
            "group": sorted({row["group"] for row in rows if row.get("group")}),
        },
    }


def to_script(data: object) -> str:
    """Return JSON that may stand in a `script` element.

    >>> print(to_script({"text": "</script><!-- & \u2028"}))
    {"text":"\\u003c/script\\u003e\\u003c!-- \\u0026 \\u2028"}
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    # Half a surrogate pair cannot be written as UTF-8.
    return text.translate(_ESCAPES).encode("utf-8", "replace").decode("utf-8")


def _row(judgement: ShownJudgement, pair: int | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": judgement.id,
        "kind": judgement.kind,
        "round": judgement.round,
        "verdict": judgement.verdict,
        "named": judgement.named,
        "order": _ORDERS[0] if judgement.better_first else _ORDERS[1],
        "group": judgement.group,
        "text": _clip(judgement.text),
        "cut": judgement.cut,
        "pair": pair,
        "swapped": judgement.is_swapped,
    }
    if judgement.votes is not None and judgement.votes[1] > 1:
        row["votes"] = list(judgement.votes)
    if pair is None:
        row["prompt"] = _clip(judgement.prompt or "")

    return row


def _answer_row(answer: ShownAnswer) -> dict[str, Any]:
    return {
        "id": answer.id,
        "kind": "scored answers",
        "round": answer.round,
        # Half a point goes up, as in the parts above.
        "points": _NO_SCORE if answer.score is None else str(whole_points(answer.score)),
        "score": _score_text(answer.score),
        "became": answer.became,
        "instruction": _clip(answer.instruction),
        "answer": _clip(answer.answer),
        "samples": [
            {"text": _clip(sample.text), "mark": sample.failure or _score_text(sample.score)}
            for sample in answer.samples
        ],
    }


def _score_text(score: float | None) -> str:
    return _NO_SCORE if score is None else f"score {score:.3g}"


def _clip(text: str) -> str:
    if len(text) <= MOST_CHARS:
        return text

    return (
        f"{text[:MOST_CHARS]}\n… ({len(text) - MOST_CHARS:,} more characters are left out of this page)"
    )
