"""Reads rows of WildChat: conversations with a chat bot, of which the last question counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def last_question(conversation: Mapping[str, Any]) -> str | None:
    """Return the last user turn of a WildChat row, or ``None`` where it has none."""
    content = last_user_turn(conversation)

    return content if content is not None and content.strip() else None


def last_user_turn(conversation: Mapping[str, Any]) -> str | None:
    """Return what the user said last, which may be nothing; ``None`` where the row is not whole."""
    turns, number = conversation.get("conversation"), conversation.get("turn")
    if (
        not isinstance(turns, list)
        or not isinstance(number, int)
        or not 0 < 2 * number - 1 <= len(turns)
    ):
        return None
    turn = turns[2 * (number - 1)]
    content = turn.get("content") if isinstance(turn, dict) else None

    return content if isinstance(content, str) else None


def is_flagged(conversation: Mapping[str, Any]) -> bool:
    """Whether the conversation was found toxic: by its own mark, or by OpenAI's moderation of a turn."""
    if conversation.get("toxic") is True:
        return True
    results = conversation.get("openai_moderation")

    return isinstance(results, list) and any(
        isinstance(result, dict) and result.get("flagged") is True for result in results
    )
