"""`ste follow` on an engine that a test scripts: points by hand, with and without a judge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.cli.main import dispatch
from ste_fairseq2.errors import ConfigError, EmptyDataError, RowError
from ste_fairseq2.evaluation.follow_config import FollowConfig
from ste_fairseq2.evaluation.following import read_following, run_follow
from tests.rows import write

QUESTIONS = [
    {"id": "a", "instruction": "One?", "answer": "Yes  it is", "category": "short"},
    {"id": "b", "instruction": "Two?", "answer": "no", "category": "short"},
    {"id": "c", "instruction": "Three?", "answer": "3", "category": "number"},
    {"id": "d", "instruction": "Four?", "answer": "4"},
]

REPLIES = {
    "a": (" yes it\nIS ", "stop"),
    "b": ("not at all", "stop"),
    "c": ("3", "stop"),
    # Cut, so it is no answer.
    "d": ("4", "length"),
}


@pytest.fixture
def configure(tiny_model: Path, tmp_path: Path) -> Callable[..., FollowConfig]:
    def make(rows: list[dict[str, Any]], **fields: Any) -> FollowConfig:
        inputs = write(tmp_path / "in.jsonl", rows)
        config = FollowConfig(
            **({"inputs": str(inputs), "model": str(tiny_model), "output": tmp_path / "out"} | fields)
        )
        config.validate()

        return config

    return make


def test_answers_that_are_the_known_ones_count(script_engine: Any, configure: Any) -> None:
    script_engine(lambda request: REPLIES[request.id])
    config = configure(QUESTIONS)

    found = run_follow(config)

    # Case and white space do not count; a and c are right, of four.
    assert (found.measure, found.instructions, found.answered, found.score) == ("exact_match", 4, 3, 0.5)
    assert found.categories == {"number": 1.0, "short": 0.5}
    # 3, 3 and 1 words.
    assert found.mean_words == pytest.approx(7 / 3)
    assert found.interval is not None
    assert 0.0 <= found.interval[0] <= 0.5 <= found.interval[1] <= 1.0
    assert read_following(config.output) == found


def test_a_judge_compares_in_both_orders(script_engine: Any, configure: Any, tiny_model: Path) -> None:
    # a wins in both orders; b in the first, and the other is a tie; c has no verdict and loses.
    verdicts = {
        "a:0_1": "[[A]]",
        "a:1_0": "[[B]]",
        "b:0_1": "[[A]]",
        "b:1_0": "[[C]]",
        "c:0_1": "hm",
        "c:1_0": "[[A]]",
    }
    asked: list[str] = []

    def reply(request: Any) -> tuple[str, str]:
        asked.append(request.id)
        judgement = next((text for name, text in verdicts.items() if name in request.id), None)

        return (judgement, "stop") if judgement is not None else REPLIES[request.id]

    script_engine(reply)

    found = run_follow(configure(QUESTIONS, judge=tiny_model))

    # (1 + 0.75 + 0.25 + 0) / 4: what was not answered has lost.
    assert (found.measure, found.score) == ("win_rate", 0.5)
    assert found.categories == {"number": 0.25, "short": 0.875}
    assert len(asked) == 4 + 2 * 3


def test_of_ranked_answers_the_best_is_the_known_one(script_engine: Any, configure: Any) -> None:
    rows = [
        {"id": f"q-{rank}", "instruction_id": "q", "input": "Why?", "response": text, "rank": rank}
        for rank, text in ((2, "worst"), (0, "best"), (1, "middling"))
    ]
    script_engine(lambda request: ("best", "stop"))

    found = run_follow(configure(rows))

    assert (found.instructions, found.score) == (1, 1.0)


def test_only_the_first_are_asked_where_there_is_a_limit(script_engine: Any, configure: Any) -> None:
    script_engine(lambda request: REPLIES[request.id])

    assert run_follow(configure(QUESTIONS, limit=1)).score == 1.0


def test_what_is_answered_is_not_asked_again(script_engine: Any, configure: Any) -> None:
    script_engine(lambda request: REPLIES[request.id])
    config = configure(QUESTIONS)
    found = run_follow(config)
    script_engine(lambda request: pytest.fail("asked again"))

    assert run_follow(config) == found


def test_nothing_is_known_of_a_folder_without_figures(tmp_path: Path) -> None:
    assert read_following(tmp_path) is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"instruction": "One?"}, "in.jsonl:2: `answer`"),
        ({"instruction": "One?", "answer": " "}, "in.jsonl:2: `answer`"),
        (
            {"id": "a", "instruction": "One?", "answer": "1"},
            "in.jsonl:2: `id` 'a' is that of another",
        ),
        ({"input": "One?", "response": "1", "rank": "best"}, "in.jsonl:2: `rank`"),
    ],
)
def test_a_malformed_row_ends_the_test(row: dict[str, Any], message: str, configure: Any) -> None:
    with pytest.raises(RowError) as caught:
        run_follow(configure([QUESTIONS[0], row]))

    assert message in str(caught.value)


def test_no_question_is_refused(configure: Any) -> None:
    with pytest.raises(EmptyDataError):
        run_follow(configure([]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"judge_options": {"samples": "3"}}, "`judge_options` needs a `judge`."),
        (
            {"judge": Path("m"), "judge_options": {"both_orders": "true"}},
            "`judge_options` cannot set `both_orders`, which the test sets itself.",
        ),
        ({"judge": Path("m"), "judge_options": {"sampels": "3"}}, "`sampels` is not a field"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields: dict[str, Any], message: str, configure: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        configure(QUESTIONS, **fields)

    assert str(caught.value).startswith(message)


def test_the_command_reports(
    script_engine: Any, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script_engine(lambda request: REPLIES[request.id])
    inputs = write(tmp_path / "in.jsonl", QUESTIONS)
    argv = ["follow", "--inputs", str(inputs), "--model", str(tiny_model)]

    assert dispatch([*argv, "--output", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("right answers: 50.0 (")
    assert lines[1:5] == [
        "  number: 100.0",
        "  short: 50.0",
        "instructions: 4, answered: 3",
        "words in an answer, mean: 2.3",
    ]
    assert json.loads((tmp_path / "out" / "following.json").read_text())["score"] == 0.5
