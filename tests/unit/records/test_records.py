"""Records: what upstream writes is read, unknown fields are kept, and a wrong field is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ste_fairseq2.errors import RowError
from ste_fairseq2.jsonl import Row, dump_row, parse_row
from ste_fairseq2.records import (
    JudgeInput,
    JudgementSample,
    Message,
    PreferenceExample,
    SftExample,
    read_messages,
)
from ste_fairseq2.verdicts import Verdict

USER = {"role": "user", "content": "Hello?"}
ASSISTANT = {"role": "assistant", "content": "Hello."}

SFT = {"id": "1", "src": "<prompt>", "tgt": "answer"}
PREFERENCE = {"id": "1", "src": "<prompt>", "tgt_chosen": "good", "tgt_rejected": "bad"}
SAMPLE = {
    "id": "1",
    "text": "<prompt>",
    "vllm_output": {"output": "[[A]]", "finish_reason": "stop"},
    "metadata": {"ranks": [0, 1], "pair_id": "p", "order": "0_1", "subset": "maths"},
}
JUDGE = {"id": "1", "input": "Hello?", "response_a": "Hello.", "response_b": "No.", "label": "A"}

RECORDS: list[tuple[Any, dict[str, Any]]] = [
    (SftExample, SFT),
    (PreferenceExample, PREFERENCE),
    (JudgementSample, SAMPLE),
]


def row(data: dict[str, Any]) -> Row:
    return parse_row(json.dumps(data).encode(), "a.jsonl", 4)


@pytest.mark.parametrize(("record", "data"), RECORDS)
def test_rows_come_back_as_they_were(record: Any, data: dict[str, Any]) -> None:
    data = data | {"messages": [USER], "my_field": {"deep": [1, None]}}

    assert record.from_row(row(data)).to_row() == data


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda t: bool(t.strip()))


@given(
    texts,
    texts,
    texts,
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
def test_preference_examples_round_trip(
    src: str, good: str, bad: str, high: float | None, low: float | None
) -> None:
    example = PreferenceExample(
        id="x",
        src=src,
        tgt_chosen=good,
        tgt_rejected=bad,
        reference_score_chosen=high,
        reference_score_rejected=low,
    )

    assert PreferenceExample.from_row(parse_row(dump_row(example.to_row()).encode(), "a", 1)) == example


def test_reference_score_of_zero_is_a_score() -> None:
    example = PreferenceExample.from_row(row(PREFERENCE | {"reference_score_chosen": 0}))

    assert example.reference_score_chosen == 0.0
    assert example.reference_score_rejected is None
    assert example.to_row()["reference_score_chosen"] == 0.0
    assert "reference_score_rejected" not in example.to_row()


@pytest.mark.parametrize(("record", "data"), [*RECORDS, (JudgeInput, JUDGE)])
def test_id_comes_from_the_content_where_there_is_none(record: Any, data: dict[str, Any]) -> None:
    without = {k: v for k, v in data.items() if k != "id"}
    first, again = record.from_row(row(without)), record.from_row(row(without | {"my_field": 1}))

    assert first.id == again.id
    assert len(first.id) == 32


def test_numbers_are_ids() -> None:
    assert SftExample.from_row(row(SFT | {"id": 7})).id == "7"


def test_whole_conversation_ends_with_the_answer() -> None:
    example = SftExample.from_row(row({"id": "1", "messages": [USER, ASSISTANT]}))

    assert example.messages == (Message("user", "Hello?"),)
    assert example.tgt == "Hello."


def test_conversation_beside_an_answer_is_the_prompt() -> None:
    example = SftExample.from_row(row({"id": "1", "messages": [USER, ASSISTANT, USER], "tgt": "Yes?"}))

    assert example.messages is not None
    assert [m.role for m in example.messages] == ["user", "assistant", "user"]
    assert example.tgt == "Yes?"


@pytest.mark.parametrize(
    ("record", "change", "message"),
    [
        (SftExample, {"tgt": " \n"}, "`tgt` must not be empty"),
        (SftExample, {"tgt": None}, "`tgt` must be a string, but is null"),
        (SftExample, {"src": ""}, "`src` must not be empty"),
        (SftExample, {"id": ""}, "`id` must be a non-empty string"),
        (SftExample, {"id": True}, "`id` must be a non-empty string"),
        (SftExample, {"messages": []}, "`messages` must be a list of at least one"),
        (SftExample, {"messages": "hi"}, "`messages` must be a list"),
        (SftExample, {"messages": [USER, "hi"]}, "`messages[1]` must be an object"),
        (
            SftExample,
            {"messages": [{"role": "human", "content": ""}]},
            "`messages[0].role` must be",
        ),
        (SftExample, {"messages": [{"role": "user"}]}, "`messages[0].content` must be a string"),
        (PreferenceExample, {"tgt_rejected": 3}, "`tgt_rejected` must be a string, but is a number"),
        (PreferenceExample, {"messages": [USER, ASSISTANT]}, "`messages` must end before the answer"),
        (
            PreferenceExample,
            {"reference_score_chosen": "-1"},
            "`reference_score_chosen` must be",
        ),
        (JudgementSample, {"vllm_output": "[[A]]"}, "`vllm_output.output` must be a string"),
        (JudgementSample, {"metadata": {}}, "`metadata.ranks` must be a list of two"),
        (JudgementSample, {"metadata": {"ranks": [0, 0]}}, "`metadata.ranks` are equal"),
        (JudgementSample, {"metadata": {"ranks": [True, 0]}}, "`metadata.ranks` must hold numbers"),
        (
            JudgementSample,
            {"metadata": {"ranks": [0, 1], "order": "01"}},
            "`metadata.order` must be",
        ),
        (JudgeInput, {"input": ""}, "`input` must not be empty"),
        (JudgeInput, {"label": "left"}, "`label` must be A, B or tie"),
    ],
)
def test_wrong_field_is_named(record: Any, change: dict[str, Any], message: str) -> None:
    data = {SftExample: SFT, PreferenceExample: PREFERENCE, JudgementSample: SAMPLE, JudgeInput: JUDGE}

    with pytest.raises(RowError) as caught:
        record.from_row(row(data[record] | change))

    assert str(caught.value).startswith(f"a.jsonl:4: {message}")


def test_whole_conversation_must_hold_prompt_and_answer() -> None:
    with pytest.raises(RowError, match="a turn before the assistant's answer"):
        SftExample.from_row(row({"messages": [ASSISTANT]}))
    with pytest.raises(RowError, match=r"`messages\[1\].content` must not be empty"):
        SftExample.from_row(row({"messages": [USER, ASSISTANT | {"content": " "}]}))


def test_lower_rank_is_the_better_answer() -> None:
    assert JudgementSample.from_row(row(SAMPLE)).gold is Verdict.A
    swapped = SAMPLE | {"metadata": {"ranks": [1, 0]}}
    assert JudgementSample.from_row(row(swapped)).gold is Verdict.B


def test_upstream_sample_needs_no_more_than_its_three_fields() -> None:
    sample = JudgementSample.from_row(
        row({"text": "p", "vllm_output": {"output": ""}, "metadata": {"ranks": [2, 1]}})
    )

    assert sample.finish_reason is None
    assert sample.order is None
    assert sample.pair_id is None


@pytest.mark.parametrize(
    ("label", "verdict"),
    [
        ("A", Verdict.A),
        ("model_b", Verdict.B),
        ("tie", Verdict.TIE),
        (None, None),
    ],
)
def test_labels_by_either_name(label: str | None, verdict: Verdict | None) -> None:
    assert JudgeInput.from_row(row(JUDGE | {"label": label})).label is verdict


def test_no_messages() -> None:
    assert read_messages(row({})) is None
    assert read_messages(row({"messages": None})) is None
