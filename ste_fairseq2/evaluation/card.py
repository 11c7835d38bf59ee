"""Renders the card of an evaluation as Markdown: what was judged with what, the scores, the cost."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from ste_fairseq2.evaluation import markdown
from ste_fairseq2.evaluation.ranking_card import render_ranking
from ste_fairseq2.evaluation.report import GroupReport
from ste_fairseq2.evaluation.result import Evaluation
from ste_fairseq2.evaluation.scores import Scores
from ste_fairseq2.evaluation.sections import FINAL, SectionReport

_WITH_INTERVAL = ("mean", "both_right", "agreement")
_COLUMNS: Mapping[str, str] = {
    "order_0_1": "order 0_1",
    "order_1_0": "order 1_0",
    "mean": "mean",
    "both_right": "both right",
    "agreement": "agreement",
    "accuracy": "accuracy",
    "first_slot": "first slot",
    "length_controlled": "length-controlled",
    "unparseable": "unparseable",
    "truncated": "truncated",
    "upstream": "upstream's way",
}
_COLUMNS_OF_SCORES: Mapping[str, str] = {
    "accuracy": "accuracy",
    "accuracy_of_decided": "without ties and unscored",
    "length_controlled": "length-controlled",
    "tie": "tie",
    "unscored": "unscored",
    "upstream": "upstream's way",
}
_COLUMNS_OF_GRADES: Mapping[str, str] = {
    **_COLUMNS_OF_SCORES,
    "unparseable": "unparseable",
    "truncated": "truncated",
}
_WITH_INTERVAL_OF_SCORES = ("accuracy", "upstream")


def render_card(evaluation: Evaluation) -> str:
    """Return the card; every figure is in percent."""
    name = evaluation.benchmark.name if evaluation.benchmark is not None else "judgements"
    parts = [
        f"# Evaluation: {name}",
        _provenance(evaluation),
        *_warnings(evaluation),
        "## Overall",
        _headline(evaluation),
        _figures(evaluation.report.judges, "all"),
    ]
    if evaluation.ranking is not None:
        parts += ["## Agreement with human ranks", render_ranking(evaluation.ranking)]
    for section in evaluation.sections:
        parts += [f"## Sections: {section.judge or 'judge'}", _sections(section)]
        with_prior = evaluation.leaderboard_score(section)
        if with_prior is not None:
            parts.append(
                f"Final score with the prior sets at half weight: {markdown.percent(with_prior)}"
            )
    parts += ["## Subsets", _figures(evaluation.report.groups, markdown.NONE)]
    for judge in evaluation.report.judges:
        if judge.vote_scores is not None and judge.calibration is not None:
            parts += [f"## Votes: {judge.key.judge or 'judge'}", _votes(judge)]
    parts += ["## Cost", _cost(evaluation), "## How to read the figures", _glossary(evaluation)]

    return "\n\n".join(part for part in parts if part) + "\n"


def _provenance(evaluation: Evaluation) -> str:
    provenance = evaluation.provenance
    rows = [
        [name, str(provenance.details[name])]
        for name in ("model", "mode", "kind", "reference", "dtype", "prompt")
        if name in provenance.details
    ]
    rows += [[f"digest of the {name}", value] for name, value in sorted(provenance.digests.items())]
    rows += [
        [f"rows: {name.replace('_', ' ')}", str(count)] for name, count in evaluation.counts.items()
    ]
    rows += _scoring(evaluation.scoring)
    rows += [
        [f"rows of the benchmark passed over: {name.replace('_', ' ')}", str(count)]
        for name, count in evaluation.passed_over.items()
    ]

    return markdown.table(["what", "value"], rows, num_names=2)


def _scoring(summary: Mapping[str, Any]) -> list[list[str]]:
    """Return what a scoring judge's answers and samples came to; each is counted once."""
    if not summary:
        return []
    failures = summary["failures"]

    return [
        ["answers scored by themselves", str(summary["answers"])],
        ["of these without a score", str(summary["unscored"])],
        ["samples", str(summary["samples"])],
        *([f"samples without a score: {name}", str(count)] for name, count in failures.items()),
    ]


def _warnings(evaluation: Evaluation) -> Iterable[str]:
    if not evaluation.provenance.is_complete:
        yield "**The judging run has not come to its end; these scores are of what is there so far.**"
    if evaluation.num_missing:
        yield f"**{evaluation.num_missing} pairs of the benchmark have no judgement.**"
    for section in evaluation.sections:
        if section.missing:
            yield f"**Without any subset, and so scored 0: {', '.join(section.missing)}.**"
        if section.unused:
            yield f"Subsets that belong to no section: {', '.join(section.unused)}."


def _headline(evaluation: Evaluation) -> str:
    if evaluation.benchmark is None:
        return ""
    rows = []
    for judge in evaluation.report.judges:
        scores = judge.vote_scores if judge.vote_scores is not None else judge.scores
        for title, name in evaluation.headline.items():
            figure = markdown.percent(scores.figures[name], scores.intervals[name])
            rows.append([judge.key.judge or markdown.NONE, title, figure])

    return markdown.table([_source(evaluation), "metric", "score"], rows, num_names=2)


def _figures(groups: Sequence[GroupReport], without_subset: str) -> str:
    columns = _COLUMNS
    if groups[0].is_of_scores:
        columns = _COLUMNS_OF_GRADES if groups[0].is_graded else _COLUMNS_OF_SCORES
    with_interval = _WITH_INTERVAL_OF_SCORES if groups[0].is_of_scores else _WITH_INTERVAL
    rows = []
    for group in groups:
        names = [group.key.subset or without_subset, group.key.judge or markdown.NONE]
        pairs = str(group.scores.counts["pairs"])
        rows.append([*names, pairs, *_cells(group.scores, columns, with_interval)])

    header = ["subset", groups[0].source, "pairs", *columns.values()]

    return markdown.table(header, rows, num_names=2)


def _cells(scores: Scores, columns: Iterable[str], with_interval: Container[str]) -> list[str]:
    return [
        markdown.percent(scores.figures[name], scores.intervals[name] if name in with_interval else None)
        for name in columns
    ]


def _sections(section: SectionReport) -> str:
    names = [name for name in next(iter(section.figures.values())).values if name != FINAL]
    rows = [
        [
            figure.replace("_", " "),
            *(markdown.percent(scores.values[n], scores.intervals[n]) for n in (*names, FINAL)),
        ]
        for figure, scores in section.figures.items()
    ]

    return markdown.table(["figure", *names, "final"], rows)


def _votes(judge: GroupReport) -> str:
    assert judge.vote_scores is not None
    assert judge.calibration is not None
    rows = [
        [
            f"{b.low:.1f} to {b.high:.1f}",
            str(b.count),
            markdown.percent(b.confidence),
            markdown.percent(b.accuracy),
        ]
        for b in judge.calibration.bins
    ]
    cells = _cells(judge.vote_scores, _COLUMNS, _WITH_INTERVAL)
    figures = markdown.table(["of the votes", *_COLUMNS.values()], [["all", *cells]])
    calibration = markdown.table(["confidence", "votes", "mean confidence", "accuracy"], rows)
    error = markdown.percent(judge.calibration.error)

    return f"{figures}\n\n{calibration}\n\nExpected calibration error: {error}"


def _cost(evaluation: Evaluation) -> str:
    rows = [
        [
            judge.key.judge or markdown.NONE,
            str(judge.scores.counts["compared" if judge.is_of_scores else "judgements"]),
            _count(judge.cost.prompt_tokens),
            _count(judge.cost.completion_tokens),
        ]
        for judge in evaluation.report.judges
    ]
    seconds = evaluation.provenance.seconds
    unit, work = ("comparisons", "scoring") if evaluation.is_of_scores else ("judgements", "judging")
    time = "" if seconds is None else f"\n\nSeconds of the {work} run: {seconds:.1f}"
    header = [_source(evaluation), unit, "prompt tokens", "generated tokens"]

    return markdown.table(header, rows) + time


def _glossary(evaluation: Evaluation) -> str:
    if not evaluation.is_of_scores:
        return _GLOSSARY

    return _GLOSSARY_OF_SCORES + (_GLOSSARY_OF_GRADES if evaluation.is_graded else "")


def _source(evaluation: Evaluation) -> str:
    return evaluation.report.judges[0].source


def _count(value: int | None) -> str:
    return markdown.NONE if value is None else f"{value:,}"


_GLOSSARY = """\
All figures are in percent; in parentheses the interval of a bootstrap over pairs, whose level
`scores.json` names. Order 0_1 shows a pair as it is stored. *Mean*: of the two orders.
*Both right* and *agreement* (the same answer, or a tie, or a failure in both orders) are over pairs
judged in both orders. *First slot*: verdicts for the answer shown first, 50 without a leaning.
*Length-controlled*: the mean of the accuracies where the better answer is the longer one and where it is
the shorter one. *Upstream's way*: one order at a time, anything but a win or a loss counts half."""

_GLOSSARY_OF_SCORES = """\
All figures are in percent; in parentheses the interval of a bootstrap over pairs, whose level
`scores.json` names. An answer is scored by itself, so no order and no slot can sway it, and
there are no figures of those. *Accuracy*: the right answer has a higher score than every wrong one; an
equal score is a *tie*, and *unscored* is a comparison with an answer that has no score (too long for the
model, above all): neither is right. *Length-controlled*: the mean of the accuracies where the right
answer is the longer one and where it is the shorter one. *Upstream's way*: as accuracy, but in
RewardBench 2 a right answer that shares the highest score of four has its part of 1, and Ties has a
formula of its own; over all subsets, Ties is left out."""

_GLOSSARY_OF_GRADES = """
A judge's score is the mean of its samples that have one. *Unparseable* and *truncated*: samples without,
among all samples of the answers that are compared; an answer none of whose samples has a score is
unscored."""
