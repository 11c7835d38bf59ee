"""Prints what an evaluation found: a table of the groups, then a benchmark's scores as upstream does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ste_fairseq2.evaluation import markdown
from ste_fairseq2.evaluation.ranking_card import ranking_rows
from ste_fairseq2.evaluation.report import GroupReport
from ste_fairseq2.evaluation.result import Evaluation
from ste_fairseq2.evaluation.rewardbench import format_table
from ste_fairseq2.evaluation.sections import SectionReport

_COLUMNS: Final = {
    "order_0_1": "0_1",
    "order_1_0": "1_0",
    "mean": "mean",
    "both_right": "both right",
    "agreement": "agree",
    "accuracy": "accuracy",
    "unparseable": "unparseable",
    "truncated": "truncated",
}
_COLUMNS_OF_SCORES: Final = {
    "accuracy": "accuracy",
    "tie": "tie",
    "unscored": "unscored",
    "upstream": "upstream",
}
_COLUMNS_OF_GRADES: Final = _COLUMNS_OF_SCORES | {"unparseable": "unparseable", "truncated": "truncated"}


def print_summary(evaluation: Evaluation) -> None:
    """Print to standard output; figures are in percent."""
    columns = _COLUMNS
    if evaluation.is_of_scores:
        columns = _COLUMNS_OF_GRADES if evaluation.is_graded else _COLUMNS_OF_SCORES
    rows = [_row(group, columns, markdown.NONE) for group in evaluation.report.groups]
    if len(evaluation.report.groups) > len(evaluation.report.judges):
        rows += [_row(judge, columns, "all") for judge in evaluation.report.judges]
    header = ["subset", evaluation.report.judges[0].source, "pairs", *columns.values()]
    print(_align([header, *rows], num_names=2))

    dropped = [f"{name.replace('_', ' ')}: {n}" for name, n in evaluation.counts.items() if n]
    print("rows: " + ", ".join(dropped))
    if evaluation.num_missing:
        print(f"{evaluation.num_missing} pairs of the benchmark have no judgement.")
    _print_headline(evaluation)
    if evaluation.ranking is not None:
        figures = ", ".join(f"{title} {value}" for title, value in ranking_rows(evaluation.ranking))
        print(f"agreement with human ranks: {figures}")
    for section in evaluation.sections:
        _print_sections(section, is_named=len(evaluation.sections) > 1)
        with_prior = evaluation.leaderboard_score(section)
        if with_prior is not None:
            print(f"With the prior sets at half weight: {with_prior * 100:.3f}")


def _row(group: GroupReport, columns: Iterable[str], without_subset: str) -> list[str]:
    return [
        group.key.subset or without_subset,
        group.key.judge or markdown.NONE,
        str(group.scores.counts["pairs"]),
        *(markdown.percent(group.scores.figures[name]) for name in columns),
    ]


def _align(rows: Sequence[Sequence[str]], *, num_names: int) -> str:
    """Return rows in columns: the first so many to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if number < num_names else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]

    return "\n".join(lines)


def _print_headline(evaluation: Evaluation) -> None:
    for judge in evaluation.report.judges:
        scores = judge.vote_scores if judge.vote_scores is not None else judge.scores
        for title, name in evaluation.headline.items():
            if scores.figures[name] is not None:
                figure = markdown.percent(scores.figures[name], scores.intervals[name])
                print(f"{judge.key.judge or 'judge'}: {title}: {figure}")


def _print_sections(section: SectionReport, *, is_named: bool) -> None:
    """Print the sections in upstream's way (its scoring of failures, over whatever orders there are)."""
    if section.missing:
        print(f"without any subset, and so scored 0: {', '.join(section.missing)}")
    if is_named:
        print(f"{section.judge or 'judge'}:")
    print(format_table(section.upstream))
