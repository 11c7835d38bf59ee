"""Counts what a judge said: the table that `ste judge` ends with. Scores proper: `ste evaluate`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ste_fairseq2.jsonl import Row
from ste_fairseq2.verdicts import Verdict


@dataclass
class JudgeSummary:
    """Verdicts by kind; how many are right, where there are labels; how many agree in both orders."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    num_prompt_tokens: int = 0
    num_output_tokens: int = 0
    num_labelled: int = 0
    num_right: int = 0
    num_both_orders: int = 0
    """Pairs with a judgement in either order."""
    num_consistent: int = 0
    """Of those, pairs with the same answer named better in both."""

    @property
    def num_judgements(self) -> int:
        return self.verdicts.total()

    @property
    def accuracy(self) -> float | None:
        """The share of labelled judgements that are right; a failure is not right."""
        return self.num_right / self.num_labelled if self.num_labelled else None

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> JudgeSummary:
        """Return the summary that :meth:`to_dict` made the values of."""
        return JudgeSummary(
            verdicts=Counter({Verdict(name): count for name, count in values["verdicts"].items()}),
            num_prompt_tokens=values["prompt_tokens"],
            num_output_tokens=values["output_tokens"],
            num_labelled=values["labelled"],
            num_right=values["right"],
            num_both_orders=values["both_orders"],
            num_consistent=values["consistent"],
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "judgements": self.num_judgements,
            "verdicts": {verdict.value: self.verdicts[verdict] for verdict in Verdict},
            "prompt_tokens": self.num_prompt_tokens,
            "output_tokens": self.num_output_tokens,
            "labelled": self.num_labelled,
            "right": self.num_right,
            "both_orders": self.num_both_orders,
            "consistent": self.num_consistent,
        }

    def lines(self) -> list[tuple[str, str]]:
        """Return the rows of the table: what, and how many of how many."""
        lines = [
            (_NAMES[verdict], _share(self.verdicts[verdict], self.num_judgements)) for verdict in Verdict
        ]
        if self.num_labelled:
            lines.append(("right, of those with a label", _share(self.num_right, self.num_labelled)))
        if self.num_both_orders:
            lines.append(
                ("same answer in both orders", _share(self.num_consistent, self.num_both_orders))
            )

        return lines


def summarise(rows: Iterable[Row]) -> JudgeSummary:
    """Count the rows of an output folder."""
    summary = JudgeSummary()
    first_order: dict[str, Verdict] = {}
    for row in rows:
        verdict = Verdict(row.text("verdict"))
        summary.verdicts[verdict] += 1
        summary.num_prompt_tokens += row.require("num_prompt_tokens")
        summary.num_output_tokens += row.require("num_output_tokens")
        label = row.optional_text("label")
        if label is not None:
            summary.num_labelled += 1
            summary.num_right += verdict.value == label
        as_stored = verdict if row.text("order") == "0_1" else verdict.swap()
        earlier = first_order.pop(row.text("pair_id"), None)
        if earlier is None:
            first_order[row.text("pair_id")] = as_stored
        else:
            summary.num_both_orders += 1
            summary.num_consistent += as_stored.is_decided and earlier is as_stored

    return summary


_NAMES: Final = {
    Verdict.A: "A better",
    Verdict.B: "B better",
    Verdict.TIE: "tie",
    Verdict.UNPARSEABLE: "no verdict",
    Verdict.TRUNCATED: "cut before a verdict",
}


def _share(count: int, total: int) -> str:
    return f"{count} of {total} ({count / total:.1%})" if total else "0"
