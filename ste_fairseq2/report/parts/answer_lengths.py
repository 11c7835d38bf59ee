"""The part about lengths of answers: of chosen and rejected ones, and of the models' own by round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ste_fairseq2.loop.rounds import AnswerScores
from ste_fairseq2.report.chart import NONE, Chart, Series, Table, share
from ste_fairseq2.report.facts import LoopFacts, ScoringFacts
from ste_fairseq2.report.parts.lengths import histogram
from ste_fairseq2.report.parts.part import Part, round_names

_LEAD: Final = (
    "A model that rewards its own answers tends to reward long ones, and then to write them: this is "
    "the known way for the method to go wrong. Chosen and rejected answers should look alike, and the "
    "models' own answers should not grow from round to round unless the score of following grows with "
    "them. The temperature of the answers is stated beside, since it decides how much they differ."
)

_SIDES: Final = ("chosen", "rejected")

_Pairs = Sequence[tuple[ScoringFacts, AnswerScores]]


def make(facts: LoopFacts) -> Part:
    pairs = [
        (f, f.scores)
        for f in facts.scoring
        if f.scores is not None and f.scores.chosen_words is not None
    ]
    charts: list[Chart] = []
    tables: list[Table] = []
    notes: list[str] = []
    if pairs:
        newest = pairs[-1][0]
        charts += [_means(pairs), _longer(pairs)]
        charts.append(histogram(f"Lengths of answers, {newest.label}", newest.lengths))
        tables.append(_table(pairs))
    else:
        notes.append("No preference pairs have been made yet, so there are no lengths of them.")
    if any(phase == "dpo" for phase in facts.config.phases):
        notes.append(f"The answers to choose among are drawn with {facts.sampling}.")
    own = _own(facts)
    if own is not None:
        charts.append(own)
    else:
        notes.append("No model's own answers have been tested yet, so there are no lengths of these.")

    return Part(anchor="lengths", title="Lengths", lead=_LEAD, charts=charts, tables=tables, notes=notes)


def _means(pairs: _Pairs) -> Chart:
    sides = (
        ("chosen", [scores.chosen_words for _, scores in pairs]),
        ("rejected", [scores.rejected_words for _, scores in pairs]),
    )

    return Chart(
        title="Mean length of chosen and rejected answers",
        kind="bars",
        x_label="round",
        y_label="words",
        x=[f.label for f, _ in pairs],
        unit="number",
        series=[Series(name=name, values=values) for name, values in sides],
    )


def _longer(pairs: _Pairs) -> Chart:
    counts = [_by_longer(scores) for _, scores in pairs]

    return Chart(
        title="Pairs by their longer answer (in characters)",
        kind="stack",
        x_label="round",
        y_label="pairs (%)",
        x=[f.label for f, _ in pairs],
        unit="%",
        reference=50,
        series=[
            Series(
                name=name,
                values=[share(row[n], sum(row)) for row in counts],
                colour=colour,
            )
            for n, (name, colour) in enumerate((("chosen", 0), ("equal", 7), ("rejected", 1)))
        ],
    )


def _by_longer(scores: AnswerScores) -> tuple[int, int, int]:
    """Return the pairs whose chosen answer is longer, those of equal lengths, and the others."""
    chosen, rejected = scores.chosen_longer or 0, scores.rejected_longer or 0

    return chosen, max((scores.examples or 0) - chosen - rejected, 0), rejected


def _own(facts: LoopFacts) -> Chart | None:
    """Return the mean length of the models' own answers in the tests of following."""
    series = [
        Series(
            name=name,
            values=[
                None if (test := summary.following.get(name)) is None else test.mean_words
                for summary in facts.summaries
            ],
        )
        for name in facts.tests
    ]
    known = [one for one in series if any(value is not None for value in one.values)]
    if not known:
        return None

    return Chart(
        title="Mean length of the models' own answers",
        kind="lines",
        x_label="round",
        y_label="words",
        x=round_names(facts),
        unit="number",
        series=known,
    )


def _table(pairs: _Pairs) -> Table:
    def row(facts: ScoringFacts, scores: AnswerScores) -> list[str]:
        words = (scores.chosen_words, scores.rejected_words)
        return [
            facts.label,
            NONE if scores.temperature is None else f"{scores.temperature:g}",
            *(NONE if number is None else f"{number:g}" for number in words),
            *(f"{count:,}" for count in _by_longer(scores)),
        ]

    return Table(
        title="Preference pairs by length",
        header=[
            *("round", "temperature of the answers", "chosen, mean words", "rejected, mean words"),
            *("chosen is longer", "equal", "rejected is longer"),
        ],
        rows=[row(facts, scores) for facts, scores in pairs],
    )
