"""The part about lengths: of chosen and rejected judgements, of better and worse responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ste_fairseq2.report.chart import Chart, Series, Table, share
from ste_fairseq2.report.facts import CurationFacts, JudgingFacts, LoopFacts, PairFacts
from ste_fairseq2.report.parts.part import Part

_LEAD: Final = (
    "A training set whose chosen judgements are longer than the rejected ones teaches length, and "
    "pairs whose better response is the longer one let a judge win by counting. Both sides should "
    "look alike."
)

_SIDES: Final = ("chosen", "rejected")


def make(facts: LoopFacts) -> Part:
    curated = [(f, f.curation) for f in facts.judging if f.curation is not None]
    charts: list[Chart] = []
    tables: list[Table] = []
    notes: list[str] = []
    if curated:
        charts.append(_means(curated))
        newest = {f.phase: (f, c) for f, c in curated}
        charts += [histogram(f"Lengths of judgements, {f.label}", c.lengths) for f, c in newest.values()]
        tables.append(_table("Lengths of judgements", "training set", _rows(curated)))
        if not any("rejected" in c.lengths for _, c in curated):
            notes.append("Training sets for SFT have no rejected side.")
    else:
        notes.append("No training set has been made yet, so there are no lengths of judgements.")
    if facts.pairs:
        charts.append(_pair_means(facts))
        charts += [
            histogram(
                f"Lengths of responses, {pairs.name}", {"better": pairs.better, "worse": pairs.worse}
            )
            for pairs in facts.pairs[-2:]
        ]
        tables.append(_table("Lengths of responses", "pairs", _pair_rows(facts)))
        tables.append(_longer(facts))
    else:
        notes.append("No pairs can be read: their stage has not ended, or they are in a data set.")

    return Part(anchor="lengths", title="Lengths", lead=_LEAD, charts=charts, tables=tables, notes=notes)


def _means(curated: list[tuple[JudgingFacts, CurationFacts]]) -> Chart:
    sides = [side for side in _SIDES if any(side in c.lengths for _, c in curated)]

    return Chart(
        title="Mean length of judgements in the training sets",
        kind="bars",
        x_label="round",
        y_label="words",
        x=[f.label for f, _ in curated],
        unit="number",
        series=[
            Series(
                name=side,
                values=[
                    c.lengths[side]["words"]["mean"] if side in c.lengths else None for _, c in curated
                ],
            )
            for side in sides
        ],
    )


def _pair_means(facts: LoopFacts) -> Chart:
    sides = (("better", [p.better for p in facts.pairs]), ("worse", [p.worse for p in facts.pairs]))

    return Chart(
        title="Mean length of the responses of pairs",
        kind="bars",
        x_label="pairs",
        y_label="words",
        x=[pairs.name for pairs in facts.pairs],
        unit="number",
        series=[
            Series(name=name, values=[lengths["words"]["mean"] for lengths in side])
            for name, side in sides
        ],
    )


def histogram(title: str, sides: Mapping[str, Mapping[str, Any]]) -> Chart:
    """Return the shares of texts by length, without the bins beyond all of them."""
    known = {side: _bins(sides[side]) for side in (*_SIDES, "better", "worse") if side in sides}
    bins = list(next(iter(known.values())))
    used = [n for n, name in enumerate(bins) if any(counts[name] for counts in known.values())]
    shown = bins[used[0] : used[-1] + 1] if used else bins[:1]

    return Chart(
        title=title,
        kind="bars",
        x_label="length in words",
        y_label="texts (%)",
        x=shown,
        unit="%",
        series=[
            Series(name=side, values=[share(counts[name], sum(counts.values())) for name in shown])
            for side, counts in known.items()
        ],
    )


def _bins(lengths: Mapping[str, Any]) -> dict[str, int]:
    """Return the bins in their order, which a manifest does not keep."""
    counts: Mapping[str, int] = lengths["words"]["histogram"]

    return {name: counts[name] for name in sorted(counts, key=_lower_edge)}


def _lower_edge(name: str) -> int:
    if name.startswith("<"):
        return 0

    return int(name.removeprefix(">=").partition("-")[0])


def _rows(curated: list[tuple[JudgingFacts, CurationFacts]]) -> Iterator[list[str]]:
    for facts, curation in curated:
        for side in _SIDES:
            if side in curation.lengths:
                yield [facts.label, side, *_numbers(curation.lengths[side])]


def _pair_rows(facts: LoopFacts) -> Iterator[list[str]]:
    for pairs in facts.pairs:
        yield [pairs.name, "better", *_numbers(pairs.better)]
        yield [pairs.name, "worse", *_numbers(pairs.worse)]


def _numbers(lengths: Mapping[str, Any]) -> list[str]:
    return [
        f"{lengths[unit][kind]:g}" for unit in ("words", "characters") for kind in ("mean", "median")
    ]


def _table(title: str, first: str, rows: Iterator[list[str]]) -> Table:
    header = [first, "side", "words, mean", "words, median", "characters, mean", "characters, median"]

    return Table(title=title, header=header, rows=list(rows), num_names=2)


def _longer(facts: LoopFacts) -> Table:
    def row(pairs: PairFacts) -> list[str]:
        equal = pairs.pairs - pairs.better_longer - pairs.worse_longer
        return [pairs.name, *(f"{n:,}" for n in (pairs.better_longer, pairs.worse_longer, equal))]

    return Table(
        title="Pairs by their longer response (in words)",
        header=["pairs", "better is longer", "worse is longer", "equal"],
        rows=[row(pairs) for pairs in facts.pairs],
    )
