"""Agreement of scores with human ranks: by hand, and against plain implementations on random ranks."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

import pytest

from ste_fairseq2.evaluation.bootstrap import Bootstrap
from ste_fairseq2.evaluation.ranking import (
    RankedScores,
    RankingReport,
    correlations,
    is_exact_match,
    score_ranking,
)

# Of each instruction ranks and scores; what they come to is worked out beside the tests.
_BY_HAND = {
    "in order": RankedScores([1, 2, 3], [5.0, 3.0, 1.0]),
    "tied ranks and scores": RankedScores([0, 1, 1], [4.0, 4.0, 2.0]),
    "scores that do not vary": RankedScores([1, 2, 3], [3.0, None, 3.0]),
    "a single score": RankedScores([1, 2], [None, 5.0]),
    "neither varies": RankedScores([1, 1, 2], [5.0, 5.0, None]),
    "ranks that do not vary": RankedScores([1, 1, 2], [4.0, 3.0, None]),
}


def score(instructions: Sequence[RankedScores], top: float | None = 5) -> RankingReport:
    return score_ranking(instructions, Bootstrap(resamples=200), top=top)


def test_by_hand() -> None:
    report = score(list(_BY_HAND.values()))

    assert report.counts == {
        "instructions": 6,
        "answers": 17,
        # 3 + 2 + 3 + 1 + 2 + 2
        "pairs": 13,
        "answers_unscored": 4,
        "instructions_scored": 5,
        "instructions_correlated": 2,
        "instructions_with_constant_scores": 2,
        "instructions_with_constant_ranks": 1,
        "instructions_unscored": 1,
        "answers_at_the_top": 4,
    }
    assert report.figures == pytest.approx(
        {
            # Three of the first instruction, and of the second the best answer against the last.
            "pairwise_accuracy": 4 / 13,
            "pairwise_tie": 2 / 13,
            # 2 + 1 + 2 + 2
            "pairwise_unscored": 7 / 13,
            # The first, and the one whose two scored answers have equal ranks and equal scores.
            "exact_match": 2 / 5,
            # 1 of the first. The second has mean ranks 3, 1.5, 1.5 and 2.5, 2.5, 1:
            # (0.5 - 0.25 + 0.5) / sqrt(1.5 * 1.5) = 0.5; and one concordant pair of two without a tie
            # on either side: 1 / sqrt((3 - 1) * (3 - 1)) = 0.5.
            "spearman": 0.75,
            "kendall": 0.75,
            # The single score of 5 went to the worse answer of two.
            "five_best": 3 / 4,
        }
    )
    for name, value in report.figures.items():
        interval = report.intervals[name]
        assert interval is not None
        assert value is not None
        assert interval[0] <= value <= interval[1]


def test_correlations_by_hand() -> None:
    # Pairs: one discordant, four concordant, one of equal scores: (4 - 1) / sqrt(6 * 5). The mean ranks
    # are 4, 3, 2, 1 and 3, 4, 1.5, 1.5: (0.75 + 0.75 + 0.5 + 1.5) / sqrt(5 * 4.5).
    assert correlations([1, 2, 3, 4], [3, 4, 2, 2]) == pytest.approx(
        (3.5 / math.sqrt(22.5), 3 / math.sqrt(30))
    )


@pytest.mark.parametrize(
    ("ranks", "scores", "is_match"),
    [
        ([1, 2, 3], [5, 4, 0], True),
        ([3, 1, 2], [0, 5, 4], True),
        ([1, 2, 3], [5, 4, 4], False),
        ([1, 2, 2], [5, 4, 4], True),
        ([1, 2, 2], [5, 4, 3], False),
        ([1, 2], [1, 2], False),
        ([1, 1], [2, 2], True),
    ],
)
def test_exact_matches(ranks: list[float], scores: list[float], is_match: bool) -> None:
    assert is_exact_match(ranks, scores) is is_match


def test_a_scale_without_a_top_has_no_five_best() -> None:
    report = score([_BY_HAND["in order"]], top=None)

    assert "five_best" not in report.figures
    assert "answers_at_the_top" not in report.counts


def test_what_nothing_tells_about_is_not_defined() -> None:
    report = score([RankedScores([1, 2], [None, None])])

    assert report.figures == {
        "pairwise_accuracy": 0.0,
        "pairwise_tie": 0.0,
        "pairwise_unscored": 1.0,
        "exact_match": None,
        "spearman": None,
        "kendall": None,
        "five_best": None,
    }
    assert report.intervals["spearman"] is None


def plain_mean_ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)

    return [ordered.index(v) + (ordered.count(v) + 1) / 2 for v in values]


def plain_spearman(first: Sequence[float], second: Sequence[float]) -> float:
    x, y = plain_mean_ranks(first), plain_mean_ranks(second)
    middle = (len(x) + 1) / 2
    over = sum((a - middle) * (b - middle) for a, b in zip(x, y, strict=True))

    return over / math.sqrt(sum((a - middle) ** 2 for a in x) * sum((b - middle) ** 2 for b in y))


def plain_kendall(first: Sequence[float], second: Sequence[float]) -> float:
    over = num_first = num_second = 0
    for i, j in itertools.combinations(range(len(first)), 2):
        a, b = first[i] - first[j], second[i] - second[j]
        over += (a * b > 0) - (a * b < 0)
        num_first += a != 0
        num_second += b != 0

    return over / math.sqrt(num_first * num_second)


@pytest.mark.parametrize("seed", range(20))
def test_against_plain_implementations(seed: int) -> None:
    generator = random.Random(seed)
    instructions = []
    while len(instructions) < 15:
        count = generator.randint(2, 6)
        ranks = [float(generator.randint(1, 4)) for _ in range(count)]
        if len(set(ranks)) > 1:
            scores = [generator.choice([None, 0.0, 2.0, 4.5, 5.0]) for _ in range(count)]
            instructions.append(RankedScores(ranks, scores))

    right, exact, rhos, taus, best = [], [], [], [], []
    for item in instructions:
        answers = sorted(zip(item.ranks, item.scores, strict=True), key=lambda answer: answer[0])
        for (rank, score_), (other_rank, other) in itertools.combinations(answers, 2):
            if rank < other_rank:
                right.append(score_ is not None and other is not None and score_ > other)
        known = [(-rank, s) for rank, s in answers if s is not None]
        best += [rank == answers[0][0] for rank, s in answers if s == 5.0]
        if len(known) < 2:
            continue
        goodness, values = [g for g, _ in known], [s for _, s in known]
        # Two rankings with ties are one where their mean ranks are.
        exact.append(plain_mean_ranks(goodness) == plain_mean_ranks(values))
        if len(set(goodness)) > 1 and len(set(values)) > 1:
            rhos.append(plain_spearman(goodness, values))
            taus.append(plain_kendall(goodness, values))

    figures = score(instructions).figures
    expected = {"pairwise_accuracy": right, "exact_match": exact, "spearman": rhos, "kendall": taus}
    for name, values in (expected | {"five_best": best}).items():
        assert figures[name] == pytest.approx(sum(values) / len(values)), name
