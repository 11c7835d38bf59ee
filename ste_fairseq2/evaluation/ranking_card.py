"""Shows the agreement of scores with human ranks: a table, and how to read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ste_fairseq2.evaluation import markdown
from ste_fairseq2.evaluation.bootstrap import Interval
from ste_fairseq2.evaluation.ranking import RankingReport

_TITLES: Final[Mapping[str, str]] = {
    "pairwise_accuracy": "pairwise accuracy",
    "pairwise_tie": "pairs of equal scores",
    "pairwise_unscored": "pairs with an unscored answer",
    "exact_match": "exact match",
    "five_best": "5-best",
    "spearman": "Spearman",
    "kendall": "Kendall's tau-b",
}
CORRELATIONS: Final = ("spearman", "kendall")
"""The figures that are no shares, but from -1 to 1."""


def ranking_rows(report: RankingReport) -> Sequence[tuple[str, str]]:
    """Return title and value of each figure; correlations are not percentages."""
    return [
        (title, _value(name, report.figures[name], report.intervals[name]))
        for name, title in _TITLES.items()
        if name in report.figures
    ]


def render_ranking(report: RankingReport) -> str:
    """Return the figures with what they are over."""
    counts = report.counts
    over = {
        "pairwise": f"{counts['pairs']} pairs",
        "pairs": f"{counts['pairs']} pairs",
        "exact": f"{counts['instructions_scored']} instructions",
        "5-best": f"{counts.get('answers_at_the_top')} answers",
    }
    correlated = f"{counts['instructions_correlated']} instructions"
    rows = [
        [title, over.get(title.split()[0], correlated), value] for title, value in ranking_rows(report)
    ]
    left_out = ", ".join(
        f"{name.removeprefix('instructions_').replace('_', ' ')}: {counts[name]}"
        for name in (
            "instructions_unscored",
            "instructions_with_constant_scores",
            "instructions_with_constant_ranks",
        )
    )
    table = markdown.table(["figure", "over", "value"], rows, num_names=2)

    return f"{table}\n\nOf {counts['instructions']} instructions {left_out}.\n\n{_GLOSSARY}"


def _value(name: str, value: float | None, interval: Interval | None) -> str:
    if name not in CORRELATIONS:
        return markdown.percent(value, interval)

    return show_correlation(value, interval)


def show_correlation(value: float | None, interval: Interval | None) -> str:
    """Return a figure that is no share, with its interval."""
    if value is None:
        return markdown.NONE

    return f"{value:.3f}" + ("" if interval is None else f" ({interval[0]:.3f} to {interval[1]:.3f})")


_GLOSSARY: Final = """\
In percent, correlations from -1 to 1; in parentheses the interval of a bootstrap over instructions.
*Pairwise accuracy*: of two answers with different ranks the better has the higher score; neither an
equal nor a missing score is right. *Exact match*: all scored answers in exactly the order of the ranks,
equal scores for equal ranks alone. *5-best*: of the answers with the highest score there is, those that
people ranked best. *Spearman* and *Kendall's tau-b* are means over the instructions whose scores and
ranks vary. Instructions with fewer than two scored answers (unscored) have no order: they count in the
pairs and, with an answer that has the highest score, in 5-best."""
