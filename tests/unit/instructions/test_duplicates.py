"""Exact and near duplicates, in whatever order they come."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ste_fairseq2.instructions.duplicates import EXACT, NEAR, SAME_ID, DuplicateFinder

TEXT = " ".join(f"word{n}" for n in range(30))
"""Twenty-eight runs of three words."""


class Item(NamedTuple):
    id: str
    text: str


def reasons(items: Sequence[Item], threshold: float = 0.8) -> dict[Item, str | None]:
    finder = DuplicateFinder(threshold)
    for item in items:
        finder.add(item.id, item.text, repr(item).encode())
    found = finder.find(lambda number: items[number].text)

    return dict(zip(items, found, strict=True))


def changed(*places: int) -> str:
    return " ".join(f"other{n}" if n in places else f"word{n}" for n in range(30))


def test_of_equal_texts_the_smallest_id_stays() -> None:
    items = [
        Item("b", "Hello, World"),
        Item("c", "other"),
        Item("a", "hello world!"),
        Item("d", "HELLO WORLD"),
    ]

    assert list(reasons(items).values()) == [EXACT, None, None, EXACT]


def test_texts_without_words_are_compared_as_they_are() -> None:
    items = [Item("a", "!!!"), Item("b", "???"), Item("c", " !!! ")]

    assert list(reasons(items).values()) == [None, None, EXACT]


@pytest.mark.parametrize(
    ("places", "near"),
    [
        # 27 of 29 runs in common: 0.93.
        ((0,), True),
        # 25 of 31 in common: 0.806. The middle word is in three runs.
        ((15,), True),
        # 24 of 32: 0.75.
        ((0, 15), False),
        ((10, 20), False),
    ],
)
def test_the_threshold_is_of_runs_of_three_words(places: tuple[int, ...], near: bool) -> None:
    items = [Item("b", changed(*places)), Item("a", TEXT)]

    assert list(reasons(items).values()) == [NEAR if near else None, None]
    assert list(reasons(items, 1.0).values()) == [None, None]


def test_each_one_dropped_has_a_near_relative_that_stays() -> None:
    """b is near a and c (27 of 29 runs), which are not near each other (26 of 30): only b goes, although
    it links the two."""
    items = [Item("c", changed(0, 29)), Item("a", TEXT), Item("b", changed(0))]

    assert list(reasons(items, 0.9).values()) == [None, None, NEAR]


def test_of_one_id_one_stays_and_it_does_not_matter_which_came_first() -> None:
    items = [Item("a", "one text"), Item("a", "another text"), Item("a", "One text.")]
    forwards, backwards = reasons(items), reasons(items[::-1])

    assert forwards == backwards
    assert sorted(map(str, forwards.values())) in (
        ["None", SAME_ID, SAME_ID],
        ["None", EXACT, SAME_ID],
    )


def test_different_texts_are_left_alone() -> None:
    generator = random.Random(3)
    vocabulary = [f"w{n}" for n in range(2000)]
    items = [Item(f"{n:03}", " ".join(generator.choices(vocabulary, k=40))) for n in range(300)]

    assert set(reasons(items).values()) == {None}


def test_near_duplicates_are_found_among_many() -> None:
    """One word in a hundred replaced: an index of about 0.94."""
    generator = random.Random(4)
    vocabulary = [f"w{n}" for n in range(2000)]
    texts = [generator.choices(vocabulary, k=100) for _ in range(200)]
    items = [Item(f"a{n:03}", " ".join(text)) for n, text in enumerate(texts)]
    for number, text in enumerate(texts):
        text[generator.randrange(100)] = "changed"
        items.append(Item(f"b{number:03}", " ".join(text)))

    found = reasons(items)

    assert [item.id for item, reason in found.items() if reason is NEAR] == [
        f"b{n:03}" for n in range(200)
    ]


def test_a_family_of_one_template_is_not_one_text() -> None:
    """More than are compared with each other; two thirds of the words are the template's."""
    generator = random.Random(5)
    template = " ".join(f"template{n}" for n in range(30))
    items = [
        Item(f"{n:04}", f"{template} {' '.join(f'w{generator.randrange(500)}' for _ in range(15))}")
        for n in range(400)
    ]
    doubled = Item("9999", items[250].text + " please")

    found = reasons([*items, doubled])

    assert found[doubled] == NEAR
    assert all(found[item] is None for item in items)


@settings(max_examples=30)
@given(st.randoms(use_true_random=False))
def test_the_order_does_not_matter(generator: random.Random) -> None:
    items = [
        *(Item(f"x{n}", changed(*range(n, 30, 11))) for n in range(6)),
        *(Item(f"y{n}", changed(n)) for n in range(6)),
        *(Item(f"z{n}", TEXT.title()) for n in range(3)),
        Item("y0", "something else"),
    ]
    expected = reasons(items)
    generator.shuffle(items)

    assert reasons(items) == expected


def test_the_hash_seed_does_not_matter() -> None:
    code = (
        "from ste_fairseq2.instructions.duplicates import DuplicateFinder\n"
        "texts = [' '.join(f'w{k * (1 + n % 7) % 50}' for k in range(40)) + f' {n}' for n in range(9)]\n"
        "finder = DuplicateFinder(0.6)\n"
        "for n, text in enumerate(texts): finder.add(str(n), text, text.encode())\n"
        "print(finder.find(texts.__getitem__))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }

    [output] = outputs
    assert NEAR in output
