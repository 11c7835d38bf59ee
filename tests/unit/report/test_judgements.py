"""The choice of judgements: every verdict is there, and nothing depends on the order of reading."""

from __future__ import annotations

import random

from ste_fairseq2.report.judgements import (
    Choice,
    ShownJudgement,
    Stratum,
    count_verdicts,
    share_out,
)


def offer_all(choice: Choice, offers: list[tuple[str, int]]) -> list[ShownJudgement]:
    for verdict, number in offers:
        choice.offer(
            Stratum("for SFT", 1, True),
            verdict,
            f"{verdict}{number}",
            lambda verdict=verdict, number=number: ShownJudgement(  # type: ignore[misc]
                id=f"{verdict}{number}",
                kind="for SFT",
                round=1,
                verdict=verdict,
                named="A",
                better_first=True,
                group="main",
                text="",
                cut=False,
                pair=None,
                is_swapped=False,
            ),
        )

    return list(choice.chosen())


OFFERS = [("right", n) for n in range(50)] + [("wrong", n) for n in range(30)] + [("tie", 0)]


def test_rare_verdicts_are_all_there() -> None:
    choice = Choice(2, 9)

    chosen = offer_all(choice, OFFERS)

    assert choice.total == 81
    assert count_verdicts(chosen) == {"right": 4, "wrong": 4, "tie": 1}


def test_the_order_of_reading_does_not_matter() -> None:
    shuffled = list(OFFERS)
    random.Random(0).shuffle(shuffled)

    assert offer_all(Choice(2, 9), shuffled) == offer_all(Choice(2, 9), OFFERS)
    assert offer_all(Choice(3, 9), OFFERS) != offer_all(Choice(2, 9), OFFERS)


def test_places_are_shared_out() -> None:
    assert share_out({"right": 100, "wrong": 3, "tie": 0, "truncated": 1}, 10) == {
        "right": 6,
        "wrong": 3,
        "tie": 0,
        "truncated": 1,
    }
    assert share_out({"right": 2, "wrong": 2}, 10) == {"right": 2, "wrong": 2}


def test_none_are_kept_where_none_are_wanted() -> None:
    choice = Choice(2, 0)

    assert offer_all(choice, OFFERS) == []
    assert choice.total == 81
