"""Reads a worse response out of the reply of the model that was asked for one."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, TypeAlias

from ste_fairseq2.engines.protocol import GenerationResult
from ste_fairseq2.prompts import mark_pattern
from ste_fairseq2.records import Response
from ste_fairseq2.synthesis.replies import Unusable
from ste_fairseq2.verdicts import without_thoughts

_RELATED_MARKS: Final = (
    "User Question Modified",
    "The start of Assistant's answer to the modified instruction",
    "The end of Assistant's answer to the modified instruction",
)
"""Those of the released wording, in their order."""

_REWRITE_MARKS: Final = ("The start of the worse answer", "The end of the worse answer")


class WorseReply(NamedTuple):
    worse: str
    modified_instruction: str | None


Reading: TypeAlias = WorseReply | Unusable


def read_related(response: Response, result: GenerationResult) -> Reading:
    """Read a related instruction and the good answer to it, each behind its mark.

    A reply that repeats the instruction is dropped: an answer to the same instruction is not worse.
    """
    parts = _between(_RELATED_MARKS, result.text)
    if parts is None:
        return _unreadable(result)
    modified, worse = parts
    if _same(modified, response.instruction):
        return Unusable("same_instruction")
    if _same(worse, response.baseline):
        return Unusable("same_as_baseline")

    return WorseReply(worse, modified)


def read_rewrite(response: Response, result: GenerationResult) -> Reading:
    """Read the answer that was made worse directly."""
    parts = _between(_REWRITE_MARKS, result.text)
    if parts is None:
        return _unreadable(result)
    [worse] = parts
    if _same(worse, response.baseline):
        return Unusable("same_as_baseline")

    return WorseReply(worse, None)


def _between(marks: tuple[str, ...], reply: str) -> list[str] | None:
    """Return the texts between the marks, or ``None`` where one is missing or a text is empty.

    Each mark is the first behind the one before, so that what follows the last does not matter.
    """
    rest = without_thoughts(reply)
    texts = []
    for mark in marks:
        text, found, rest = _split(mark_pattern(mark), rest)
        if not found:
            return None
        texts.append(text.strip())

    return texts[1:] if all(texts[1:]) else None


def _split(pattern: re.Pattern[str], text: str) -> tuple[str, bool, str]:
    match = pattern.search(text)
    if match is None:
        return text, False, ""

    return text[: match.start()], True, text[match.end() :]


def _unreadable(result: GenerationResult) -> Unusable:
    return Unusable("truncated" if result.finish_reason == "length" else "unparseable")


def _same(text: str, other: str) -> bool:
    """Whether two texts differ at most in case and white space."""
    return text.casefold().split() == other.casefold().split()
