"""Whether an instruction that a model wrote is one to keep: its wording, and whether it is new.

Words are those of ``wording.py``: case, spacing and punctuation do not count. Two instructions resemble
each other by ROUGE-L: the length of their longest common subsequence of words, twice, over the words of
both. It is 1 where they have the same words in the same order, and 0 where they share none.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final, NamedTuple

from ste_fairseq2.instructions.wording import words

BANNED_WORDS: Final = (
    "image",
    "images",
    "graph",
    "graphs",
    "picture",
    "pictures",
    "file",
    "files",
    "map",
    "maps",
    "draw",
    "plot",
    "go to",
    "video",
    "audio",
    "music",
    "flowchart",
    "diagram",
)
"""Those of Self-Instruct (arXiv 2212.10560): what is asked for with them is mostly not text."""

_ROUNDING: Final = 1e-6
"""What the search may be off by before the index is worked out exactly."""


@dataclass(frozen=True, kw_only=True)
class WordingRule:
    """Which instructions are let through by their wording alone."""

    min_words: int
    max_words: int
    banned_words: tuple[str, ...] = BANNED_WORDS
    """Words, or several in a row."""

    def reason_against(self, text: str) -> str | None:
        """Return a short name of what is wrong with an instruction, or ``None``."""
        parts = words(text)
        if len(parts) < self.min_words:
            return "too_few_words"
        if len(parts) > self.max_words:
            return "too_many_words"
        line = f" {' '.join(parts)} "
        if any(f" {' '.join(words(banned))} " in line for banned in self.banned_words):
            return "banned_word"

        return None


class Resemblance(NamedTuple):
    """What an instruction resembles most."""

    id: str
    similarity: float
    """ROUGE-L, 0 to 1."""


class KnownInstructions:
    """The instructions that a new one must differ from."""

    def __init__(self, max_similarity: float) -> None:
        """
        :param max_similarity: the similarity (0 to 1) from which on an instruction is not new.
        """
        self._max_similarity = max_similarity
        self._ids: list[str] = []
        self._spellings: list[str] = []
        self._speller = _Speller()

    def add(self, record_id: str, text: str) -> None:
        self._ids.append(record_id)
        self._spellings.append(self._speller.spell(text))

    def find_similar(self, text: str) -> Resemblance | None:
        """Return the known instruction that a text resembles most, of several the one added first;
        ``None`` where it is new."""
        from rapidfuzz import process
        from rapidfuzz.distance import Indel

        # A distance of insertions and deletions alone, over the length of both: 1 less it is ROUGE-L.
        spelling = self._speller.spell(text)
        found = process.extractOne(
            spelling,
            self._spellings,
            scorer=Indel.normalized_similarity,
            score_cutoff=max(self._max_similarity - _ROUNDING, 0.0),
        )
        if found is None:
            return None
        other, _, index = found
        similarity = _similarity(spelling, other)

        return Resemblance(self._ids[index], similarity) if similarity >= self._max_similarity else None


def rouge_l(text: str, other: str) -> float:
    """Return the ROUGE-L F-measure of two texts; 0 where neither has a word."""
    speller = _Speller()

    return _similarity(speller.spell(text), speller.spell(other))


class _Speller:
    """Writes a text with one letter for each of its words; letters are compared a hundred times as fast
    as words."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def spell(self, text: str) -> str:
        letters = self._letters

        return "".join(letters.setdefault(word, _letter(len(letters))) for word in words(text))


def _similarity(spelling: str, other: str) -> float:
    from rapidfuzz.distance import LCSseq

    length = len(spelling) + len(other)

    return 2 * LCSseq.similarity(spelling, other) / length if length else 0.0


def _letter(number: int) -> str:
    # There are a million; of more words, some share theirs.
    return chr(number % (sys.maxunicode + 1))
