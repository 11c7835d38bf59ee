"""The filters, each by its name."""

from __future__ import annotations

import pytest

from ste_fairseq2.instructions.filters import Filters
from ste_fairseq2.instructions.sources import Candidate
from ste_fairseq2.records import Instruction


def candidate(text: str, language: str | None = None, is_toxic: bool = False) -> Candidate:
    return Candidate(Instruction("i", text), language, is_toxic)


STRICT = Filters(languages=("English", "german"), min_chars=3, max_chars=5)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (candidate("four", "English"), None),
        (candidate("four", "GERMAN"), None),
        # Nobody said which language it is.
        (candidate("four"), None),
        (candidate("four", "French"), "language"),
        (candidate("four", "English", is_toxic=True), "toxic"),
        (candidate("  ab  ", "English"), "too_short"),
        (candidate("abc"), None),
        (candidate("abcde \n"), None),
        (candidate("abcdef"), "too_long"),
        (candidate(" \n\u3000"), "empty"),
        # The first filter that drops it is the reason.
        (candidate("", "French", is_toxic=True), "empty"),
        (candidate("abcdef", "French", is_toxic=True), "language"),
        (candidate("abcdef", is_toxic=True), "toxic"),
    ],
)
def test_reasons(content: Candidate, reason: str | None) -> None:
    assert STRICT.reason_against(content) == reason


def test_what_is_not_asked_for_is_not_filtered() -> None:
    content = candidate("x" * 100_000, "French", is_toxic=True)

    assert Filters(keep_toxic=True).reason_against(content) is None
    assert Filters().reason_against(content) == "toxic"
