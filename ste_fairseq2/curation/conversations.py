"""Reads ranked answers: OpenAssistant's conversations, message by message or as trees, and plain rows.

OpenAssistant (arXiv 2304.07327) publishes its conversations in two forms: one message a row, which names
its parent, and one tree a row, whose messages hold their replies. Both become the same :class:`Turn`.
Exports leave out what is null, so an absent field and a null one are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.curation.hub import stream_rows
from ste_fairseq2.errors import RowError
from ste_fairseq2.jsonl import OnError, Row
from ste_fairseq2.records import content_id
from ste_fairseq2.records.identity import row_identity

HUB_SPLITS: Final = ("train", "validation")
"""What is read of a data set of the Hub: how OpenAssistant split it is not how we do."""

_ROLES: Final = ("prompter", "assistant")


class Form(Enum):
    """The shape of a file's rows."""

    MESSAGES = "a message with `message_id`, `parent_id`, `text` and `role`"
    TREES = "a tree with `prompt` and its `replies`"
    PLAIN = "an answer with `instruction`, `response` and `rank`"


@dataclass(frozen=True)
class Turn:
    """A message of a conversation, as far as ranking needs it."""

    id: str
    parent_id: str | None
    """The message it replies to; ``None`` at the beginning of a conversation."""
    is_answer: bool
    """Whether the assistant wrote it."""
    text: str
    language: str | None = None
    rank: float | None = None
    """Its place among the replies to the same message; 0 is the best."""
    tree_state: str | None = None
    is_deleted: bool = False
    failed_review: bool = False
    is_plain: bool = False
    """Whether it comes from a plain row, which says nothing of language and review."""


def form_of(data: Mapping[str, Any]) -> Form | None:
    """Tell the form of a row by its fields; ``None`` where it has none of the three."""
    if isinstance(data.get("prompt"), dict):
        return Form.TREES
    if "message_id" in data:
        return Form.MESSAGES
    if "instruction" in data and "response" in data:
        return Form.PLAIN

    return None


def read_conversations(part: str | Path, *, on_error: OnError) -> Iterator[tuple[Row, tuple[Turn, ...]]]:
    """Yield each row of a file or a data set of the Hub with the turns in it.

    The first row decides on the form. A row is taken whole or, with one fault in it, not at all.

    :param on_error: receives the error of each malformed row.
    :raises InputError: the file or data set cannot be loaded.
    """
    form: Form | None = None
    for row in stream_rows(str(part), on_error=on_error, splits=HUB_SPLITS):
        try:
            own = form_of(row.data)
            form = form or own
            if own is None:
                forms = ", ".join(known.value for known in Form)
                row.fail(None, f"is none of {forms}.")
            if own is not form:
                row.fail(None, f"is {own.value}, but earlier rows of the file are not.")
            turns = _READERS[own](row)
        except RowError as ex:
            on_error(ex)
        else:
            yield row, turns


def _read_message(row: Row) -> tuple[Turn, ...]:
    return (_turn(row, row.optional_text("parent_id"), row.optional_text("tree_state")),)


def _read_tree(row: Row) -> tuple[Turn, ...]:
    state = row.optional_text("tree_state")
    turns = []
    # A tree may be deeper than Python would go by recursion.
    open_messages: list[tuple[str, Any, str | None]] = [("prompt", row.data["prompt"], None)]
    while open_messages:
        where, data, parent_id = open_messages.pop()
        if not isinstance(data, dict):
            row.fail(where, "must be an object, as messages are.")
        try:
            turn = _turn(Row(row.source, row.line, data), parent_id, state)
        except RowError as ex:
            row.fail(f"{where}.{ex.field}", ex.reason)
        turns.append(turn)
        replies = data.get("replies")
        if replies is not None and not isinstance(replies, list):
            row.fail(f"{where}.replies", "must be a list of messages.")
        open_messages += [
            (f"{where}.replies[{number}]", reply, turn.id) for number, reply in enumerate(replies or ())
        ]

    return tuple(turns)


def _turn(row: Row, parent_id: str | None, tree_state: str | None) -> Turn:
    role = row.text("role")
    if role not in _ROLES:
        row.fail("role", f"must be one of {', '.join(_ROLES)}, but is {role!r}.")
    if parent_id is None and role != "prompter":
        row.fail("role", "must be prompter in a message that replies to none.")

    return Turn(
        id=row.non_empty_text("message_id"),
        parent_id=parent_id,
        is_answer=role == "assistant",
        text=row.text("text"),
        language=row.optional_text("lang"),
        rank=row.optional_number("rank"),
        tree_state=tree_state,
        is_deleted=_flag(row, "deleted") is True,
        # Most answers of an unfinished tree have not been reviewed; that is not to have failed.
        failed_review=_flag(row, "review_result") is False,
    )


def _flag(row: Row, field: str) -> bool | None:
    value = row.data.get(field)
    if value is not None and not isinstance(value, bool):
        row.fail(field, f"must be true, false or null, but is {value!r}.")

    return value


def _read_plain(row: Row) -> tuple[Turn, ...]:
    instruction, response = row.non_empty_text("instruction"), row.text("response")
    row.require("rank")
    parent_id = row.optional_text("instruction_id") or content_id(instruction)
    answer_id = row_identity(row, instruction, response)

    return (
        Turn(parent_id, None, is_answer=False, text=instruction, is_plain=True),
        Turn(
            answer_id,
            parent_id,
            is_answer=True,
            text=response,
            rank=row.optional_number("rank"),
            is_plain=True,
        ),
    )


_READERS: Final = {Form.MESSAGES: _read_message, Form.TREES: _read_tree, Form.PLAIN: _read_plain}
