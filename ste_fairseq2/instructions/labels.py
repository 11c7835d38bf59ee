"""Labels of an instruction: how a model's reply is read, and the rule by which labels qualify."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from ste_fairseq2.instructions.wording import words
from ste_fairseq2.jsonl import Row
from ste_fairseq2.verdicts import without_thoughts

CATEGORIES: Final = (
    "Coding",
    "Mathematical reasoning",
    "Asking for Advice",
    "Brainstorming",
    "Classification",
    "Closed Question Answering",
    "Creative Writing",
    "Extraction",
    "Inhabiting a Character/Persona",
    "Open Question Answering",
    "Rewriting",
    "Summarization",
    "Knowledge and Reasoning",
    "Humanity, History or Social Studies",
    "Other",
)
"""The categories of the paper."""

MAX_COMPLEXITY: Final = 10

_MARKUP: Final = re.compile(r"[*`#]")

_COLON: Final = r"[^\S\n]*(?:\([^()\n]*\)[^\S\n]*)?:[^\S\n]*"
"""As in `Complexity (1-10): `."""
_FIELD: Final = re.compile(
    rf"\b(category|complexity|length){_COLON}(.*?)[^\S\n]*"
    rf"(?=$|[\s/,;|]+(?:category|complexity|(?:expected\s+)?length){_COLON})",
    re.IGNORECASE | re.MULTILINE,
)
"""A field with what stands behind it, up to the next one or the end of the line."""

_COMPLEXITY: Final = re.compile(
    r"[\s(\[]*(10|[1-9])(?:\s*(?:/|out of)\s*10)?(?![.,]?\d|\s*(?:[-\u2013/]|to)\s*\d)", re.IGNORECASE
)
"""A whole number, and no range or other fraction."""

_IGNORED_WORDS: Final = frozenset(("a", "about", "and", "more", "or", "plus", "to"))
_NUMBERS: Final = {"one": "1", "two": "2", "three": "3"}
_SINGULARS: Final = {"sentences": "sentence", "paragraphs": "paragraph"}


class ExpectedLength(str, Enum):
    """How long a good response would be."""

    ONE_SENTENCE = "one_sentence"
    FEW_SENTENCES = "one_to_three_sentences"
    ONE_PARAGRAPH = "one_paragraph"
    TWO_PARAGRAPHS = "two_paragraphs"
    MORE_PARAGRAPHS = "three_or_more_paragraphs"

    @property
    def letter(self) -> str:
        """The letter that stands for it in the prompt and in replies: a to e."""
        return "abcde"[list(ExpectedLength).index(self)]


@dataclass(frozen=True)
class Labels:
    """What a model says of an instruction."""

    category: str
    """One of :data:`CATEGORIES`."""
    complexity: int
    """1 to :data:`MAX_COMPLEXITY`."""
    expected_length: ExpectedLength

    @staticmethod
    def from_row(row: Row) -> Labels:
        return Labels(
            row.text("category"), row.require("complexity"), ExpectedLength(row.text("expected_length"))
        )

    def to_row(self) -> dict[str, Any]:
        return {
            "category": self.category,
            "complexity": self.complexity,
            "expected_length": self.expected_length.value,
        }


@dataclass(frozen=True, kw_only=True)
class LabelRule:
    """Which labels qualify; what is ``None`` does not matter."""

    categories: Collection[str] | None = None
    min_complexity: int | None = None
    max_complexity: int | None = None
    expected_lengths: Collection[ExpectedLength] | None = None

    def reason_against(self, labels: Labels) -> str | None:
        """Return a short name of what does not qualify, or ``None``."""
        if self.categories is not None and labels.category not in self.categories:
            return "other_category"
        if self.min_complexity is not None and labels.complexity < self.min_complexity:
            return "too_simple"
        if self.max_complexity is not None and labels.complexity > self.max_complexity:
            return "too_complex"
        if self.expected_lengths is not None and labels.expected_length not in self.expected_lengths:
            return "other_length"

        return None


def parse_labels(reply: str) -> Labels | None:
    """Read a reply of the form ``Category: … / Complexity: … / Length: …``, or return ``None``.

    The last of each counts. Case, bold type and full stops do not matter; a category that is not known,
    a complexity that is no whole number from 1 to 10, or a length whose letter and words disagree make
    the reply unreadable.
    """
    text = _MARKUP.sub("", without_thoughts(reply))
    found = {name.casefold(): value for name, value in _FIELD.findall(text)}
    category = find_category(found.get("category", ""))
    complexity = _COMPLEXITY.match(found.get("complexity", ""))
    expected_length = find_length(found.get("length", ""))
    if category is None or complexity is None or expected_length is None:
        return None

    return Labels(category, int(complexity[1]), expected_length)


def find_category(name: str) -> str | None:
    """Return the category of that name, or ``None``; case, punctuation and `&` do not matter."""
    return _CATEGORY_BY_WORDS.get(_telling_words(name))


def find_length(text: str) -> ExpectedLength | None:
    """Return the length that a letter, words such as `1-3 sentences`, or both name.

    ``None`` where there is none, or where letter and words disagree.
    """
    parts = [part for part in words(text) if part != "option"]
    named: set[ExpectedLength | None] = set()
    # The letter stands before the words or behind them.
    for place in (0, -1):
        if parts and parts[place] in _LENGTH_BY_LETTER:
            named.add(_LENGTH_BY_LETTER[parts.pop(place)])
    if parts:
        named.add(_LENGTH_BY_WORDS.get(_telling_words(" ".join(parts))))

    return named.pop() if len(named) == 1 else None


def _telling_words(text: str) -> tuple[str, ...]:
    plain = (_NUMBERS.get(word, word) for word in words(text) if word not in _IGNORED_WORDS)

    return tuple(_SINGULARS.get(word, word) for word in plain)


_CATEGORY_BY_WORDS: Final = {_telling_words(name): name for name in CATEGORIES}
_LENGTH_BY_LETTER: Final = {length.letter: length for length in ExpectedLength}
_LENGTH_BY_WORDS: Final = {_telling_words(length.value): length for length in ExpectedLength}
