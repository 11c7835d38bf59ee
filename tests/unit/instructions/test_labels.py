"""Labels as models write them, and the rule on them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ste_fairseq2.instructions.labels import (
    CATEGORIES,
    ExpectedLength,
    LabelRule,
    Labels,
    find_category,
    find_length,
    parse_labels,
)
from ste_fairseq2.jsonl import Row
from ste_fairseq2.prompts import load_prompt

ONE, FEW, PARAGRAPH, TWO, MORE = ExpectedLength


@pytest.mark.parametrize(
    ("reply", "labels"),
    [
        ("Category: Coding\nComplexity: 7\nLength: (b)", Labels("Coding", 7, FEW)),
        ("category: coding.\ncomplexity: 10\nlength: E.", Labels("Coding", 10, MORE)),
        ("**Category:** Other\n**Complexity**: 1/10\n**Length:** c", Labels("Other", 1, PARAGRAPH)),
        (
            "1. Category: Knowledge & Reasoning\n2. Complexity: 7 out of 10\n3. Length: d) 2 paragraphs",
            Labels("Knowledge and Reasoning", 7, TWO),
        ),
        (
            "Category: Inhabiting a Character/Persona / Complexity: 4 / Length: 3+ paragraphs",
            Labels("Inhabiting a Character/Persona", 4, MORE),
        ),
        (
            "Category: Humanity, History, or Social Studies; Complexity (1-10): 3; "
            "Expected length: 1 sentence (a)",
            Labels("Humanity, History or Social Studies", 3, ONE),
        ),
        (
            "Category: Rewriting\r\nComplexity: 2 - it is easy\r\nLength: 1 to 3 sentences\r\n",
            Labels("Rewriting", 2, FEW),
        ),
        # The last of each counts.
        (
            "Category: Other\nCategory: Coding\nComplexity: 3\nComplexity: 4\nLength: a\nLength: e",
            Labels("Coding", 4, MORE),
        ),
        # Thoughts do not.
        (
            "Category: Coding\nComplexity: 7\nLength: b\n<think>\nCategory: Other\n</think>",
            Labels("Coding", 7, FEW),
        ),
    ],
)
def test_readable_replies(reply: str, labels: Labels) -> None:
    assert parse_labels(reply) == labels


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Here is the code you asked for.",
        "Category: Coding\nComplexity: 7",
        "Complexity: 7\nLength: b",
        "Category: Poetry\nComplexity: 7\nLength: b",
        "Category: Coding or Other\nComplexity: 7\nLength: b",
        "Category:\nComplexity: 7\nLength: b",
        "Category: Coding\nComplexity: 0\nLength: b",
        "Category: Coding\nComplexity: 11\nLength: b",
        "Category: Coding\nComplexity: 100\nLength: b",
        "Category: Coding\nComplexity: -7\nLength: b",
        "Category: Coding\nComplexity: 7.5\nLength: b",
        "Category: Coding\nComplexity: 7-8\nLength: b",
        "Category: Coding\nComplexity: 7/5\nLength: b",
        "Category: Coding\nComplexity: high\nLength: b",
        "Category: Coding\nComplexity: 7\nLength: f",
        "Category: Coding\nComplexity: 7\nLength: long",
        # An article is no letter, and a letter must say what the words say.
        "Category: Coding\nComplexity: 7\nLength: a paragraph",
        "Category: Coding\nComplexity: 7\nLength: (a) 1 paragraph",
        "Category: Coding\nComplexity: 7\nLength: a or b",
        "<think>Category: Coding\nComplexity: 7\nLength: b",
    ],
)
def test_unreadable_replies(reply: str) -> None:
    assert parse_labels(reply) is None


@given(st.sampled_from(CATEGORIES), st.integers(1, 10), st.sampled_from(ExpectedLength), st.text())
def test_what_the_prompt_asks_for_is_read(
    category: str, complexity: int, length: ExpectedLength, before: str
) -> None:
    reply = f"Category: {category}\nComplexity: {complexity}\nLength: ({length.letter})"
    labels = Labels(category, complexity, length)

    assert parse_labels(reply) == labels
    assert parse_labels(f"{before.replace('<', '')}\n{reply}") == labels


def test_the_prompt_names_every_category_and_length() -> None:
    template = load_prompt("label")
    [system, user] = template.messages

    assert template.fields == {"input"}
    for category in CATEGORIES:
        assert f"\n- {category}: " in system.content
    for line in ("(a) 1 sentence", "(b) 1-3 sentences", "(c) 1 paragraph", "(d) 2 paragraphs"):
        assert f"\n{line}\n" in system.content
    [shown] = [line for line in system.content.splitlines() if line.startswith("(e) ")]
    assert find_length(shown) is MORE
    assert (
        "(End of the User Question)"
        in template.render({"input": "[End of the User Question]"})[1].content
    )
    assert user.content.startswith("[User Question]\n")


def test_names_are_found_however_they_are_cased() -> None:
    assert [find_category(name.upper()) for name in CATEGORIES] == list(CATEGORIES)
    assert find_category("Reasoning") is None
    for length in ExpectedLength:
        assert find_length(length.value) is length
        assert find_length(length.letter) is length


def test_rows_come_back() -> None:
    labels = Labels("Coding", 7, PARAGRAPH)

    assert labels.to_row() == {
        "category": "Coding",
        "complexity": 7,
        "expected_length": "one_paragraph",
    }
    assert Labels.from_row(Row("f", 1, labels.to_row())) == labels


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (LabelRule(), None),
        (LabelRule(categories=("Coding", "Other")), None),
        (LabelRule(categories=("Other",)), "other_category"),
        (LabelRule(min_complexity=5, max_complexity=5), None),
        (LabelRule(min_complexity=6), "too_simple"),
        (LabelRule(max_complexity=4), "too_complex"),
        (LabelRule(expected_lengths=(ONE, TWO)), None),
        (LabelRule(expected_lengths=(ONE,)), "other_length"),
        (LabelRule(categories=("Other",), min_complexity=6), "other_category"),
    ],
)
def test_the_rule(rule: LabelRule, reason: str | None) -> None:
    assert rule.reason_against(Labels("Coding", 5, TWO)) == reason
