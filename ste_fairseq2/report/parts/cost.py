"""The part about what the loop took: time and tokens by kind of step and round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ste_fairseq2.report.chart import Chart, Series, Table
from ste_fairseq2.report.facts import Cost, LoopFacts, round_title
from ste_fairseq2.report.parts.part import Part

_PREPARE: Final = "prepare"

_LEAD: Final = (
    "Time is that of whole steps, starting up and failed attempts included; tokens are those of "
    "models that were asked, prompts and outputs together. The seed's column holds what is made once, "
    "before {first}."
)


def make(facts: LoopFacts) -> Part:
    x = [summary.name for summary in facts.summaries]
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
                        colour=_colour(facts, kind),
                    )
                    for kind in _ordered(facts, timed)
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
        charts.append(_tokens(facts, x, _ordered(facts, asked)))
        tables.append(_table(facts, _ordered(facts, asked)))
    else:
        notes.append("No model has been asked anything yet.")

    first = round_title(facts.summaries[1]) if len(facts.summaries) > 1 else "round 1"
    lead = _LEAD.format(first=first)

    return Part(anchor="cost", title="Cost", lead=lead, charts=charts, tables=tables, notes=notes)


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
                colour=_colour(facts, kind),
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
                rows.append([summary.name, kind, f"{cost.prompt_tokens:,}", f"{cost.output_tokens:,}"])

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


def _kinds(facts: LoopFacts) -> list[str]:
    """Return the kinds of the method's steps in their order, curation as one."""
    kinds = facts.config.STEP_KINDS

    return list(dict.fromkeys(_PREPARE if kind.startswith(_PREPARE) else kind for kind in kinds))


def _ordered(facts: LoopFacts, kinds: set[str]) -> list[str]:
    known = [kind for kind in _kinds(facts) if kind in kinds]

    return known + sorted(kinds - set(known))


def _colour(facts: LoopFacts, kind: str) -> int:
    """Return the same colour for a kind in all charts."""
    kinds = _kinds(facts)

    return kinds.index(kind) if kind in kinds else len(kinds)
