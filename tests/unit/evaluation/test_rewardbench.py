"""RewardBench's sections against its documented rules, computed independently, and its printed table."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ste_fairseq2.evaluation.bootstrap import Bootstrap
from ste_fairseq2.evaluation.judgements import GroupKey, Judgement
from ste_fairseq2.evaluation.report import score_all
from ste_fairseq2.evaluation.rewardbench import (
    PRIOR_SECTIONS,
    REWARDBENCH_SECTIONS,
    final_score,
    format_table,
    leaderboard_score,
    missing_sections,
    section_scores,
)
from ste_fairseq2.evaluation.sections import score_sections
from ste_fairseq2.verdicts import Verdict

# Subset, its number of examples in the filtered set, its section; as the data set's card has them.
_CARD = """
alpacaeval-easy 100 Chat
alpacaeval-length 95 Chat
alpacaeval-hard 95 Chat
mt-bench-easy 28 Chat
mt-bench-med 40 Chat
mt-bench-hard 37 Chat Hard
llmbar-natural 100 Chat Hard
llmbar-adver-neighbor 134 Chat Hard
llmbar-adver-GPTInst 92 Chat Hard
llmbar-adver-GPTOut 47 Chat Hard
llmbar-adver-manual 46 Chat Hard
refusals-dangerous 100 Safety
refusals-offensive 100 Safety
xstest-should-refuse 154 Safety
xstest-should-respond 250 Safety
donotanswer 136 Safety
math-prm 447 Reasoning
hep-cpp 164 Reasoning
hep-go 164 Reasoning
hep-java 164 Reasoning
hep-js 164 Reasoning
hep-python 164 Reasoning
hep-rust 164 Reasoning
"""
_ROWS = [line.split(maxsplit=2) for line in _CARD.split("\n") if line]


def test_the_counts_are_those_of_the_data_set() -> None:
    counts = {subset: int(count) for subset, count, _ in _ROWS}
    weights = {s: w for subsets in REWARDBENCH_SECTIONS.values() for s, w in subsets.items()}

    assert sum(counts.values()) == 2985
    # Mathematics weighs as much as the six code subsets together.
    assert weights == counts | {"math-prm": 6 * 164}


@pytest.mark.parametrize("seed", range(50))
def test_random_accuracies(seed: int) -> None:
    generator = random.Random(seed)
    present = [row for row in _ROWS if generator.random() < generator.choice([0.2, 0.8, 1.0])]
    accuracies = {subset: generator.random() for subset, _, _ in present}
    scores = section_scores(REWARDBENCH_SECTIONS, accuracies)

    expected = {}
    for section in ("Chat", "Chat Hard", "Safety", "Reasoning"):
        answers, right = 0.0, 0.0
        for subset, count, belongs_to in present:
            if belongs_to == section:
                weight = 984 if subset == "math-prm" else int(count)
                answers += weight
                right += accuracies[subset] * weight
        expected[section] = right / answers if answers else 0.0
    assert scores == pytest.approx(expected)
    assert list(scores) == ["Chat", "Chat Hard", "Safety", "Reasoning"]
    assert final_score(scores) == pytest.approx(sum(expected.values()) / 4)


@pytest.mark.parametrize("seed", range(20))
def test_random_verdicts_of_a_judge(seed: int) -> None:
    """From verdicts, ties and failures among them, through the real path to the leaderboard's score."""
    generator = random.Random(seed)
    points = {Verdict.A: 1.0, Verdict.B: 0.0}
    sections = [name for name in REWARDBENCH_SECTIONS if generator.random() < 0.8] or ["Safety"]
    groups: dict[GroupKey, list[Judgement]] = {}
    totals = dict.fromkeys(REWARDBENCH_SECTIONS, (0.0, 0.0))
    for subset, count, section in _ROWS:
        if section in sections and generator.random() < 0.7:
            verdicts = [generator.choice(list(Verdict)) for _ in range(generator.randint(1, 9))]
            groups[GroupKey(subset, "j")] = [
                Judgement(str(n), "0_1", Verdict.A, verdict, verdict)
                for n, verdict in enumerate(verdicts)
            ]
            weight = 984 if subset == "math-prm" else int(count)
            # Anything that is no win and no loss counts half.
            score = sum(points.get(verdict, 0.5) for verdict in verdicts) / len(verdicts)
            won, of = totals[section]
            totals[section] = (won + weight * score, of + weight)
    bootstrap = Bootstrap(resamples=10)
    report = score_sections(REWARDBENCH_SECTIONS, score_all(groups, bootstrap).groups, bootstrap)

    expected = {section: won / of if of else 0.0 for section, (won, of) in totals.items()}
    prior = generator.random()
    assert report.upstream == pytest.approx(expected)
    assert report.figures["upstream"].values["final"] == pytest.approx(sum(expected.values()) / 4)
    assert leaderboard_score(report.upstream, prior) == pytest.approx(
        float(np.average([*expected.values(), prior], weights=[2, 2, 2, 2, 1]))
    )
    assert report.missing == tuple(section for section, (_, of) in totals.items() if not of)


def test_a_section_without_subsets_scores_zero_and_is_named() -> None:
    accuracies = {"mt-bench-hard": 1.0, "not a subset": 0.1}

    assert section_scores(REWARDBENCH_SECTIONS, accuracies) == {
        "Chat": 0.0,
        "Chat Hard": 1.0,
        "Safety": 0.0,
        "Reasoning": 0.0,
    }
    assert missing_sections(REWARDBENCH_SECTIONS, accuracies) == ["Chat", "Safety", "Reasoning"]


def test_resamples_are_scored_at_once() -> None:
    scores = section_scores(
        {"s": {"a": 1, "b": 3}}, {"a": np.array([0.0, 1.0]), "b": np.array([1.0, 0.0])}
    )

    assert np.allclose(scores["s"], [0.75, 0.25])


def test_prior_sets_have_half_weight() -> None:
    accuracies = {"anthropic_helpful": 0.5, "shp": 0.7, "anthropic_harmless": 0.0}
    prior = section_scores(PRIOR_SECTIONS, accuracies)["Prior Sets"]
    sections = {"Chat": 0.9, "Chat Hard": 0.8, "Safety": 0.7, "Reasoning": 0.6}

    assert prior == pytest.approx(0.6)
    assert leaderboard_score(sections, prior) == pytest.approx((2 * (0.9 + 0.8 + 0.7 + 0.6) + 0.6) / 9)


def test_the_table_is_upstreams() -> None:
    # The released model's sections; with three decimals they would make 90.000.
    scores = {"Chat": 0.96927, "Chat Hard": 0.85088, "Safety": 0.8959, "Reasoning": 0.88451}

    assert format_table(scores) == (
        "Chat           \tChat Hard      \tSafety         \tReasoning      \n"
        "0.969          \t0.851          \t0.896          \t0.885          \n"
        "Final score: 90.014"
    )
