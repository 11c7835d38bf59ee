"""The words of a text, by which texts are compared: case, spacing and typography do not count.

Texts are normalised by NFKC and case folding. A word is a run of letters, digits and the marks that
combine with them; in scripts that are written without spaces each character is a word.
"""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from typing import Final

_UNSPACED: Final = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u3040-\u30ff"  # Hiragana, Katakana
    "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)

_SIGNS: Final = r"[+=<>~^|]|(?<=\w)[#%]|[-*/](?=\s*\d)|(?<=\w)[-*/](?=\w)"
"""What tells `3 + 4` from `3 - 4` and `C` from `C#`, but not the marks of a list or of bold type."""


def words(text: str) -> list[str]:
    """Return the words alone."""
    return _find(text, "")


def words_and_signs(text: str) -> list[str]:
    """Return the words, and the signs of arithmetic and code between them; other punctuation is left
    out."""
    return _find(text, f"|{_SIGNS}")


def normal_form(text: str) -> str:
    """Return what two texts have in common that say the same; of a text without a word all but its
    spacing."""
    return " ".join(words_and_signs(text) or text.split())


def _find(text: str, or_else: str) -> list[str]:
    is_ascii = text.isascii()
    # Folding may take a text out of its normal form again.
    folded = text.lower() if is_ascii else _nfkc(_nfkc(text).casefold())
    found: list[str] = _pattern(is_ascii, or_else).findall(folded)

    return found


def _nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


@functools.cache
def _pattern(is_ascii: bool, or_else: str) -> re.Pattern[str]:
    # The same words, several times as fast.
    return re.compile(("[a-z0-9]+" if is_ascii else _word()) + or_else)


@functools.cache
def _word() -> str:
    """Return the pattern of a word.

    The characters are listed, since `\\w` has the underscore but not the combining marks, without which
    the words of many scripts fall apart.
    """
    unspaced = re.compile(f"[{_UNSPACED}]")
    letters, marks = [], []
    for character in map(chr, range(sys.maxunicode + 1)):
        if unicodedata.category(character) in ("Mn", "Mc"):
            marks.append(character)
        elif character.isalnum() and not unspaced.match(character):
            letters.append(character)
    letter, mark = _ranges(letters), _ranges(marks)

    return f"[{letter}][{letter}{mark}]*|[{_UNSPACED}][{mark}]*"


def _ranges(characters: list[str]) -> str:
    """Return the inside of a character class; the characters are sorted."""
    parts: list[list[str]] = []
    for character in characters:
        if parts and ord(parts[-1][1]) + 1 == ord(character):
            parts[-1][1] = character
        else:
            parts.append([character, character])

    return "".join(f"{first}-{last}" for first, last in parts)
