"""The last question of a conversation, and the marks of moderation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ste_fairseq2.instructions.wildchat import is_flagged, last_question, last_user_turn

Sample = dict[str, Any]


def test_the_last_user_turn_is_the_question(conversation: Callable[..., Sample]) -> None:
    assert last_question(conversation(1, "first", "answer", "second", "answer")) == "second"
    assert last_question(conversation(1, "only")) == "only"


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"conversation": [{"content": "x"}]},
        {"turn": 2, "conversation": [{"content": "x"}]},
        {"turn": 0, "conversation": [{"content": "x"}]},
        {"turn": 1, "conversation": ["x"]},
        {"turn": 1, "conversation": [{"content": None}]},
        {"turn": 1, "conversation": "x"},
        {"turn": "1", "conversation": [{"content": "x"}]},
    ],
)
def test_broken_conversations_have_none(row: Sample) -> None:
    assert last_question(row) is None
    assert last_user_turn(row) is None


def test_a_blank_turn_is_a_turn_but_no_question() -> None:
    row = {"turn": 1, "conversation": [{"content": " "}]}

    assert last_question(row) is None
    assert last_user_turn(row) == " "


@pytest.mark.parametrize(
    ("row", "flagged"),
    [
        ({"toxic": True}, True),
        ({"toxic": False}, False),
        ({}, False),
        ({"toxic": "yes"}, False),
        ({"openai_moderation": [{"flagged": False}, {"flagged": True}]}, True),
        ({"openai_moderation": [{"flagged": False}, None]}, False),
        ({"openai_moderation": None}, False),
    ],
)
def test_toxic_conversations(row: Sample, flagged: bool) -> None:
    assert is_flagged(row) is flagged
