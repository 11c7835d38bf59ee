from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ste_fairseq2
from ste_fairseq2 import Judge, Verdict, load_judge, parse_verdict
from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.engines.prompting import TokenPrompter
from ste_fairseq2.errors import MissingPathError, RowError
from ste_fairseq2.prompts import load_prompt
from ste_fairseq2.records import JudgeInput


@pytest.fixture
def judge(scripted_engine: Any, renderer: ChatRenderer) -> Judge:
    """Prefers the first answer shown, unless it is empty."""

    def answer(request: Any) -> tuple[str, str]:
        prompt = renderer.decode(request.prompt_ids)
        is_empty = "[The Start of Assistant A's Answer]\n\n" in prompt
        return ("[[B]]" if is_empty else "[[A]]"), "stop"

    engine = scripted_engine(answer, max_model_len=900)
    return Judge(engine, TokenPrompter(renderer), load_prompt("judge"))


class TestJudge:
    def test_pairs_come_in_three_forms_and_out_in_their_order(self, judge: Judge) -> None:
        judgements = judge.judge(
            [
                ("q", "a", "b"),
                {"id": "mine", "input": "q", "response_a": "", "response_b": "b", "label": "B"},
                JudgeInput("record", "q", "a", "b"),
            ]
        )

        assert [j.verdict for j in judgements] == [Verdict.A, Verdict.B, Verdict.A]
        assert [j.pair_id for j in judgements[1:]] == ["mine", "record"]
        assert judgements[1].label is Verdict.B

    def test_both_orders_stand_side_by_side(self, judge: Judge) -> None:
        judgements = judge.judge([("q", "a", "b"), ("q", "c", "d")], both_orders=True)

        assert [(j.index, j.order) for j in judgements] == [
            (0, "0_1"),
            (0, "1_0"),
            (1, "0_1"),
            (1, "1_0"),
        ]

    def test_the_same_pair_twice_is_judged_twice(self, judge: Judge) -> None:
        assert len(judge.judge([("q", "a", "b")] * 2)) == 2

    def test_samples_vote(self, judge: Judge) -> None:
        [judgement] = judge.judge([("q", "a", "b")], samples=5, temperature=0.7)

        assert (judgement.verdict, judgement.confidence) == (Verdict.A, 1.0)

    def test_a_pair_that_lacks_a_field_is_named(self, judge: Judge) -> None:
        with pytest.raises(RowError, match="pairs:1: `response_b` is missing"):
            judge.judge([("q", "a", "b"), {"input": "q", "response_a": "a"}])

    def test_a_pair_that_is_too_long_is_named(self, judge: Judge) -> None:
        with pytest.raises(RowError, match="pairs:1: makes a prompt of .* takes 900"):
            judge.judge([("q", "a", "b"), ("q", "word " * 900, "b")])

    def test_it_closes_its_engine(self, scripted_engine: Any, renderer: ChatRenderer) -> None:
        engine = scripted_engine(lambda _: ("", "stop"))

        with Judge(engine, renderer, load_prompt("judge")):
            assert not engine.is_closed

        assert engine.is_closed


def test_loading_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError):
        load_judge(tmp_path / "nowhere")


class TestPackage:
    def test_importing_it_is_light(self) -> None:
        code = (
            "import sys, ste_fairseq2\n"
            "from ste_fairseq2 import Verdict, parse_verdict\n"
            "assert parse_verdict('[[A]]') is Verdict.A\n"
            "assert not {'torch', 'vllm', 'transformers', 'rich'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_all_public_names_are_there(self) -> None:
        for name in ste_fairseq2.__all__:
            assert getattr(ste_fairseq2, name).__name__ == name
            assert name in dir(ste_fairseq2)

    def test_an_unknown_name_is_an_attribute_error(self) -> None:
        with pytest.raises(AttributeError, match="no_such_name"):
            ste_fairseq2.no_such_name  # noqa: B018

    def test_verdicts_are_read(self) -> None:
        assert parse_verdict("not [[A]] but [[B]]") is Verdict.B
