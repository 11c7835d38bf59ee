"""The part about what the loop took: time and tokens by kind of step and round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ste_fairseq2.loop.config import STEP_KINDS
from ste_fairseq2.report.chart import Chart, Series, Table
from ste_fairseq2.report.facts import Cost, LoopFacts
from ste_fairseq2.report.parts.part import Part

_PREPARE: Final = "prepare"

_KINDS: Final = tuple(
    dict.fromkeys(_PREPARE if kind.startswith(_PREPARE) else kind for kind in STEP_KINDS)
)

_LEAD: Final = (
    "Time is that of whole steps, starting up and failed attempts included; tokens are those of "
    "models that were asked, prompts and outputs together. The seed's column holds what is made once, "
    "before round 1."
)


def make(facts: LoopFacts) -> Part:
    x = ["seed" if summary.round == 0 else str(summary.round) for summary in facts.summaries]
    charts: list[Chart] = []
    tables: list[Table] = []
    notes: list[str] = []
    seconds = [_merged(summary.seconds_by_kind) for summary in facts.summaries]
    timed = {kind for one in seconds for kind in one}
    if timed:
        charts.append(
            Chart(
                title="Time",
                kind="stack",
                x_label="round",
                y_label="seconds",
                x=x,
                unit="seconds",
                series=[
                    Series(
                        name=kind,
                        values=[one.get(kind, 0.0) for one in seconds],
                        colour=_colour(kind),
                    )
                    for kind in _ordered(timed)
                ],
            )
        )
    else:
        notes.append("No step has ended yet.")
    asked = {
        kind
        for costs in facts.costs.values()
        for kind, cost in costs.items()
        if cost.prompt_tokens + cost.output_tokens
    }
    if asked:
        charts.append(_tokens(facts, x, _ordered(asked)))
        tables.append(_table(facts, _ordered(asked)))
    else:
        notes.append("No model has been asked anything yet.")

    return Part(anchor="cost", title="Cost", lead=_LEAD, charts=charts, tables=tables, notes=notes)


def _tokens(facts: LoopFacts, x: list[str], kinds: list[str]) -> Chart:
    return Chart(
        title="Tokens",
        kind="stack",
        x_label="round",
        y_label="tokens",
        x=x,
        unit="count",
        series=[
            Series(
                name=kind,
                values=[
                    cost.prompt_tokens + cost.output_tokens
                    for summary in facts.summaries
                    for cost in [_cost(facts, summary.round, kind)]
                ],
                colour=_colour(kind),
            )
            for kind in kinds
        ],
    )


def _table(facts: LoopFacts, kinds: list[str]) -> Table:
    rows = []
    for summary in facts.summaries:
        for kind in kinds:
            cost = _cost(facts, summary.round, kind)
            if cost.prompt_tokens or cost.output_tokens:
                name = "seed" if summary.round == 0 else str(summary.round)
                rows.append([name, kind, f"{cost.prompt_tokens:,}", f"{cost.output_tokens:,}"])

    return Table(
        title="Tokens of prompts and outputs",
        header=["round", "kind", "prompt tokens", "output tokens"],
        rows=rows,
        num_names=2,
    )


def _cost(facts: LoopFacts, number: int, kind: str) -> Cost:
    return facts.costs.get(number, {}).get(kind, Cost())


def _merged(seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds with both kinds of curation as one."""
    sums: dict[str, float] = {}
    for kind, value in seconds.items():
        name = _PREPARE if kind.startswith(_PREPARE) else kind
        sums[name] = sums.get(name, 0.0) + value

    return sums


def _ordered(kinds: set[str]) -> list[str]:
    known = [kind for kind in _KINDS if kind in kinds]

    return known + sorted(kinds - set(known))


def _colour(kind: str) -> int:
    """Return the same colour for a kind in all charts."""
    return _KINDS.index(kind) if kind in _KINDS else len(_KINDS)
