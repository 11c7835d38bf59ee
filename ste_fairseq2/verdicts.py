"""The verdict of a judgement: one enum and one parser, for curation and evaluation alike.

A judgement ends with ``[[A]]``, ``[[B]]`` or, for a tie, ``[[C]]``. The parser reads generated text
only, never the prompt, and binds to the last mark: a mark that is quoted or considered on the way
cannot win. The two functions named after upstream say what its two parsers would have said; they exist
so that published figures compare, and nothing else may use them.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

_MARK: Final = re.compile(r"\[\[[ABC]\]\]")
_THOUGHT: Final = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL)


class Verdict(str, Enum):
    """What a judgement says; a failure is its own member and never quietly a number."""

    A = "A"
    B = "B"
    TIE = "tie"
    UNPARSEABLE = "unparseable"
    """The judgement ended by itself without a mark."""
    TRUNCATED = "truncated"
    """The judgement ran into the token limit before it gave a mark."""

    def swap(self) -> Verdict:
        """Return the verdict on the same pair shown in the other order."""
        return _SWAPPED.get(self, self)

    @property
    def is_decided(self) -> bool:
        """Whether one answer was named the better one."""
        return self in (Verdict.A, Verdict.B)

    @property
    def mark(self) -> str | None:
        """What a judgement ends with to say this; ``None`` for a failure."""
        return _MARKS.get(self)

    @property
    def upstream_name(self) -> str | None:
        """The name in upstream's output files; ``None`` for a failure."""
        return _UPSTREAM_NAMES.get(self)


_SWAPPED: Final = {Verdict.A: Verdict.B, Verdict.B: Verdict.A}
_UPSTREAM_NAMES: Final = {Verdict.A: "model_a", Verdict.B: "model_b", Verdict.TIE: "tie"}
_BY_MARK: Final = {"[[A]]": Verdict.A, "[[B]]": Verdict.B, "[[C]]": Verdict.TIE}
_MARKS: Final = {verdict: mark for mark, verdict in _BY_MARK.items()}


def without_thoughts(output: str) -> str:
    """Return a generated text without what its model thought aloud; see :func:`parse_verdict`."""
    if "<" not in output:  # to look for one character first is half of the time where there is none
        return output
    output = _THOUGHT.sub("", output) if "<think>" in output else output

    return output.rpartition("</think>")[2]


def parse_verdict(output: str, finish_reason: str | None = None) -> Verdict:
    """Return the verdict of a generated text.

    Thoughts between ``<think>`` and ``</think>`` do not count; an opened thought that never closes
    hides everything after it, and one that only closes (its opening stood in the prompt) everything
    before it.

    :param finish_reason: ``"length"`` where the text ran into the token limit. It tells a truncated
        judgement from one that ended without a mark; a mark that was given before the cut counts.
    """
    output = without_thoughts(output)
    # Most judgements end with their mark, and to look there is quicker than to search for all marks.
    verdict = _BY_MARK.get(output[-5:])
    if verdict is not None:
        return verdict
    marks = _MARK.findall(output)
    if marks:
        return _BY_MARK[marks[-1]]

    return Verdict.TRUNCATED if finish_reason == "length" else Verdict.UNPARSEABLE


def split_at_verdict(output: str) -> tuple[str, Verdict] | None:
    """Return the text before the mark that :func:`parse_verdict` binds to, and what the mark says;
    ``None`` where there is no mark."""
    # Blanks in place of thoughts, so that places stay what they are.
    shown = _THOUGHT.sub(lambda thought: " " * len(thought.group()), output)
    marks = list(_MARK.finditer(shown, shown.rfind("</think>") + 1))
    if not marks:
        return None

    return output[: marks[-1].start()], _BY_MARK[marks[-1].group()]


def upstream_training_verdict(output: str) -> Verdict:
    """Return what upstream's data filter reads: a text with marks of both answers has none."""
    has_a, has_b = "[[A]]" in output, "[[B]]" in output
    if has_a and not has_b:
        return Verdict.A
    if has_b and not has_a:
        return Verdict.B

    return Verdict.UNPARSEABLE


def upstream_benchmark_verdict(output: str) -> Verdict:
    """Return what upstream's RewardBench scorer reads: ``[[A]]`` anywhere wins over ``[[B]]``."""
    if "[[A]]" in output:
        return Verdict.A
    if "[[B]]" in output:
        return Verdict.B

    return Verdict.UNPARSEABLE
