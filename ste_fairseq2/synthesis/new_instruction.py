"""Instructions as examples: read from rows, shown to a model, and a new one read out of its reply."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ste_fairseq2.jsonl import Row
from ste_fairseq2.records import Instruction, read_messages
from ste_fairseq2.records.identity import row_identity
from ste_fairseq2.verdicts import without_thoughts

_MARKUP: Final = r"[#>*_ \t]*"
_WORD: Final = r"(?:(?:new|next)[ \t]+)?(?:instruction|task|request|prompt|question)"

_LABEL: Final = re.compile(
    rf"{_MARKUP}(?:(?P<word>{_WORD})(?:[ \t]*\#?(?P<named>\d{{1,3}}))?[*_]*:"
    rf"|(?P<bare>\d{{1,3}})[*_]*[.):])[*_]*(?:\s+|\Z)",
    re.IGNORECASE,
)
"""As in `9. `, `9) `, `**Task 9:** ` and `Instruction: `, but not as in `3.5 percent`."""

_PREAMBLE: Final = re.compile(
    r"(?:(?:sure|certainly|of course|okay|ok)\b[^\n:]{0,40}?\s)?"
    rf"here(?:['\u2019]s| is)[ \t]+(?:a|an|one|another|the|my|your)[ \t]+{_WORD}\b[^\n:]{{0,80}}:\s*",
    re.IGNORECASE,
)
"""As in `Sure! Here is a new instruction: `."""

_AROUND: Final = (
    ("**", "**"),
    ('"', '"'),
    ("'", "'"),
    ("`", "`"),
    ("\u201c", "\u201d"),
    ("\u201e", "\u201c"),
    ("\u00ab", "\u00bb"),
)
"""Signs of bold type and quotation marks."""


def read_seed(row: Row) -> Instruction:
    """Read an instruction, or that of an SFT row: what a user asked whose turn is the only one before
    the answer.

    :raises RowError: there is none, or the conversation has several turns, the last of which may say
        nothing by itself.
    """
    messages = None if "instruction" in row.data else read_messages(row)
    if messages is None:
        return Instruction.from_row(row)
    turns = [message for message in messages if message.role != "system"]
    if turns and turns[-1].role == "assistant":
        turns.pop()
    if [turn.role for turn in turns] != ["user"]:
        row.fail("messages", "must hold one turn before the answer, a user's.")
    [turn] = turns
    if not turn.content.strip():
        row.fail("messages", "must hold a user's turn that is not empty.")

    return Instruction(row_identity(row, turn.content), turn.content)


def list_examples(texts: Sequence[str]) -> str:
    """Return a numbered list. Further lines of a text are indented, so that none looks like another
    item of the list."""
    items = []
    for number, text in enumerate(texts, start=1):
        mark = f"{number}. "
        first, *rest = text.strip().splitlines()
        items += [mark + first, *(f"{' ' * len(mark)}{line}".rstrip() for line in rest)]

    return "\n".join(items)


def read_new_instruction(reply: str, number: int) -> str:
    """Return the instruction that a reply holds, bare of numbers, labels, quotes and bold type; empty
    where there is none.

    Where the reply goes on with a further item, the first counts.

    :param number: the number of the instruction asked for, where the list shown is continued.
    """
    text = without_thoughts(reply).strip()
    preamble = _PREAMBLE.match(text)
    if preamble is not None:
        text = text[preamble.end() :]
    text = _first_item(text, number)
    while True:
        bare = _unwrap(text)
        label = _LABEL.match(bare)
        if label is not None:
            bare = bare[label.end() :]
        if bare == text:
            return text
        text = bare


def _first_item(text: str, number: int) -> str:
    """Return what stands above the next item.

    An instruction may hold a list of its own, so the next item is one with the next number, or with the
    label that the first has.
    """
    label = _LABEL.match(text)
    word = None
    if label is not None:
        found = label["named"] or label["bare"]
        number = int(found) if found is not None else number
        word = _casefold(label["word"])
    lines = text.splitlines(keepends=True)
    for index, line in enumerate(lines[1:], start=1):
        following = _LABEL.match(line)
        if following is None:
            continue
        has_next_number = (following["named"] or following["bare"]) == str(number + 1)
        if has_next_number or (word is not None and _casefold(following["word"]) == word):
            return "".join(lines[:index])

    return text


def _casefold(text: str | None) -> str | None:
    return None if text is None else text.casefold()


def _unwrap(text: str) -> str:
    """Return what stands between quotation marks or signs of bold type, where these stand around all."""
    text = text.strip()
    for left, right in _AROUND:
        if len(text) >= len(left) + len(right) and text.startswith(left) and text.endswith(right):
            inner = text[len(left) : -len(right)]
            if left not in inner and right not in inner:
                return inner.strip()

    return text
