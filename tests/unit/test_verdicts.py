"""The verdict parser on the texts that judges really write, beside what upstream would have read."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ste_fairseq2.verdicts import (
    Verdict,
    parse_verdict,
    split_at_verdict,
    upstream_benchmark_verdict,
    upstream_training_verdict,
)

A, B, TIE = Verdict.A, Verdict.B, Verdict.TIE
NONE, CUT = Verdict.UNPARSEABLE, Verdict.TRUNCATED


@pytest.mark.parametrize(
    ("output", "verdict"),
    [
        ("Plan … so A.\n\n[[A]]", A),
        ("[[B]]", B),
        ("Both fail alike: [[C]]", TIE),
        ("**[[B]]**.", B),
        ("The verdict is [[[A]]]", A),
        # The last mark counts: earlier ones are considered or quoted.
        ("I leaned to [[A]] at first, but [[B]]", B),
        ("Answer B says `give me [[B]]`, which is a trick. [[A]]", A),
        ("The options are [[A]], [[B]] and [[C]]. Mine is [[B]]", B),
        # Not marks.
        ("", NONE),
        ("A is better.", NONE),
        ("[A]", NONE),
        ("[[a]]", NONE),
        ("[[ A ]]", NONE),
        ("[[D]]", NONE),
        ("[[A", NONE),
        # Thoughts do not count.
        ("<think>[[A]] surely</think>\n[[B]]", B),
        ("<think>[[A]] surely</think>\nI cannot say.", NONE),
        ("<think>one</think> [[A]] <think>or [[B]]?</think>", A),
        ("[[A]] <think>wait, [[B]]", A),
        ("<think>[[A]] it is, or", NONE),
        # The chat template may have opened the thought in the prompt.
        ("[[A]] surely</think>\nI cannot say.", NONE),
        ("[[A]] surely</think>\n[[B]]", B),
        ("<think>a <think>b</think> [[A]] </think> [[B]]", B),
    ],
)
def test_last_visible_mark_counts(output: str, verdict: Verdict) -> None:
    assert parse_verdict(output) is verdict
    assert parse_verdict(output, "stop") is verdict


@pytest.mark.parametrize(
    ("output", "verdict"),
    [
        ("Plan: compare the", CUT),
        ("<think>[[A]] it is, or", CUT),
        ("", CUT),
        # A verdict that was given before the cut is a verdict.
        ("[[B]]\n\nLet me add that", B),
    ],
)
def test_text_that_ran_into_the_limit(output: str, verdict: Verdict) -> None:
    assert parse_verdict(output, "length") is verdict


@pytest.mark.parametrize(
    ("output", "training", "benchmark", "ours"),
    [
        ("[[A]]", A, A, A),
        ("[[B]]", B, B, B),
        ("[[A]] or rather [[B]]", NONE, A, B),
        ("[[B]] … [[A]]", NONE, A, A),
        ("[[C]]", NONE, NONE, TIE),
        ("", NONE, NONE, NONE),
        ("<think>[[A]]</think> [[B]]", NONE, A, B),
    ],
)
def test_where_upstream_reads_otherwise(
    output: str, training: Verdict, benchmark: Verdict, ours: Verdict
) -> None:
    assert upstream_training_verdict(output) is training
    assert upstream_benchmark_verdict(output) is benchmark
    assert parse_verdict(output) is ours


@given(st.sampled_from(Verdict))
def test_swapping_twice_changes_nothing(verdict: Verdict) -> None:
    assert verdict.swap().swap() is verdict
    assert (verdict.swap() is verdict) != verdict.is_decided


@given(st.text(), st.sampled_from("ABC"), st.text(alphabet="ABC[] \n."))
def test_swapping_the_marks_swaps_the_verdict(before: str, letter: str, after: str) -> None:
    output = f"{before}[[{letter}]]{after}"
    table = str.maketrans("AB", "BA")

    assert parse_verdict(output.translate(table)) is parse_verdict(output).swap()


def verdict_of_all_marks(output: str) -> Verdict:
    """The parser without its look at the end: the last of all marks outside of thoughts."""
    shown = re.sub(r"<think>.*?(</think>|\Z)", "", output, flags=re.DOTALL).rpartition("</think>")[2]
    letters = re.findall(r"\[\[([ABC])\]\]", shown)

    return {"A": A, "B": B, "C": TIE}[letters[-1]] if letters else NONE


@given(
    st.lists(
        st.sampled_from(["[", "]", "[[", "]]", "[[A]]", "[[B]]", "A", "<think>", "</think>", "<", "\n"]),
        max_size=8,
    )
)
def test_a_mark_at_the_end_is_the_last_of_all(pieces: list[str]) -> None:
    output = "".join(pieces)

    assert parse_verdict(output) is verdict_of_all_marks(output)
    assert parse_verdict(f"{output}[[C]]") is verdict_of_all_marks(f"{output}[[C]]")


@pytest.mark.parametrize(
    ("output", "split"),
    [
        ("So A.\n\n[[A]]", ("So A.\n\n", A)),
        ("[[B]] it is, not [[A]].\nThat is all.", ("[[B]] it is, not ", A)),
        ("[[C]]", ("", TIE)),
        ("<think>[[A]]</think>[[B]]", ("<think>[[A]]</think>", B)),
        ("[[A]] <think>or [[B]]?</think>.", ("", A)),
        ("or [[B]]?</think>[[A]]", ("or [[B]]?</think>", A)),
        ("[[A]] <think>or [[B]]?", ("", A)),
        ("<think>[[B]]", None),
        ("[[A]]</think> hm", None),
        ("neither", None),
    ],
)
def test_a_judgement_is_cut_at_the_mark_that_counts(
    output: str, split: tuple[str, Verdict] | None
) -> None:
    assert split_at_verdict(output) == split


_PIECES = st.lists(st.sampled_from(["[[A]]", "[[B]]", "[[C]]", "<think>", "</think>", "so ", "\n", "é"]))


@given(_PIECES.map("".join))
def test_the_cut_is_where_the_parser_reads(output: str) -> None:
    split = split_at_verdict(output)
    if split is None:
        assert parse_verdict(output) is NONE
    else:
        before, verdict = split
        assert parse_verdict(output) is verdict
        assert output.startswith(f"{before}{verdict.mark}")


def test_marks_are_what_the_parser_reads() -> None:
    assert {v: v.mark for v in Verdict} == {A: "[[A]]", B: "[[B]]", TIE: "[[C]]", NONE: None, CUT: None}


def test_names_in_upstream_files() -> None:
    assert {v: v.upstream_name for v in Verdict} == {
        A: "model_a",
        B: "model_b",
        TIE: "tie",
        NONE: None,
        CUT: None,
    }
