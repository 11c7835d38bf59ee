"""The score of a pointwise judgement: one parser and one arithmetic, for stages and evaluation alike.

A judgement that adds up points (Self-Rewarding, arXiv 2401.10020, figure 2) closes with ``Score: N``,
0 to 5. The parser reads generated text only, never the prompt, and binds to the last line of that form,
so that a score that is quoted or weighed on the way cannot win. What is not plainly such a score is a
failure, and never quietly a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import Final

from ste_fairseq2.verdicts import without_thoughts

MAX_SCORE: Final = 5

_DIGITS: Final = 9
"""To which means are compared: one that was added up in another order may differ in its last bits."""

_WORDS: Final = {"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}

_SCORE: Final = re.compile(
    r"\bscore\b[\s*_`]*[:=][\s*_`]*"
    rf"(?P<score>\d+(?:[.,]\d+)?|{'|'.join(_WORDS)})\b"
    r"(?:[\s*_`]*(?:/|out\s+of)[\s*_`]*(?P<scale>\d+))?",
    re.IGNORECASE,
)


class ScoreFailure(str, Enum):
    """Why a judgement has no score."""

    UNPARSEABLE = "unparseable"
    """It ended by itself without one, or with one that is not from 0 to 5."""
    TRUNCATED = "truncated"
    """It ran into the token limit before it gave one."""


def parse_score(output: str, finish_reason: str | None = None) -> float | ScoreFailure:
    """Return the score of a generated text, from 0 to 5.

    ``Score: 4``, ``**Score:** 4/5``, ``score: four`` and ``Score: 3.5`` are scores; one on another scale
    (``Score: 8/10``), one out of range and the placeholder ``Score: <total points>`` are none. Of
    several the last counts, whether it can be used or not: a judge that closes with ``Score: 7`` after
    ``Score: 3`` has given no score.

    :param finish_reason: ``"length"`` where the text ran into the token limit.
    """
    marks = list(_SCORE.finditer(without_thoughts(output)))
    if not marks:
        return ScoreFailure.TRUNCATED if finish_reason == "length" else ScoreFailure.UNPARSEABLE
    found = marks[-1]
    if found["scale"] not in (None, str(MAX_SCORE)):
        return ScoreFailure.UNPARSEABLE
    text = found["score"].lower()
    score = float(_WORDS[text] if text in _WORDS else text.replace(",", "."))

    return score if score <= MAX_SCORE else ScoreFailure.UNPARSEABLE


def mean_score(scores: Iterable[float | None]) -> float | None:
    """Return the mean of the samples that have a score; ``None`` where none has."""
    known = [score for score in scores if score is not None]

    return sum(known) / len(known) if known else None


def comparable(mean: float) -> float:
    """Return a mean, or a difference of means, without what the order of adding up may change."""
    return round(mean, _DIGITS)


def same_score(first: float, second: float) -> bool:
    """Whether two means are the same but for the order they were added up in."""
    return comparable(first - second) == 0


def whole_points(score: float) -> int:
    """Return a score to the nearest whole point; half a point goes up."""
    return int(score + 0.5)
