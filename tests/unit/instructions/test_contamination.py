"""What instructions share with the prompts of benchmarks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ste_fairseq2.instructions.contamination import Contamination, Hit

PROMPT = "Name the capital of France, then say in one short sentence why the capital moved."
WORDS = PROMPT.lower().replace(",", "").rstrip(".").split()
"""Fifteen."""


@pytest.fixture
def contamination() -> Contamination:
    found = Contamination(ngram=13)
    found.add("first", [PROMPT, "Short one?"])
    found.add("second", [PROMPT, "Another short one", "!!!"])

    return found


@pytest.mark.parametrize(
    ("text", "benchmark", "kind", "shared"),
    [
        (PROMPT, "first", "exact", " ".join(WORDS)),
        (PROMPT.upper().replace(",", " -"), "first", "exact", " ".join(WORDS)),
        ("short ONE", "first", "exact", "short one"),
        ("another short one!", "second", "exact", "another short one"),
        (f"Please: {PROMPT}", "first", "ngram", " ".join(WORDS[:13])),
        (f"So {' '.join(WORDS[1:14])} and", "first", "ngram", " ".join(WORDS[1:14])),
    ],
)
def test_hits(contamination: Contamination, text: str, benchmark: str, kind: str, shared: str) -> None:
    hit = contamination.find("i", text)

    assert hit is not None
    assert hit.to_row() == {"id": "i", "benchmark": benchmark, "kind": kind, "text": shared}


@pytest.mark.parametrize(
    "text",
    [
        # Twelve words in a row.
        " ".join(["So", *WORDS[1:13], "left"]),
        # Of a short prompt only the whole counts.
        "a short one",
        "What else?",
        "???",
        "",
    ],
)
def test_no_hits(contamination: Contamination, text: str) -> None:
    assert contamination.find("i", text) is None


def test_without_benchmarks_there_are_none() -> None:
    assert Contamination(ngram=13).find("i", PROMPT) is None


@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=30),
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=30),
    st.integers(1, 6),
)
def test_like_a_plain_search(prompt: list[str], text: list[str], ngram: int) -> None:
    contamination = Contamination(ngram)
    contamination.add("b", [" ".join(prompt)])
    hit = contamination.find("i", " ".join(text))

    def runs(parts: list[str]) -> list[str]:
        return [" ".join(parts[i : i + ngram]) for i in range(len(parts) - ngram + 1)]

    shared = [run for run in runs(text) if run in runs(prompt)]
    if text == prompt:
        assert hit == Hit("i", "b", "exact", " ".join(text))
    elif shared:
        assert hit == Hit("i", "b", "ngram", shared[0])
    else:
        assert hit is None
