"""The part about what was kept and what was dropped, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from ste_fairseq2.report.chart import NONE, Chart, Series, Table, share
from ste_fairseq2.report.facts import CurationFacts, JudgingFacts, LoopFacts
from ste_fairseq2.report.parts.part import Part

_LEAD: Final = (
    "First, what the judgements drawn for training were; then what curation made of each of them. Few "
    "right ones mean that the judge cannot do the pairs yet; nearly all right, that they have nothing "
    "left to teach. A large share of one reason to drop says which option to look at."
)

_Counts: TypeAlias = tuple[str, Mapping[str, int]]
"""A name, and counts."""

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
            _table("Samples by verdict", OUTCOMES, [(f.label, c.outcomes) for f, c in curated])
        )
        names = _names([c.fates for _, c in curated])
        for phase in facts.config.training:
            of_phase = [(f, c) for f, c in curated if f.phase == phase]
            if of_phase:
                rows = [(f.label, c.fates) for f, c in of_phase]
                charts.append(_fates(phase.upper(), rows, names))
                tables.append(_table(f"Samples by fate, {phase.upper()}", names, rows))
    missing = [f.label for f in facts.judging if f.curation is None]
    if missing:
        notes.append(f"No training set has been made yet in {', '.join(missing)}.")
    if not facts.judging:
        notes.append("The loop has no round of training, so nothing is curated.")
    if facts.drops:
        tables.append(_drops(facts))
    else:
        given = all(source.pairs is not None for source in facts.config.sources.values())
        notes.append(
            "The pairs were given, so no stage of this loop has made or dropped any."
            if given
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


def _fates(phase: str, rows: Sequence[_Counts], names: Sequence[str]) -> Chart:
    """
    :param names: all fates, so that each has the same colour in every chart.
    """
    return Chart(
        title=f"What became of the judgements, {phase}",
        kind="stack",
        x_label="round",
        y_label="samples (%)",
        x=[label for label, _ in rows],
        unit="%",
        series=[
            Series(
                name=_words(name),
                values=[share(counts.get(name, 0), sum(counts.values())) for _, counts in rows],
                colour=colour,
            )
            for colour, name in enumerate(names)
            if any(counts.get(name) for _, counts in rows)
        ],
    )


def _table(title: str, names: Sequence[str], rows: Sequence[_Counts]) -> Table:
    """Return the counts, without the columns that are empty."""
    used = [name for name in names if any(counts.get(name) for _, counts in rows)]

    return Table(
        title=title,
        header=["round", *(_OUTCOME_NAMES.get(name, _words(name)) for name in used)],
        rows=[[label, *(f"{counts.get(name, 0):,}" for name in used)] for label, counts in rows],
    )


def _drops(facts: LoopFacts) -> Table:
    names = _names([drop.counts for drop in facts.drops])

    return Table(
        title="Stages that make pairs: records by what became of them",
        header=["step", *map(_words, names)],
        rows=[
            [drop.step, *(f"{drop.counts[name]:,}" if name in drop.counts else NONE for name in names)]
            for drop in facts.drops
        ],
    )


def _names(counts: Sequence[Mapping[str, int]]) -> list[str]:
    """Return the reasons that occur, `kept` first, then the most frequent."""
    totals: dict[str, int] = {}
    for row in counts:
        for name, count in row.items():
            totals[name] = totals.get(name, 0) + count

    return sorted(
        (name for name, total in totals.items() if total),
        key=lambda name: (name != "kept", -totals[name], name),
    )


def _words(name: str) -> str:
    return name.replace("_", " ")
