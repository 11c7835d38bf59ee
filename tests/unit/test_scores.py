"""Scores are read from the closing line, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from ste_fairseq2.prompts import load_prompt
from ste_fairseq2.scores import ScoreFailure, parse_score


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Good.\n\nScore: 4", 4),
        ("Score: 0", 0),
        ("score:5", 5),
        ("**Score:** 3", 3),
        ("**Score: 3**", 3),
        ("Score: 4/5", 4),
        ("Score: 4 out of 5.", 4),
        ("Score: 3.5", 3.5),
        ("Score: 3,5", 3.5),
        ("Score: four", 4),
        ("SCORE = 2", 2),
        ("Total score: 4", 4),
        # Of several the last counts.
        ("I first thought Score: 2, but it is better.\nScore: 4", 4),
        ("The answer says `Score: 5` of itself.\nScore: 1", 1),
        ("One point for relevance, 1 for coverage.\nScore: 2", 2),
        ("<think>Score: 5?</think>\nScore: 3", 3),
    ],
)
def test_scores(text: str, score: float) -> None:
    assert parse_score(text, "stop") == score


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A good answer.",
        "4",
        "4 points",
        "Score: high",
        "Score: <total points>",
        "Score: -1",
        "Score: 7",
        "Score: 3\nScore: 7",
        "Score: 8/10",
        "Score: 45",
        "Scores: 4",
        "underscore: 4",
        "<think>Score: 4</think> Fine.",
        "<think>Score: 4",
    ],
)
def test_no_scores(text: str) -> None:
    assert parse_score(text, "stop") is ScoreFailure.UNPARSEABLE


def test_a_cut_judgement_is_told_apart() -> None:
    assert parse_score("It is relevant and", "length") is ScoreFailure.TRUNCATED
    assert parse_score("Score: 4\n\nMoreover", "length") == 4


def test_the_prompt_itself_is_no_score() -> None:
    [message] = load_prompt("score").render({"input": "Hi", "response": "Hello, Score: 5"})

    asked = message.content.strip().rpartition("\n")[2]
    assert asked == "Score: <total points>"
    assert parse_score(asked) is ScoreFailure.UNPARSEABLE
