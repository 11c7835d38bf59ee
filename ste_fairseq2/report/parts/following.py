"""The part about the models' own answers: how well they follow instructions, by round and category."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ste_fairseq2.evaluation import markdown
from ste_fairseq2.evaluation.following import Following
from ste_fairseq2.loop.rounds import RoundSummary
from ste_fairseq2.report.chart import NONE, Chart, Series, Table, percent, percent_interval
from ste_fairseq2.report.facts import LoopFacts
from ste_fairseq2.report.parts.part import Part, all_loops, rates_by_round, round_names

MEASURES: Final = {"exact_match": "Exact match", "win_rate": "Win rate"}

_LABELS: Final = {"exact_match": "answers right (%)", "win_rate": "comparisons won (%)"}

_LEAD: Final = (
    "How the models answer themselves, on instructions with a known answer. Exact match is the share of "
    "answers that are the known one, but for case and white space; a win rate, the share of comparisons "
    "with the known answer that a judge gives to the model's, in both orders. An answer that was cut is "
    "not right. The method works where this rises by more than its intervals."
)

_MOST_CATEGORIES: Final = 36
"""Categories drawn of a test."""


def make(facts: LoopFacts) -> Part:
    charts: list[Chart] = []
    notes: list[str] = []
    names = facts.tests
    for name in names:
        known = [s.following[name] for s in facts.summaries if name in s.following]
        if not known:
            notes.append(f"No model has been tested on {name} yet.")
            continue
        charts.append(_chart(facts, name, known[0].measure))
        categories = list(dict.fromkeys(category for test in known for category in test.categories))
        charts += [
            _category_chart(facts, name, category, known[0].measure)
            for category in categories[:_MOST_CATEGORIES]
        ]
        if len(categories) > _MOST_CATEGORIES:
            left_out = len(categories) - _MOST_CATEGORIES
            notes.append(f"{left_out} more categories of {name} are not drawn; see its following.json.")
    if not names:
        notes.append("The configuration names no test under `follow`, so no answers were tested.")
    tables = [_table(facts, names)] if charts else []

    return Part(
        anchor="following",
        title="Following instructions",
        lead=_LEAD,
        charts=charts,
        tables=tables,
        notes=notes,
    )


def _chart(facts: LoopFacts, name: str, measure: str) -> Chart:
    x = round_names(facts, with_peers=True)
    is_rate = measure == "win_rate"

    return rates_by_round(
        f"{MEASURES[measure]} on {name}",
        _LABELS[measure],
        x,
        list(_loops(facts, name, len(x), lambda test: test.score, with_intervals=True)),
        reference=50 if is_rate else None,
        reference_name="as good as the known answers" if is_rate else "",
    )


def _category_chart(facts: LoopFacts, name: str, category: str, measure: str) -> Chart:
    x = round_names(facts, with_peers=True)
    series = list(_loops(facts, name, len(x), lambda test: test.categories.get(category)))

    return rates_by_round(f"{category} ({name})", _LABELS[measure], x, series, is_small=True)


def _loops(
    facts: LoopFacts,
    name: str,
    length: int,
    read: Callable[[Following], float | None],
    *,
    with_intervals: bool = False,
) -> Iterator[Series]:
    """Yield a series of this loop and one of each that is compared."""
    for index, (loop, summaries) in enumerate(all_loops(facts)):
        tested = [_test_in(summaries, name, n) for n in range(length)]
        if index and not any(tested):
            continue
        yield Series(
            name=loop,
            values=[None if test is None else percent(read(test)) for test in tested],
            intervals=[None if test is None else percent_interval(test.interval) for test in tested]
            if with_intervals
            else (),
            colour=index,
        )


def _test_in(summaries: Sequence[RoundSummary], name: str, n: int) -> Following | None:
    return summaries[n].following.get(name) if n < len(summaries) else None


def _table(facts: LoopFacts, names: Sequence[str]) -> Table:
    rows = []
    for name in names:
        for summary in facts.summaries:
            test = summary.following.get(name)
            if test is not None:
                rows.append(
                    [
                        *(name, summary.name, MEASURES[test.measure].lower()),
                        markdown.percent(test.score, test.interval),
                        *(f"{test.instructions:,}", f"{test.answered:,}"),
                        NONE if test.mean_words is None else f"{test.mean_words:.1f}",
                    ]
                )

    return Table(
        title="Tests of following",
        header=["test", "round", "measure", "score (%)", "instructions", "answered", "mean words"],
        rows=rows,
        num_names=3,
    )
