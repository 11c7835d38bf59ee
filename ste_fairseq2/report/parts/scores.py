"""The part about scores: how they are spread, what has none, and what curation made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ste_fairseq2.loop.rounds import AnswerScores
from ste_fairseq2.report.chart import NONE, Chart, Series, Table, share
from ste_fairseq2.report.facts import LoopFacts, ScoringFacts
from ste_fairseq2.report.parts.counts import (
    Counts,
    count_table,
    drops_table,
    fates_chart,
    reasons,
    words,
)
from ste_fairseq2.report.parts.part import Part

_LEAD: Final = (
    "The last model scores answers, 0 to 5: in M1 those that people ranked, then its own. An answer's "
    "score is the mean of its judgements, to the nearest point here. Where nearly all answers have one "
    "score, there is nothing to tell them apart by; curation then finds equal scores and leaves the "
    "instruction out. Judgements without a score say that the prompt or the token limit does not suit "
    "the model."
)

_UNSCORED: Final = "no score"
_UNSCORED_COLOUR: Final = 7

_TITLES: Final = {"sft": "judgements to learn from", "dpo": "preference pairs"}
"""What curation makes of scores, by the training that it is for."""


def make(facts: LoopFacts) -> Part:
    scored = [(f, f.scores) for f in facts.scoring if f.scores is not None]
    charts: list[Chart] = []
    tables: list[Table] = []
    notes: list[str] = []
    if scored:
        charts += [_points(scored), _failures(scored)]
        tables += [_points_table(scored), _samples_table(scored)]
    names = reasons([_fates(scores) for _, scores in scored])
    for phase, title in _TITLES.items():
        rows: list[Counts] = [
            (f.label, fates) for f, scores in scored if f.phase == phase and (fates := _fates(scores))
        ]
        if rows:
            text = f"Instructions by what became of them, {title}"
            charts.append(fates_chart(text, "instructions (%)", rows, names))
            tables.append(count_table(text, names, rows))
    pairs = [(f, scores) for f, scores in scored if scores.mean_gap is not None]
    if pairs:
        tables.append(_gaps(pairs))
    tables += [_taught(f) for f, _ in scored if f.taught]
    if facts.drops:
        tables.append(drops_table("Stages that ask models", facts.drops))
    missing = [f.label for f in facts.scoring if f.scores is None]
    if missing:
        notes.append(f"The scores for {', '.join(missing)} are not complete yet.")
    uncurated = [f.label for f, scores in scored if scores.examples is None]
    if uncurated:
        notes.append(f"No training set has been made yet in {', '.join(uncurated)}.")

    return Part(anchor="scores", title="Scores", lead=_LEAD, charts=charts, tables=tables, notes=notes)


def _fates(scores: AnswerScores) -> dict[str, int]:
    """Return the fates of instructions; malformed rows are none."""
    return {name: count for name, count in scores.fates.items() if name != "malformed" and count}


def _names(scored: Sequence[tuple[ScoringFacts, AnswerScores]]) -> list[str]:
    return sorted({point for _, scores in scored for point in scores.points}, key=int)


def _points(scored: Sequence[tuple[ScoringFacts, AnswerScores]]) -> Chart:
    series = [
        Series(
            name=point,
            values=[share(scores.points.get(point, 0), scores.answers) for _, scores in scored],
            colour=int(point),
        )
        for point in _names(scored)
    ]
    if any(scores.unscored for _, scores in scored):
        values = [share(scores.unscored, scores.answers) for _, scores in scored]
        series.append(Series(name=_UNSCORED, values=values, colour=_UNSCORED_COLOUR))

    return Chart(
        title="Answers by score",
        kind="stack",
        x_label="round",
        y_label="answers (%)",
        x=[f.label for f, _ in scored],
        unit="%",
        series=series,
    )


def _failures(scored: Sequence[tuple[ScoringFacts, AnswerScores]]) -> Chart:
    return Chart(
        title="Judgements without a score",
        kind="bars",
        x_label="round",
        y_label="judgements (%)",
        x=[f.label for f, _ in scored],
        unit="%",
        series=[
            Series(
                name=words(reason),
                values=[share(scores.failures.get(reason, 0), scores.samples) for _, scores in scored],
            )
            for reason in dict.fromkeys(reason for _, scores in scored for reason in scores.failures)
        ],
    )


def _points_table(scored: Sequence[tuple[ScoringFacts, AnswerScores]]) -> Table:
    names = _names(scored)

    return Table(
        title="Answers by score, to the nearest point",
        header=["round", "answers", *names, _UNSCORED],
        rows=[
            [
                *(f.label, f"{scores.answers:,}"),
                *(f"{scores.points.get(name, 0):,}" for name in names),
                f"{scores.unscored:,}",
            ]
            for f, scores in scored
        ],
    )


def _samples_table(scored: Sequence[tuple[ScoringFacts, AnswerScores]]) -> Table:
    names = list(dict.fromkeys(reason for _, scores in scored for reason in scores.failures))

    return Table(
        title="Judgements of single answers",
        header=["round", "judgements", "with a score", *map(words, names)],
        rows=[
            [
                *(f.label, f"{scores.samples:,}"),
                f"{scores.samples - sum(scores.failures.values()):,}",
                *(f"{scores.failures.get(name, 0):,}" for name in names),
            ]
            for f, scores in scored
        ],
    )


def _gaps(pairs: Sequence[tuple[ScoringFacts, AnswerScores]]) -> Table:
    return Table(
        title="Preference pairs: how far chosen and rejected answer are apart",
        header=["round", "pairs", "mean gap (points)"],
        rows=[
            [
                f.label,
                NONE if scores.examples is None else f"{scores.examples:,}",
                NONE if scores.mean_gap is None else f"{scores.mean_gap:.2f}",
            ]
            for f, scores in pairs
        ],
    )


def _taught(facts: ScoringFacts) -> Table:
    names = sorted({point for counts in facts.taught.values() for point in counts}, key=int)

    return Table(
        title=f"Judgements to learn from, {facts.label}, by score: the most frequent is thinned out",
        header=["thinning", *names],
        rows=[
            [stage, *(f"{counts.get(name, 0):,}" for name in names)]
            for stage in ("before", "after")
            if (counts := facts.taught.get(stage)) is not None
        ],
    )
