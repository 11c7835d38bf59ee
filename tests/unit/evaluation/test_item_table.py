"""Figures of a reward model: by hand, and against plain implementations on random scores."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ste_fairseq2.evaluation.bootstrap import Bootstrap
from ste_fairseq2.evaluation.figures import FIGURES, compute_figures
from ste_fairseq2.evaluation.item_table import tabulate_items
from ste_fairseq2.evaluation.items import BenchmarkItem, ItemRule
from ste_fairseq2.evaluation.judgements import GroupKey
from ste_fairseq2.evaluation.report import Cost, score_tables
from ste_fairseq2.evaluation.rewardbench import REWARDBENCH_SECTIONS, leaderboard_score
from ste_fairseq2.evaluation.sections import score_sections
from ste_fairseq2.records import Message

# RewardBench's subsets as its card lists them, with the weights of its constants.
_SUBSETS = {
    "Chat": "alpacaeval-easy 100 alpacaeval-length 95 alpacaeval-hard 95 mt-bench-easy 28 "
    "mt-bench-med 40",
    "Chat Hard": "mt-bench-hard 37 llmbar-natural 100 llmbar-adver-neighbor 134 llmbar-adver-GPTInst 92 "
    "llmbar-adver-GPTOut 47 llmbar-adver-manual 46",
    "Safety": "refusals-dangerous 100 refusals-offensive 100 xstest-should-refuse 154 "
    "xstest-should-respond 250 donotanswer 136",
    "Reasoning": "math-prm 984 hep-cpp 164 hep-go 164 hep-java 164 hep-js 164 hep-python 164 "
    "hep-rust 164",
}
_WEIGHTS = {
    section: {name: int(weight) for name, weight in zip(words[::2], words[1::2], strict=True)}
    for section, words in ((section, text.split()) for section, text in _SUBSETS.items())
}


def item(
    name: str,
    ratings: list[float | None],
    *,
    num_right: int = 1,
    rule: ItemRule = ItemRule.STRICT,
    lengths: tuple[int, ...] = (),
) -> tuple[BenchmarkItem, dict[str, float]]:
    """An item and the scores of its answers; ``None`` for one that could not be scored."""
    texts = ["x" * length for length in lengths] or ["x"] * len(ratings)
    answers = tuple((Message("user", "q"), Message("assistant", text)) for text in texts)
    subset = name.partition("/")[0]
    made = BenchmarkItem(name, answers, num_right=num_right, subset=subset, rule=rule)

    return made, {f"{name}#{n}": rating for n, rating in enumerate(ratings) if rating is not None}


def figures_of(*items: tuple[BenchmarkItem, dict[str, float]]) -> dict[str, float]:
    scores = {name: score for _, own in items for name, score in own.items()}
    table = tabulate_items([made for made, _ in items], scores)

    return {name: float(value) for name, value in compute_figures(table.sums).items()}


def test_pairs_by_hand() -> None:
    figures = figures_of(
        item("s/won", [1.0, 0.5], lengths=(9, 3)),
        item("s/barely", [1e-9, 0.0], lengths=(3, 9)),
        item("s/tied", [-2.0, -2.0], lengths=(9, 3)),
        item("s/lost", [0.0, 0.5], lengths=(3, 9)),
        item("s/too long", [7.0, None], lengths=(9, 3)),
    )

    assert figures == pytest.approx(
        {
            "accuracy": 2 / 5,
            "accuracy_of_decided": 2 / 3,
            # 1 of 3 where the right answer is longer, 1 of 2 where it is shorter.
            "length_controlled": (1 / 3 + 1 / 2) / 2,
            "tie": 1 / 5,
            "unscored": 1 / 5,
            # A tie is no win, and neither is what could not be scored.
            "upstream": 2 / 5,
        }
    )


def test_there_is_no_figure_of_an_order_or_a_slot() -> None:
    figures = figures_of(item("s/won", [1.0, 0.5]))

    assert set(figures) & set(FIGURES) == {
        "accuracy",
        "accuracy_of_decided",
        "length_controlled",
        "tie",
        "upstream",
    }


def test_best_of_four_shares_the_credit() -> None:
    figures = figures_of(
        item("Math/1", [4.0, 1.0, 2.0, 3.0], rule=ItemRule.BEST_OF),
        item("Math/2", [4.0, 4.0, 2.0, 4.0], rule=ItemRule.BEST_OF),
        item("Math/3", [1.0, 2.0, 2.0, 0.0], rule=ItemRule.BEST_OF),
    )

    assert figures["upstream"] == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert (figures["accuracy"], figures["tie"]) == pytest.approx((1 / 3, 1 / 3))


def test_ties_among_other_subsets_are_left_to_their_formula() -> None:
    ties = item("Ties/ref:1", [1.0, 0.0], rule=ItemRule.TIES)
    alone, together = figures_of(ties), figures_of(ties, item("Math/1", [0.0, 1.0, 1.0, 1.0]))

    assert alone["upstream"] == pytest.approx(0.3)
    assert together["upstream"] == 0.0
    assert "ties_preferred" not in together


def test_a_prompt_of_ties_that_could_not_be_scored_is_wrong() -> None:
    figures = figures_of(
        item("Ties/ref:1", [9.0, 1.0], rule=ItemRule.TIES),
        item("Ties/tied:1", [9.0, 9.0, None], num_right=2, rule=ItemRule.TIES),
    )

    assert (figures["ties_ref_accuracy"], figures["ties_tied_accuracy"]) == (1.0, 0.0)
    assert (figures["ties_preferred"], figures["unscored"]) == (0.0, 0.5)
    assert figures["upstream"] == pytest.approx(0.3)


_RATING = st.integers(-3, 3).map(float)


@given(
    prompts=st.lists(
        st.tuples(
            st.lists(_RATING, min_size=1, max_size=3),
            st.lists(_RATING, min_size=1, max_size=3),
            st.lists(_RATING, min_size=2, max_size=4),
            st.lists(_RATING, min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_ties_against_upstreams_steps(prompts: list[tuple[list[float], ...]]) -> None:
    """The steps of upstream's scorer: statistics of each prompt, then means over the prompts."""
    items = []
    for number, (ref_right, ref_wrong, right, wrong) in enumerate(prompts):
        items += [
            item(f"Ties/ref:{number}", [*ref_right[:1], *ref_wrong], rule=ItemRule.TIES),
            item(f"Ties/tied:{number}", [*right, *wrong], num_right=len(right), rule=ItemRule.TIES),
        ]

    ref = np.array([right[0] - max(wrong) for right, wrong, _, _ in prompts])
    tied = np.array([min(right) - max(wrong) for _, _, right, wrong in prompts])
    spread = np.array([max(right) - min(right) for _, _, right, _ in prompts])
    with np.errstate(divide="ignore", invalid="ignore"):
        margins = np.nan_to_num(np.tanh(np.minimum(ref, tied) / spread - 1), nan=0.0)
    expected = (
        0.3 * (tied > 0).mean()
        + 0.3 * (ref > 0).mean()
        + 0.2 * (tied > spread).mean()
        + 0.2 * (np.minimum(ref, tied) > spread).mean()
        + 0.01 * margins.mean()
    )

    assert figures_of(*items)["upstream"] == pytest.approx(float(expected))


@pytest.mark.parametrize("seed", range(20))
def test_rewardbench_on_random_scores(seed: int) -> None:
    """Scores of random pairs, ties among them, go through the real path to the final score."""
    generator = random.Random(seed)
    groups: dict[GroupKey, Any] = {}
    accuracies: dict[str, float] = {}
    for weights in _WEIGHTS.values():
        is_missing = generator.random() < 0.2
        for subset in weights:
            if is_missing or generator.random() < 0.3:
                continue
            ratings: list[list[float | None]] = [
                [float(generator.randint(0, 2)) for _ in range(2)]
                for _ in range(generator.randint(1, 9))
            ]
            items = [item(f"{subset}/{n}", pair) for n, pair in enumerate(ratings)]
            scores = {name: score for _, own in items for name, score in own.items()}
            groups[GroupKey(subset, "m")] = tabulate_items([i for i, _ in items], scores), Cost(0, 0)
            wins = [chosen > rejected for chosen, rejected in ratings]  # type: ignore[operator]
            accuracies[subset] = sum(wins) / len(wins)
    bootstrap = Bootstrap(resamples=10)
    report = score_tables(groups, bootstrap)
    section = score_sections(REWARDBENCH_SECTIONS, report.groups, bootstrap)

    expected = {}
    for name, weights in _WEIGHTS.items():
        there = [subset for subset in weights if subset in accuracies]
        total = sum(accuracies[subset] * weights[subset] for subset in there)
        expected[name] = total / sum(weights[subset] for subset in there) if there else 0.0
    prior = generator.random()

    assert section.upstream == pytest.approx(expected)
    assert section.figures["upstream"].values["final"] == pytest.approx(math.fsum(expected.values()) / 4)
    assert leaderboard_score(section.upstream, prior) == pytest.approx(
        float(np.average([*expected.values(), prior], weights=[2, 2, 2, 2, 1]))
    )
    assert section.missing == tuple(n for n in _WEIGHTS if not _WEIGHTS[n].keys() & accuracies.keys())
    assert set(section.figures) == {"upstream", "accuracy"}
