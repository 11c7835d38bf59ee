"""The page of a loop of Self-Rewarding Language Models, against figures worked out by hand."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.loop.rounds import AnswerScores
from ste_fairseq2.report.chart import Chart
from ste_fairseq2.report.facts import LoopFacts, ScoringFacts
from ste_fairseq2.report.findings import find
from ste_fairseq2.report.methods import method_of
from ste_fairseq2.report.page import make_page
from ste_fairseq2.report.parts import (
    accuracy,
    answer_lengths,
    cost,
    following,
    position,
    ranks,
    scores,
    training,
)
from ste_fairseq2.report.parts.part import Part
from ste_fairseq2.report.read import read_loop
from tests.hand_made_loop import HOSTILE, write_empty_loop
from tests.hand_made_rewarding_loop import write_empty_rewarding_loop, write_rewarding_loop


@pytest.fixture(scope="module")
def rewarding_loop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rewarding_loop(tmp_path_factory.mktemp("rewarding") / "loop")


@pytest.fixture(scope="module")
def facts(rewarding_loop: Path) -> LoopFacts:
    return read_loop(rewarding_loop, limit=10)


def chart(part: Part, title: str) -> Chart:
    [found] = [chart for chart in part.charts if chart.title == title]

    return found


def values(chart: Chart) -> dict[str, list[float | None]]:
    return {series.name: list(series.values) for series in chart.series}


def rows(part: Part, title: str) -> list[list[str]]:
    [found] = [table for table in part.tables if table.title.startswith(title)]

    return [list(found.header), *map(list, found.rows)]


def test_following(facts: LoopFacts) -> None:
    part = following.make(facts)

    overall = chart(part, "Exact match on own")
    assert overall.x == ["seed", "IFT", "M1", "M2", "M3"]
    assert values(overall) == {"": [25, 50, 50, 75, None]}
    assert overall.series[0].intervals == [(10, 40), (30, 60), (30, 60), (60, 90), None]
    assert values(chart(part, "<b>sums</b> (own)")) == {"": [25, 50, 50, 75, None]}
    assert rows(part, "Tests of following")[-1] == [
        *("own", "M2", "exact match", "75.0 (60.0 to 90.0)", "8", "7", "6.0")
    ]


def test_a_win_rate_is_named(rewarding_loop: Path, tmp_path: Path) -> None:
    folder = write_empty_rewarding_loop(tmp_path / "loop")
    content = json.loads((rewarding_loop / "seed/follow/own/following.json").read_text())
    place = folder / "seed/follow/own"
    place.mkdir(parents=True)
    (place / "following.json").write_text(json.dumps(content | {"measure": "win_rate"}))

    rate = chart(following.make(read_loop(folder, limit=0)), "Win rate on own")

    assert (rate.y_label, rate.reference) == ("comparisons won (%)", 50)


def test_accuracy_with_and_without_orders(facts: LoopFacts) -> None:
    part = accuracy.make(facts)

    overall = chart(part, "Accuracy on ranks")
    assert values(overall) == {"": [50, None, None, 75, None]}
    assert overall.reference is None
    assert overall.note.startswith("The answers were scored one by one")
    assert values(chart(part, "Judgements without a score, ranks")) == {
        "unparseable": [0, None, None, 0, None],
        "truncated": [50, None, None, 50, None],
    }
    assert chart(part, "Accuracy on pairs").note == ""
    assert values(chart(part, "Right in both orders, pairs")) == {"": [None, None, None, 25, None]}
    assert not [one for one in part.charts if one.title.endswith("orders, ranks")]
    bias = position.make_held_out(facts)
    assert [one.title for one in bias.charts] == [
        "First answer named, pairs",
        "Right by the place of the better answer, pairs",
    ]


def test_agreement_with_ranks(facts: LoopFacts) -> None:
    part = ranks.make(facts)

    assert values(chart(part, "Pairs of answers, ranks")) == {
        "pairwise accuracy": [50, None, None, 75, None],
        "pairs of equal scores": [0.0, None, None, 12.5, None],
    }
    assert values(chart(part, "Exact match and five-best, ranks")) == {
        "exact match": [25, None, None, 25, None],
        "five-best": [100, None, None, 100, None],
    }
    correlation = chart(part, "Correlation of scores and ranks, ranks")
    assert values(correlation) == {
        "Spearman": [0, None, None, 0.6, None],
        "Kendall's tau-b": [None] * 5,
    }
    assert correlation.table().rows[0] == ["seed", "0 (-0.25 to 0.25)", "-"]
    assert rows(part, "Agreement with human ranks, ranks") == [
        [
            *("round", "pairwise accuracy", "exact match", "Spearman"),
            *("Kendall's tau-b", "five-best", "pairs of equal scores", "new figure"),
        ],
        [
            *("seed", "50.0 (40.0 to 60.0)", "25.0", "0.000 (-0.250 to 0.250)"),
            *("-", "100.0", "0.0", "0.125"),
        ],
        [
            *("M2", "75.0 (65.0 to 85.0)", "25.0", "0.600 (0.350 to 0.850)"),
            *("-", "100.0", "12.5", "0.125"),
        ],
    ]


def test_scores(facts: LoopFacts) -> None:
    part = scores.make(facts)

    # Of M2's answers one has 4.5, which goes up, one 1, one 2.5, which goes up, and one none.
    assert values(chart(part, "Answers by score")) == {
        "0": [0, 0],
        "1": [25, 25],
        "2": [0, 0],
        "3": [0, 25],
        "4": [50, 0],
        "5": [25, 25],
        "no score": [0, 25],
    }
    assert values(chart(part, "Judgements without a score")) == {
        "unparseable": [12.5, 12.5],
        "truncated": [0, 12.5],
    }
    assert rows(part, "Judgements of single answers")[2][:3] == ["M2", "8", "6"]
    fates = chart(part, "Instructions by what became of them, preference pairs")
    assert values(fates) == {"kept": [40], "equal scores": [50], "too few scored": [10]}
    assert rows(part, "Instructions by what became of them, judgements to learn from") == [
        ["round", "kept", "all equal"],
        ["M1", "1", "1"],
    ]
    assert rows(part, "Preference pairs")[1] == ["M2", "40", "3.50"]
    assert rows(part, "Judgements to learn from, M1, by score") == [
        ["thinning", "1", "5"],
        ["before", "1", "3"],
        ["after", "1", "1"],
    ]
    assert rows(part, "Stages that ask models") == [
        ["step", "kept", "truncated"],
        ["m1/scores", "4", "-"],
        ["m2/candidates", "4", "2"],
        ["m2/scores", "4", "-"],
    ]
    assert part.notes == ["The scores for M3 are not complete yet."]


def test_lengths_of_answers(facts: LoopFacts) -> None:
    part = answer_lengths.make(facts)

    # A control mark is a word of the rejected answer.
    assert values(chart(part, "Mean length of chosen and rejected answers")) == {
        "chosen": [6],
        "rejected": [3],
    }
    assert values(chart(part, "Pairs by their longer answer (in characters)")) == {
        "chosen": [62.5],
        "equal": [25],
        "rejected": [12.5],
    }
    own = chart(part, "Mean length of the models' own answers")
    assert values(own) == {"own": [4, 4, 4.5, 6, None]}
    assert rows(part, "Preference pairs by length")[1] == ["M2", "1", "6", "3", "25", "10", "5"]
    assert part.notes == ["The answers to choose among are drawn with temperature 1, top_p 0.9."]


def test_training_and_cost(facts: LoopFacts) -> None:
    trained = training.make(facts)

    assert values(chart(trained, "SFT: NLL loss")) == {"IFT": [1.0]}
    assert values(chart(trained, "DPO: DPO loss")) == {"M2": [0.5]}
    part = cost.make(facts)
    assert "before IFT" in part.lead
    assert values(chart(part, "Time")) == {
        "prepare": [1, 0, 0, 0, 0],
        "candidates": [0, 0, 0, 3, 0],
        "score": [0, 0, 0, 4, 0],
    }
    assert part.tables[0].rows == [
        ["M1", "score", "100", "20"],
        ["M2", "candidates", "400", "60"],
        ["M2", "score", "100", "20"],
    ]


def test_findings(facts: LoopFacts) -> None:
    assert [finding.text for finding in find(facts)] == [
        "Exact match on own went from 25.0 % to 75.0 % by M2.",
        "Accuracy on ranks went from 50.0 % to 75.0 % by M2.",
        "12 % of the judgements that score answers for M2 are truncated.",
        "12 % of the judgements that score answers for M2 are unparseable.",
        "In M2, curation kept 40 % of the instructions; most of the others were: equal scores.",
        "In M2, the chosen answer is the longer one in 83 % of the pairs of unequal length "
        "(drawn at temperature 1).",
        "On own, the answers of M2 have 6.0 words on average, those of the seed model 4.0.",
    ]


def test_a_model_that_answered_better_than_the_last_is_told(facts: LoopFacts) -> None:
    summaries = list(facts.summaries[:4])
    worse = dataclasses.replace(summaries[3].following["own"], score=0.3)
    summaries[3] = dataclasses.replace(summaries[3], following={"own": worse})

    texts = [finding.text for finding in find(dataclasses.replace(facts, summaries=summaries))]

    assert texts[1] == "The best answers on own are those of IFT, with 50.0 %."


@pytest.mark.parametrize(
    ("chosen_longer", "rejected_longer", "is_told"),
    # Of 100 pairs, 60 are no more than a leaning and 61 are; of 9 pairs, 7 may be chance and 8 are not.
    [(60, 40, False), (61, 39, True), (7, 2, False), (8, 1, True), (40, 60, False), (0, 0, False)],
)
def test_longer_chosen_answers_are_told_where_they_are_clearly_more(
    facts: LoopFacts, chosen_longer: int, rejected_longer: int, is_told: bool
) -> None:
    known = AnswerScores(
        answers=1,
        unscored=0,
        points={},
        samples=1,
        failures={},
        temperature=None,
        chosen_longer=chosen_longer,
        rejected_longer=rejected_longer,
    )
    scoring = ScoringFacts(label="M2", phase="dpo", scores=known, lengths={})

    found = find(dataclasses.replace(facts, scoring=[scoring], summaries=[]))

    assert [finding.anchor for finding in found] == (["lengths"] if is_told else [])


def test_answers_are_offered_with_what_became_of_them(facts: LoopFacts) -> None:
    answers = {(answer.round, answer.id): answer for answer in facts.judgements.answers}

    assert facts.judgements.total_answers == 10
    assert {key: answer.became for key, answer in answers.items()} == {
        (2, "r1-0"): "teaches judging",
        (2, "r1-1"): "teaches judging",
        (2, "r2-0"): "left out",
        (2, "r2-1"): "left out",
        (3, "i1:0"): "chosen",
        (3, "i1:1"): "rejected",
        (3, "i1:2"): "neither",
        (3, "i1:3"): "neither",
        (4, "i1:0"): "no training set yet",
        (4, "i1:1"): "no training set yet",
    }
    unscored = answers[3, "i1:2"]
    assert (unscored.instruction, unscored.score) == (HOSTILE, None)
    assert [sample.failure for sample in unscored.samples] == ["unparseable", "truncated"]
    assert [sample.score for sample in answers[3, "i1:0"].samples] == [5, 4]
    # One of the held-out pairs' judgements has a label.
    assert [judgement.kind for judgement in facts.judgements.chosen] == ["held-out: pairs"]


def test_few_answers_show_every_fate(rewarding_loop: Path) -> None:
    answers = read_loop(rewarding_loop, limit=5).judgements.answers

    assert [answer.became for answer in answers if answer.round == 3].count("neither") == 2
    assert read_loop(rewarding_loop, limit=0).judgements.answers == []


def test_settings(facts: LoopFacts) -> None:
    assert method_of(facts.config).settings() == {
        "Method": "Self-Rewarding Language Models",
        "Seed model": "models/seed",
        "Ranked answers": "ranked.jsonl",
        "Training": "SFT on people's best answers (IFT), and on these and judgements of ranked answers "
        "(M1); then DPO, each time from the last model",
        "Rounds of DPO": "2",
        "Instructions of DPO": "up to 2,000 new ones each round, written by the seed model",
        "Answers to each": "4, temperature 1, top_p 0.9",
        "Score": "mean of 2 judgements, temperature 0.5, top_p 1",
        "Random seed": "2",
        "Tests of following": "own (the ranked answers held out; exact match)",
        "Benchmarks": "ranks (ranked), pairs (ranked)",
    }


def test_the_page_has_both_kinds_of_judgements(facts: LoopFacts) -> None:
    page = make_page(facts)

    assert "1 of 1 judgements are in this page." in page
    assert "10 of 10 scored answers are in this page." in page
    [data] = re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)
    content = json.loads(data)
    assert content["filters"]["points"] == ["1", "3", "4", "5", "no score"]
    assert content["filters"]["became"][:2] == ["chosen", "rejected"]
    assert content["rounds"]["3"] == ["M2", "M2"]
    assert page == make_page(facts)


@pytest.mark.parametrize("rounds", [0, 2])
def test_a_loop_that_has_done_nothing_has_a_page(tmp_path: Path, rounds: int) -> None:
    folder = write_empty_rewarding_loop(tmp_path / "loop", rounds=rounds, tests=False)
    facts = read_loop(folder, limit=10)

    parts = [make(facts) for make in method_of(facts.config).PARTS]

    assert all(part.notes for part in parts)
    assert not [chart for part in parts for chart in part.charts]
    assert "No judge has judged anything yet." in make_page(facts)


def test_loops_of_one_method_stand_beside_each_other(rewarding_loop: Path, tmp_path: Path) -> None:
    other = write_rewarding_loop(tmp_path / "other")

    part = following.make(read_loop(rewarding_loop, compare=[other], limit=0))

    assert values(chart(part, "Exact match on own")) == {
        "loop": [25, 50, 50, 75, None],
        "other": [25, 50, 50, 75, None],
    }


def test_a_loop_of_another_method_is_refused(rewarding_loop: Path, tmp_path: Path) -> None:
    other = write_empty_loop(tmp_path / "other")

    with pytest.raises(ConfigError, match="a loop of self_taught"):
        read_loop(rewarding_loop, compare=[other], limit=0)
