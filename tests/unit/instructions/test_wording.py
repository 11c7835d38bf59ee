"""Which texts count as the same, and which do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ste_fairseq2.instructions.wording import normal_form, words, words_and_signs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write a poem,\n please!", ["write", "a", "poem", "please"]),
        ("snake_case isn't", ["snake", "case", "isn", "t"]),
        # NFKC and case folding.
        ("Ｆｕｌｌ ﬁne ①", ["full", "fine", "1"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        # Marks that combine belong to their word; without them these are two other words.
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("Cafe\u0301", ["café"]),
        # Scripts without spaces: each character is a word.
        ("写诗。abc", ["写", "诗", "abc"]),
        ("ไทย", ["ไ", "ท", "ย"]),
        # An emoji and the mark that colours it are none.
        ("\u2764\ufe0f ok", ["ok"]),
        ("", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 3+4?", "What is 3-4?"),
        ("What is 3 * 4?", "What is 3 / 4?"),
        ("x<y", "x>y"),
        ("in C", "in C#"),
        ("in C", "in C++"),
        ("5%", "5"),
        ("काम", "कम"),
        ("!!!", "???"),
    ],
)
def test_signs_that_change_the_meaning_count(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello, World!", "hello world"),
        ("- one\n- two", "* one\n* two"),
        ("# Title\n**bold** text", "Title: bold text"),
        ("“quoted” …", '"quoted"'),
        ("!!!  ", " !!!"),
    ],
)
def test_typography_does_not(one: str, other: str) -> None:
    assert normal_form(one) == normal_form(other)


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_plain_text_has_the_same_words_beside_any_other(text: str) -> None:
    """The quick way for ASCII finds what the other finds."""
    assert words(f"{text} é") == [*words(text), "é"]
    assert words_and_signs(f"{text} é") == [*words_and_signs(text), "é"]


@given(st.text())
def test_case_and_spacing_do_not_matter(text: str) -> None:
    spaced = "\n " + text.replace(" ", "\t  ") + " "

    assert normal_form(spaced) == normal_form(text)
    assert normal_form(text.casefold()) == normal_form(text)


@given(st.text())
def test_words_hold_no_space(text: str) -> None:
    assert all(word and not any(c.isspace() for c in word) for word in words(text))
