"""ROUGE-L worked out by hand and by dynamic programming, and the filters on an instruction's wording."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ste_fairseq2.instructions import novelty
from ste_fairseq2.instructions.novelty import (
    BANNED_WORDS,
    KnownInstructions,
    Resemblance,
    WordingRule,
    rouge_l,
)

RULE = WordingRule(min_words=3, max_words=6)

SENTENCES = st.lists(st.sampled_from("abcdef"), max_size=12).map(" ".join)


def plain_rouge_l(text: str, other: str) -> float:
    """ROUGE-L by the table of its definition."""
    a, b = text.split(), other.split()
    if not a and not b:
        return 0.0
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            table[i + 1][j + 1] = (
                table[i][j] + 1 if left == right else max(table[i][j + 1], table[i + 1][j])
            )

    return 2 * table[-1][-1] / (len(a) + len(b))


@pytest.mark.parametrize(
    ("text", "other", "expected"),
    [
        # In common: the, cat, on, the, mat; five of six words each.
        ("The cat sat on the mat.", "the cat lay on the mat", 10 / 12),
        # In common and in order: either of the two.
        ("name two rivers", "rivers two name", 2 / 6),
        # write, a, poem; of three and of five words.
        ("Write a poem", "Write a long sad poem", 6 / 8),
        ("What is 12 plus 7?", "What is 12 plus 8?", 8 / 10),
        ("ÜBER die Straße", "über die strasse", 1.0),
        ("写一首诗", "写一首歌", 6 / 8),
        ("one thing", "another matter", 0.0),
        ("...", "?!", 0.0),
        ("...", "one thing", 0.0),
    ],
)
def test_values_worked_out_by_hand(text: str, other: str, expected: float) -> None:
    assert rouge_l(text, other) == expected
    assert rouge_l(other, text) == expected


@given(SENTENCES, SENTENCES)
def test_it_is_that_of_the_definition(text: str, other: str) -> None:
    assert rouge_l(text, other) == plain_rouge_l(text, other)


@given(st.lists(SENTENCES, max_size=8), SENTENCES, st.sampled_from([0.3, 0.5, 0.7, 0.8, 1.0]))
def test_the_one_that_resembles_most_is_found(known: list[str], text: str, limit: float) -> None:
    instructions = KnownInstructions(limit)
    for number, other in enumerate(known):
        instructions.add(f"k{number}", other)

    found = instructions.find_similar(text)

    values = [plain_rouge_l(text, other) for other in known]
    if max(values, default=0.0) < limit:
        assert found is None
    else:
        assert found == Resemblance(f"k{values.index(max(values))}", max(values))


def test_the_limit_itself_is_too_similar() -> None:
    """Seven words in common of ten and ten are 0.7, not a rounding less."""
    known = KnownInstructions(0.7)
    known.add("k", "a b c d e f g h i j")

    assert known.find_similar("a b c d e f g x y z") == ("k", 0.7)
    assert known.find_similar("a b c d e f x y z w") is None


def test_at_a_limit_of_one_only_the_same_words_are_similar() -> None:
    known = KnownInstructions(1.0)
    known.add("k", "Name a river in France.")

    assert known.find_similar("name a river in france") == ("k", 1.0)
    assert known.find_similar("name a river in france now") is None


def test_nothing_is_known_at_first() -> None:
    assert KnownInstructions(0.7).find_similar("Name a river.") is None


def test_more_words_than_letters_still_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(novelty.sys, "maxunicode", 3)

    assert rouge_l("a b c d e f", "a b c d e f") == 1.0


def test_letters_go_through_what_is_no_character() -> None:
    """Among the first hundred thousand are the surrogates."""
    many = " ".join(f"w{number}" for number in range(60_000))
    known = KnownInstructions(0.7)
    known.add("many", many)

    assert known.find_similar(many) == ("many", 1.0)
    assert known.find_similar("w55296 w56320") is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Name a river", None),
        ("Name rivers", "too_few_words"),
        ("?!", "too_few_words"),
        ("Is 7 prime?", None),
        ("one two three four five six", None),
        ("one two three four five six seven", "too_many_words"),
        ("Describe this IMAGE, please", "banned_word"),
        ("Explain how to go to sleep", "banned_word"),
        ("Explain how they go, to me", "banned_word"),
        ("Explain why imagery works", None),
        ("Mapping is an art", None),
        ("How did they go home to", None),
    ],
)
def test_reasons_against_a_wording(text: str, reason: str | None) -> None:
    assert RULE.reason_against(text) == reason


def test_words_may_be_banned_by_others() -> None:
    rule = WordingRule(min_words=1, max_words=9, banned_words=("New York",))

    assert rule.reason_against("Name streets of new-york") == "banned_word"
    assert rule.reason_against("Draw a map") is None
    assert "draw" in BANNED_WORDS
