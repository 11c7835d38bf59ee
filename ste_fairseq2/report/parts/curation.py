"""The part about what was kept and what was dropped, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ste_fairseq2.report.chart import Chart, Series, Table, share
from ste_fairseq2.report.facts import CurationFacts, JudgingFacts, LoopFacts
from ste_fairseq2.report.parts.counts import count_table, drops_table, fates_chart, reasons
from ste_fairseq2.report.parts.part import Part

_LEAD: Final = (
    "First, what the judgements drawn for training were; then what curation made of each of them. Few "
    "right ones mean that the judge cannot do the pairs yet; nearly all right, that they have nothing "
    "left to teach. A large share of one reason to drop says which option to look at."
)

OUTCOMES: Final = ("correct", "cut_after_verdict", "wrong", "tie", "unparseable", "truncated")
"""As the manifests name them."""

_OUTCOME_NAMES: Final = {"correct": "right", "cut_after_verdict": "right, then cut"}
_OUTCOME_COLOURS: Final = dict(zip(OUTCOMES, (0, 5, 1, 6, 4, 7), strict=True))


def make(facts: LoopFacts) -> Part:
    curated = [(f, f.curation) for f in facts.judging if f.curation is not None]
    charts: list[Chart] = []
    tables: list[Table] = []
    notes: list[str] = []
    if curated:
        charts.append(_outcomes(curated))
        tables.append(
            count_table(
                "Samples by verdict",
                OUTCOMES,
                [(f.label, c.outcomes) for f, c in curated],
                titles=_OUTCOME_NAMES,
            )
        )
        names = reasons([c.fates for _, c in curated])
        for phase in facts.config.phases:
            of_phase = [(f, c) for f, c in curated if f.phase == phase]
            if of_phase:
                rows = [(f.label, c.fates) for f, c in of_phase]
                title = f"What became of the judgements, {phase.upper()}"
                charts.append(fates_chart(title, "samples (%)", rows, names))
                tables.append(count_table(f"Samples by fate, {phase.upper()}", names, rows))
    missing = [f.label for f in facts.judging if f.curation is None]
    if missing:
        notes.append(f"No training set has been made yet in {', '.join(missing)}.")
    if not facts.judging:
        notes.append("The loop has no round of training, so nothing is curated.")
    if facts.drops:
        tables.append(drops_table("Stages that make pairs", facts.drops))
    else:
        notes.append(
            "The pairs were given, so no stage of this loop has made or dropped any."
            if facts.are_pairs_given
            else "No stage that makes pairs has ended yet."
        )

    return Part(
        anchor="kept",
        title="Kept and dropped",
        lead=_LEAD,
        charts=charts,
        tables=tables,
        notes=notes,
    )


def _outcomes(curated: Sequence[tuple[JudgingFacts, CurationFacts]]) -> Chart:
    names = [name for name in OUTCOMES if any(c.outcomes.get(name) for _, c in curated)]

    return Chart(
        title="Judgements drawn, by verdict",
        kind="stack",
        x_label="round",
        y_label="samples (%)",
        x=[f.label for f, _ in curated],
        unit="%",
        series=[
            Series(
                name=_OUTCOME_NAMES.get(name, name),
                values=[share(c.outcomes.get(name, 0), sum(c.outcomes.values())) for _, c in curated],
                colour=_OUTCOME_COLOURS[name],
            )
            for name in names
        ],
    )
