"""The numbers of charts and tables, worked out by hand from the hand-made loop."""

from __future__ import annotations

from pathlib import Path

import pytest

from ste_fairseq2.report.chart import Chart, Series
from ste_fairseq2.report.facts import LoopFacts, Votes
from ste_fairseq2.report.findings import find
from ste_fairseq2.report.parts import accuracy, confidence, cost, curation, lengths, position, training
from ste_fairseq2.report.parts.part import Part
from ste_fairseq2.report.parts.training import thin
from ste_fairseq2.report.read import read_loop
from tests.hand_made_loop import write_empty_loop, write_loop, write_samples

PARTS = (accuracy, confidence, cost, curation, lengths, position, training)


@pytest.fixture
def facts(loop: Path) -> LoopFacts:
    return read_loop(loop, limit=10)


def chart(part: Part, title: str) -> Chart:
    [found] = [chart for chart in part.charts if chart.title == title]

    return found


def values(chart: Chart) -> dict[str, list[float | None]]:
    return {series.name: list(series.values) for series in chart.series}


def test_accuracy(facts: LoopFacts) -> None:
    part = accuracy.make(facts)

    overall = chart(part, "Accuracy on held")
    assert overall.x == ["seed", "1", "2"]
    assert values(overall) == {"": [25, 75, None]}
    assert overall.series[0].intervals == [(10, 40), (60, 90), None]
    assert values(chart(part, "Right in both orders, held")) == {"": [12.5, 37.5, None]}
    assert values(chart(part, "Agreement of both orders, held")) == {"": [50, 50, None]}
    assert values(chart(part, "<b>code</b> (held)")) == {"": [25, 75, None]}
    assert values(chart(part, "Judgements without a verdict, held")) == {
        "unparseable": [0, 0, None],
        "truncated": [25, 25, None],
    }


def test_compared_loops_stand_beside(loop: Path) -> None:
    other = write_loop(loop.parent / "other")

    part = accuracy.make(read_loop(loop, compare=[other], limit=0))

    assert values(chart(part, "Accuracy on held")) == {
        "loop": [25, 75, None],
        "other": [25, 75, None],
    }


def test_kept_and_dropped(facts: LoopFacts) -> None:
    part = curation.make(facts)

    assert values(chart(part, "Judgements drawn, by verdict")) == {
        "right": [50, 75],
        "wrong": [12.5, 25],
        "tie": [12.5, 0],
        "unparseable": [12.5, 0],
        "truncated": [12.5, 0],
    }
    assert values(chart(part, "What became of the judgements, SFT")) == {
        "kept": [25],
        "not drawn": [62.5],
        "wrong": [12.5],
    }
    fates = next(table for table in part.tables if table.title == "Samples by fate, SFT")
    assert fates.header == ["round", "kept", "not drawn", "wrong"]
    assert fates.rows == [["1 SFT", "2", "5", "1"]]
    assert part.notes == [
        "No training set has been made yet in 2 SFT, 2 DPO.",
        "The pairs were given, so no stage of this loop has made or dropped any.",
    ]


def test_a_fate_has_one_colour(facts: LoopFacts) -> None:
    part = curation.make(facts)
    colours = [
        {
            series.name: series.colour
            for series in chart(part, f"What became of the judgements, {p}").series
        }
        for p in ("SFT", "DPO")
    ]

    assert colours[0]["not drawn"] == colours[1]["not drawn"]


def test_lengths(facts: LoopFacts) -> None:
    part = lengths.make(facts)

    assert values(chart(part, "Mean length of judgements in the training sets")) == {
        "chosen": [3, 6],
        "rejected": [None, 3],
    }
    assert part.tables[0].rows[-1] == ["1 DPO", "rejected", "3", "3", "5", "5"]
    assert part.tables[-1].rows == [["main", "2", "0", "0"]]


def test_position(facts: LoopFacts) -> None:
    part = position.make(facts)

    assert values(chart(part, "First answer named, in samples for training")) == {"": [80]}
    by_place = chart(part, "Right by the place of the better answer, in samples for training")
    assert values(by_place) == {"better answer first": [75], "better answer last": [25]}
    assert values(chart(part, "First answer named, held")) == {"": [90, 50, None]}
    assert values(chart(part, "Right by the place of the better answer, held")) == {
        "better answer first": [100, 100, None],
        "better answer last": [50, 50, None],
    }


def test_judgements_that_are_still_drawn_are_told(tmp_path: Path) -> None:
    folder = write_empty_loop(tmp_path / "loop")
    write_samples(folder / "round-1/sft/annotate/main", is_complete=False)

    part = position.make(read_loop(folder, limit=10))

    assert part.notes[0] == "Judgements of 1 SFT are still being drawn; here are those so far."
    assert values(chart(part, "First answer named, in samples for training")) == {"": [80]}


def test_confidence(facts: LoopFacts) -> None:
    part = confidence.make(facts)

    histogram = chart(part, "Right samples, 1 SFT")
    assert histogram.x == ["0/2", "1/2", "2/2"]
    assert values(histogram) == {"": [25, 50, 25]}
    # In the worse of their orders, the pairs have 1 of 2 and 0 of 2 right.
    kept = chart(part, "Pairs that a threshold would keep")
    assert kept.x == [0, 0.5, 1]
    assert values(kept) == {"1 SFT": [2, 1, 0]}


def test_many_unequal_votes_are_put_into_tenths() -> None:
    votes = [Votes(prompt="a", is_pair=True, better_first=True, right=n, total=30) for n in (0, 3, 30)]

    histogram = confidence._histogram("1", votes)

    assert [n for n, value in enumerate(histogram.series[0].values) if value] == [0, 1, 9]
    assert confidence.pair_agreements(votes) == []


def test_training(facts: LoopFacts) -> None:
    part = training.make(facts)

    loss = chart(part, "SFT: NLL loss")
    assert (loss.x, values(loss)) == ([2, 4], {"round 1": [1.0, 0.5]})
    assert values(chart(part, "DPO: reward accuracy")) == {"round 1": [75]}


def test_long_curves_are_thinned() -> None:
    assert thin(range(1000), 200)[-1] == 999
    assert len(thin(range(1000), 200)) <= 200
    assert thin([1, 2], 2) == [1, 2]


def test_cost(facts: LoopFacts) -> None:
    part = cost.make(facts)

    # The failed attempt of four seconds counts.
    assert values(chart(part, "Time")) == {
        "annotate": [0, 10, 0],
        "prepare": [0, 3, 0],
        "evaluate": [7, 0, 0],
    }
    assert values(chart(part, "Tokens")) == {"annotate": [0, 840, 0]}
    assert part.tables[0].rows == [["1", "annotate", "800", "40"]]


def test_findings(facts: LoopFacts) -> None:
    texts = [finding.text for finding in find(facts)]

    assert texts == [
        "Accuracy on held went from 25.0 % to 75.0 % by round 1.",
        "In 1 DPO, curation kept 50 % of the samples; most of the others were: not drawn.",
        "In 1 DPO, chosen judgements have 6 words on average and rejected ones 3.",
        "Better responses of main have 3.5 words on average, worse ones 1.",
    ]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__.rpartition(".")[2])
@pytest.mark.parametrize("rounds", [0, 2])
def test_what_is_missing_is_said(tmp_path: Path, part: object, rounds: int) -> None:
    facts = read_loop(write_empty_loop(tmp_path / "loop", rounds=rounds, benchmark=False), limit=10)

    made = part.make(facts)  # type: ignore[attr-defined]

    assert made.notes
    assert not [chart for chart in made.charts if "judge" in chart.title.lower()]


def test_a_chart_says_in_words_what_it_shows() -> None:
    one = Chart(
        title="Accuracy",
        kind="lines",
        x_label="round",
        y_label="accuracy (%)",
        x=["seed", "1"],
        unit="%",
        series=[Series(name="a", values=[25, None], intervals=[(20, 30), None])],
    )

    assert one.table().rows == [["seed", "25.0 (20.0 to 30.0)"], ["1", "-"]]
    assert one.alternative() == "Accuracy. accuracy (%) by round. a: seed: 25.0, 1: -."
