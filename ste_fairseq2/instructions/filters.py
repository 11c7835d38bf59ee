"""The filters that look at an instruction alone; each has a short name, by which drops are counted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from ste_fairseq2.instructions.sources import Candidate


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What is let through."""

    languages: Collection[str] = ()
    """Names of languages; of a row that names none the language is not known, and it passes. Where this
    is empty, all pass."""
    keep_toxic: bool = False
    min_chars: int = 1
    max_chars: int | None = None
    _languages: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = frozenset(language.casefold() for language in self.languages)
        object.__setattr__(self, "_languages", names)

    def reason_against(self, candidate: Candidate) -> str | None:
        """Return the name of the first filter that drops the candidate, or ``None``."""
        text = candidate.instruction.instruction.strip()
        if not text:
            return "empty"
        if not self._passes_language(candidate.language):
            return "language"
        if candidate.is_toxic and not self.keep_toxic:
            return "toxic"
        if len(text) < self.min_chars:
            return "too_short"
        if self.max_chars is not None and len(text) > self.max_chars:
            return "too_long"

        return None

    def _passes_language(self, language: str | None) -> bool:
        return not self._languages or language is None or language.casefold() in self._languages
