"""The judgements as JSON within the page; no text in it can end the element or become markup."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from ste_fairseq2.report.judgements import NAMES, Judgements, ShownJudgement, ShownPair

MOST_CHARS: Final = 20_000
"""Of one text; the rest is left out, and the page says so."""

_ESCAPES: Final = {
    ord(character): f"\\u{ord(character):04x}" for character in ("<", ">", "&", "\u2028", "\u2029")
}


def to_data(judgements: Judgements) -> dict[str, Any]:
    """Return what the page's script reads: pairs once, and judgements that point to them."""
    pairs: dict[ShownPair, int] = {}
    rows = []
    for judgement in judgements.chosen:
        pair = None if judgement.pair is None else judgements.pairs[judgement.pair]
        place = None if pair is None else pairs.setdefault(pair, len(pairs))
        rows.append(_row(judgement, place))

    return {
        "pairs": [
            {"instruction": _clip(p.instruction), "first": _clip(p.first), "second": _clip(p.second)}
            for p in pairs
        ],
        "judgements": rows,
        "filters": {
            "round": sorted({judgement.round for judgement in judgements.chosen}),
            "kind": _sorted(judgements.chosen, "kind"),
            "verdict": [name for name in NAMES if any(j.verdict == name for j in judgements.chosen)],
            "order": [
                name
                for name, first in (("better first", True), ("better last", False))
                if any(j.better_first is first for j in judgements.chosen)
            ],
            "group": [name for name in _sorted(judgements.chosen, "group") if name],
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
        "order": "better first" if judgement.better_first else "better last",
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


def _sorted(judgements: Sequence[ShownJudgement], field: str) -> list[str]:
    return sorted({getattr(judgement, field) for judgement in judgements})


def _clip(text: str) -> str:
    if len(text) <= MOST_CHARS:
        return text

    return (
        f"{text[:MOST_CHARS]}\n… ({len(text) - MOST_CHARS:,} more characters are left out of this page)"
    )
