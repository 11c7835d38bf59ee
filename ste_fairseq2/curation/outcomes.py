"""What a judgement is worth for training: its verdict against the one that the ranks call right."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from ste_fairseq2.verdicts import Verdict


class Outcome(IntEnum):
    """The values stand in the index; their order is that in which reports name them."""

    CORRECT = 0
    CUT_AFTER_VERDICT = 1
    """The right verdict in a text that then ran into the token limit: counts as a right vote, but is
    not a text to learn from."""
    WRONG = 2
    TIE = 3
    UNPARSEABLE = 4
    TRUNCATED = 5


CHOSEN: Final = Outcome.CORRECT
"""What may be the target, or the chosen side."""

REJECTED: Final = (Outcome.WRONG, Outcome.TIE, Outcome.UNPARSEABLE, Outcome.TRUNCATED)
"""What may be the rejected side."""

VOTED_RIGHT: Final = (Outcome.CORRECT, Outcome.CUT_AFTER_VERDICT)

_WHERE_NOT_GOLD: Final = {
    Verdict.A: Outcome.WRONG,
    Verdict.B: Outcome.WRONG,
    Verdict.TIE: Outcome.TIE,
    Verdict.UNPARSEABLE: Outcome.UNPARSEABLE,
    Verdict.TRUNCATED: Outcome.TRUNCATED,
}


def judge_outcome(verdict: Verdict, gold: Verdict, finish_reason: str | None) -> Outcome:
    """Return the outcome of a sample whose right verdict is ``gold`` (``A`` or ``B``)."""
    if verdict is gold:
        return Outcome.CUT_AFTER_VERDICT if finish_reason == "length" else CHOSEN

    return _WHERE_NOT_GOLD[verdict]
