"""The part about agreement with people: how far scores of single answers keep to human ranks."""

from __future__ import annotations

from typing import Final

from ste_fairseq2.evaluation import markdown
from ste_fairseq2.evaluation.ranking_card import CORRELATIONS, show_correlation
from ste_fairseq2.report.chart import Chart, Series, Table, percent, percent_interval
from ste_fairseq2.report.facts import LoopFacts, RankingFacts
from ste_fairseq2.report.parts.counts import words
from ste_fairseq2.report.parts.part import Part, rates_by_round, round_names

_LEAD: Final = (
    "Answers that people ranked were scored one by one. Pairwise accuracy: of two answers with "
    "different ranks the better has the higher score; neither an equal nor a missing score is right, so "
    "look at these beside it. "
    "Exact match: all scored answers to an instruction in exactly the order of the ranks. Five-best: of "
    "the answers with the highest score there is, those that people ranked best. Spearman and Kendall "
    "are correlations, means over instructions, from -1 to 1."
)

_FIGURES: Final = {
    "pairwise_accuracy": "pairwise accuracy",
    "exact_match": "exact match",
    "spearman": "Spearman",
    "kendall": "Kendall's tau-b",
    "five_best": "five-best",
    "pairwise_tie": "pairs of equal scores",
    "pairwise_unscored": "pairs with an unscored answer",
}
"""The figures that are known, in the order of the table; others follow under their own names."""


def make(facts: LoopFacts) -> Part:
    charts: list[Chart] = []
    tables: list[Table] = []
    for name in facts.rankings:
        charts += _charts(facts, name)
        tables.append(_table(facts, name))

    return Part(
        anchor="ranks",
        title="Agreement with human ranks",
        lead=_LEAD,
        charts=[chart for chart in charts if any(v is not None for s in chart.series for v in s.values)],
        tables=tables,
        notes=[] if facts.rankings else ["No judge has scored answers with human ranks yet."],
    )


def _charts(facts: LoopFacts, name: str) -> list[Chart]:
    x = round_names(facts)

    def shares(*figures: str) -> list[Series]:
        series = [_series(facts, name, figure, is_share=True) for figure in figures]
        return [one for one in series if any(value is not None for value in one.values)]

    return [
        rates_by_round(
            f"Pairs of answers, {name}",
            "pairs (%)",
            x,
            shares("pairwise_accuracy", "pairwise_tie", "pairwise_unscored"),
        ),
        rates_by_round(
            f"Exact match and five-best, {name}",
            "share (%)",
            x,
            shares("exact_match", "five_best"),
        ),
        Chart(
            title=f"Correlation of scores and ranks, {name}",
            kind="lines",
            x_label="round",
            y_label="correlation",
            x=x,
            unit="number",
            series=[_series(facts, name, figure, is_share=False) for figure in CORRELATIONS],
            reference=0,
            reference_name="no correlation",
        ),
    ]


def _series(facts: LoopFacts, name: str, figure: str, *, is_share: bool) -> Series:
    rankings = facts.rankings[name]
    values = [None if ranking is None else ranking.figures.get(figure) for ranking in rankings]
    intervals = [None if ranking is None else ranking.intervals.get(figure) for ranking in rankings]

    return Series(
        name=_FIGURES[figure],
        values=[percent(value) for value in values] if is_share else values,
        intervals=[percent_interval(i) for i in intervals] if is_share else intervals,
    )


def _table(facts: LoopFacts, name: str) -> Table:
    scored = [
        (summary.name, ranking)
        for summary, ranking in zip(facts.summaries, facts.rankings[name], strict=True)
        if ranking is not None
    ]
    found = dict.fromkeys(figure for _, ranking in scored for figure in ranking.figures)
    figures = [figure for figure in _FIGURES if figure in found]
    figures += [figure for figure in found if figure not in _FIGURES]

    return Table(
        title=f"Agreement with human ranks, {name} (in percent; correlations from -1 to 1)",
        header=["round", *(_FIGURES.get(figure, words(figure)) for figure in figures)],
        rows=[[label, *(_cell(ranking, figure) for figure in figures)] for label, ranking in scored],
    )


def _cell(ranking: RankingFacts, figure: str) -> str:
    value, interval = ranking.figures.get(figure), ranking.intervals.get(figure)
    if figure in _FIGURES and figure not in CORRELATIONS:
        return markdown.percent(value, interval)

    return show_correlation(value, interval)
