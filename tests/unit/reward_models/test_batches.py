"""Batches: each conversation once, within the bound, and alike in length where they cannot be filled."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ste_fairseq2.reward_models.batches import plan_batches


def test_by_hand() -> None:
    # 9 by itself; 5 + 5 within 12; 4 + 3 + 2 as three of 4.
    assert plan_batches([3, 5, 9, 4, 5, 2], max_tokens=12, pads=True) == [[2], [1, 4], [3, 0, 5]]


def test_without_filling_only_equal_lengths_meet() -> None:
    assert plan_batches([3, 5, 3, 4, 5, 3], max_tokens=9, pads=False) == [[1], [4], [3], [0, 2, 5]]


def test_nothing_makes_no_batch() -> None:
    assert plan_batches([], max_tokens=8, pads=True) == []


@given(
    lengths=st.lists(st.integers(1, 50), max_size=40),
    max_tokens=st.integers(1, 200),
    pads=st.booleans(),
)
def test_properties(lengths: list[int], max_tokens: int, pads: bool) -> None:
    batches = plan_batches(lengths, max_tokens=max_tokens, pads=pads)

    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    for batch in batches:
        members = [lengths[place] for place in batch]
        assert len(batch) == 1 or max(members) * len(batch) <= max_tokens
        assert pads or len(set(members)) == 1
    longest = [max(lengths[place] for place in batch) for batch in batches]
    assert longest == sorted(longest, reverse=True)
