"""The seeded choice hangs on the seed and the ids alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ste_fairseq2.instructions.choice import choose, describe_choice
from ste_fairseq2.rng import derived_seed

IDS = [f"id-{n}" for n in range(50)]


def test_the_choice_is_by_the_hash_of_seed_and_id() -> None:
    expected = sorted(IDS, key=lambda name: derived_seed(7, "select", name))

    assert choose(IDS, None, 7) == expected
    assert choose(IDS, 5, 7) == expected[:5]
    assert choose(IDS, 5, 8) != expected[:5]


@given(st.permutations(IDS), st.integers(1, 60))
def test_the_order_of_the_ids_does_not_matter(ids: list[str], count: int) -> None:
    assert choose(ids, count, 2) == choose(IDS, count, 2)


@given(st.sets(st.sampled_from(IDS), min_size=1), st.integers(1, 20))
def test_others_do_not_change_who_comes_before_whom(some: set[str], count: int) -> None:
    """Whoever is chosen of all is chosen of fewer too."""
    chosen = choose(IDS, count, 2)

    assert set(chosen) & some <= set(choose(some, count, 2))


def test_it_is_stated() -> None:
    assert describe_choice(3, 9, 2) == "3 of 9 qualifying, by seed 2"
    assert describe_choice(9, 9, 2) == "all 9 qualifying"
