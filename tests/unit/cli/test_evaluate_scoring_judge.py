"""`ste evaluate` with a judge that scores answers one by one: on each form of benchmark, by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.cli.main import dispatch
from ste_fairseq2.engines.protocol import GenerationRequest
from tests.rows import read, write

FAST = ["--resamples", "50"]
SAMPLING = ["mode=score", "samples=3", "temperature=0.7", "max_tokens=16"]

Evaluate = Callable[..., dict[str, Any]]


@pytest.fixture
def engines(renderer: ChatRenderer, script_engine: Callable[..., list[Any]]) -> list[Any]:
    """Engines of a judge that gives an answer the scores it asks for: ``gets 5 4 cut``."""

    def answer(request: GenerationRequest) -> tuple[str, str]:
        _, _, shown = renderer.decode(request.prompt_ids).rpartition("[The Start of the Answer]")
        scores = re.search(r"gets ((?:\w+ ?)+)", shown)
        assert scores is not None, shown
        score = scores[1].split()[int(request.id.partition(":")[0])]
        if score == "cut":
            return "So far", "length"

        return ("Neither here nor there." if score == "none" else f"Score: {score}"), "stop"

    return script_engine(answer)


@pytest.fixture
def evaluate(tiny_model: Path, engines: list[Any], tmp_path: Path) -> Evaluate:
    def call(benchmark: str, rows: list[dict[str, Any]], *argv: object) -> dict[str, Any]:
        data = write(tmp_path / f"{benchmark}.jsonl", rows)
        output = tmp_path / "out"
        asked = ["--benchmark", benchmark, "--data", data, "--model", tiny_model, "--output", output]
        asked += ["--judge-options", *SAMPLING, *argv, *FAST]
        assert dispatch(["evaluate", *map(str, asked)]) == 0
        scores: dict[str, Any] = json.loads((output / "scores.json").read_text())

        return scores

    return call


PAIRS = [
    # 14 / 3 against 4.
    {"id": "won", "prompt": "q", "chosen": "gets 5 5 4", "rejected": "it gets 4 4 4", "subset": "s"},
    # The mean of the only score that there is ties with 4.
    {
        "id": "tied",
        "prompt": "q",
        "chosen": "gets 4 cut none",
        "rejected": "it gets 4 4 4",
        "subset": "s",
    },
    {"id": "lost", "prompt": "q", "chosen": "gets 0 1 2", "rejected": "gets 5 5 4", "subset": "t"},
    {"id": "unscored", "prompt": "p", "chosen": "gets 5 5 5", "rejected": "gets cut none none"},
]


def test_pairs(
    evaluate: Evaluate, engines: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = evaluate("pairs", PAIRS)

    [judge] = scores["judges"]
    assert judge["counts"].items() >= {"pairs": 4, "compared": 4, "correct": 1, "tie": 1}.items()
    assert (judge["accuracy"], judge["tie"], judge["unscored"]) == (0.25, 0.25, 0.25)
    # Eight answers of three samples are compared; six answers are distinct, and asked about once.
    assert (judge["unparseable"], judge["truncated"]) == (3 / 24, 2 / 24)
    assert {request.id.partition(":")[2] for request in engines[0].requests} == {
        row["id"] for row in read(tmp_path / "out" / "inputs.jsonl")
    }
    assert len(engines[0].requests) == 3 * 6
    assert scores["scoring"] == {
        "answers": 6,
        "points": {"0": 0, "1": 1, "2": 0, "3": 0, "4": 2, "5": 2},
        "unscored": 1,
        "samples": 18,
        "failures": {"unparseable": 3, "truncated": 2},
    }
    assert {group["subset"]: group["accuracy"] for group in scores["groups"]} == {
        None: 0.0,
        "s": 0.5,
        "t": 0.0,
    }
    assert "ranking" not in scores
    assert scores["judged_with"]["mode"] == "score"
    assert set(scores["digests"]) == {"data", "judgements", "model", "prompt"}
    card, printed = (tmp_path / "out" / "card.md").read_text(), capsys.readouterr().out
    assert "| samples without a score: truncated | 2 |" in card
    assert "| scoring judge | metric | score |" in card
    assert "no order and no slot can sway it" in card
    assert re.search(r"all +model +4 +25\.0 +25\.0 +25\.0 +25\.0 +12\.5 +8\.3", printed)

    # Run again, nothing is scored twice.
    assert evaluate("pairs", PAIRS) == scores
    assert len(engines) == 1


def test_cost_is_that_of_the_answers_that_were_scored(evaluate: Evaluate, engines: list[Any]) -> None:
    scores = evaluate("pairs", PAIRS)

    counts = scores["judges"][0]["counts"]
    requests = engines[0].requests
    assert counts["prompt_tokens"] == sum(len(request.prompt_ids) for request in requests)
    # Two words of each sample that has a score or is cut, and four of one that says neither.
    assert counts["completion_tokens"] == 2 * 15 + 4 * 3
    assert sum(group["counts"]["completion_tokens"] for group in scores["groups"]) == 42


def test_what_the_judge_cannot_be_asked_about_is_unscored(evaluate: Evaluate) -> None:
    long = {"prompt": "long " * 9000, "chosen": "gets 5 5 5", "rejected": "gets 4 4 4", "subset": "u"}
    scores = evaluate("pairs", [*PAIRS[:2], long])

    assert scores["rows"] == {"kept": 3, "malformed": 0, "too_long": 2}
    _, alone = scores["groups"]
    assert (alone["unscored"], alone["accuracy"]) == (1.0, 0.0)
    # There is no sample that could be either.
    assert (alone["unparseable"], alone["truncated"], alone["counts"]["samples"]) == (None, None, 0)
    assert alone["counts"]["prompt_tokens"] == 0


def test_rewardbench2_with_ties(evaluate: Evaluate) -> None:
    def row(name: str, subset: str, right: list[str], wrong: list[str]) -> dict[str, Any]:
        return {"id": name, "prompt": "q", "chosen": right, "rejected": wrong, "subset": subset}

    scores = evaluate(
        "rewardbench2",
        [
            row("1", "Math", ["gets 5 5 5"], ["gets 4 4 4", "gets 3 3 3", "gets 2 2 2"]),
            row("2", "Math", ["gets 4 4 4"], ["gets 4 4 4", "gets 3 3 3", "gets 2 2 2"]),
            row("ref:0", "Ties", ["gets 5 5 5"], ["gets 1 1 1"]),
            row("tied:0", "Ties", ["gets 5 5 5", "gets 4 4 4"], ["gets 2 2 2"]),
        ],
    )

    math, ties = scores["groups"]
    # The second answer shares the highest score with another.
    assert (math["upstream"], math["accuracy"], math["tie"]) == (0.75, 0.5, 0.5)
    # All of the formula but its margin, tanh(2 / 1 - 1), which counts a hundredth.
    assert ties["upstream"] == pytest.approx(1.0 + 0.01 * 0.761594, abs=1e-6)
    assert scores["scoring"]["answers"] == 5
    assert scores["benchmark"]["sections"][0]["of"] == "scores"


def test_several_turns_are_shown_as_to_a_judge_of_pairs(evaluate: Evaluate, tmp_path: Path) -> None:
    def conversation(name: str, score: int) -> list[dict[str, str]]:
        texts = ["q1", f"{name}1 gets", "q2", f"{name}2 gets {score} {score} {score}"]
        roles = ["user", "assistant"] * 2

        return [{"role": r, "content": t} for r, t in zip(roles, texts, strict=True)]

    common = {"conversation_a": conversation("a", 4), "conversation_b": conversation("b", 5)}
    rows = [{"question_id": 1, "turn": 2, "winner": "model_b", **common}]
    scores = evaluate("mt-bench", rows)

    assert scores["judges"][0]["accuracy"] == 1.0
    assert [(row["input"], row["response"]) for row in read(tmp_path / "out" / "inputs.jsonl")] == [
        ("Turn 1: q1\n\nTurn 2: q2", "Turn 1: b1 gets\n\nTurn 2: b2 gets 5 5 5"),
        ("Turn 1: q1\n\nTurn 2: q2", "Turn 1: a1 gets\n\nTurn 2: a2 gets 4 4 4"),
    ]


RANKED = [
    {"instruction_id": name, "input": f"Tell me of {name}.", "response": response, "rank": rank}
    for name, answers in {
        "order": [("gets 5 5 5", 0), ("gets 3 3 3", 1), ("gets 1 1 1", 2)],
        "ties": [("gets 4 4 4", 0), ("gets 4 4 none", 1), ("gets 2 2 2", 1)],
        "unscored": [("gets none none cut", 0), ("well gets 5 5 5", 1)],
        "one rank": [("gets 5 4 3", 1), ("gets 1 2 3", 1)],
    }.items()
    for response, rank in answers
]


def test_human_ranks(evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = evaluate("ranked", RANKED)

    ranking = scores["ranking"]
    figures = {name: value for name, value in ranking.items() if isinstance(value, float)}
    assert figures == pytest.approx(
        {
            # Three pairs in order, one of two, none of one; see tests of `ranking.py` for the others.
            "pairwise_accuracy": 4 / 6,
            "pairwise_tie": 1 / 6,
            "pairwise_unscored": 1 / 6,
            "exact_match": 1 / 2,
            "spearman": 0.75,
            "kendall": 0.75,
            # Of two answers that get 5, one is the best of its instruction.
            "five_best": 1 / 2,
        }
    )
    assert ranking["counts"]["instructions_unscored"] == 1
    assert set(ranking["intervals"]) == set(figures)
    assert scores["benchmark"]["rows_passed_over"] == {"instructions_with_a_single_rank": 1}
    # Pairs are compared as those of any benchmark; eight answers are asked about, not twelve.
    assert (scores["judges"][0]["accuracy"], scores["judges"][0]["counts"]["pairs"]) == (4 / 6, 6)
    assert scores["scoring"]["answers"] == 8
    card, printed = (tmp_path / "out" / "card.md").read_text(), capsys.readouterr().out
    assert "## Agreement with human ranks" in card
    assert "| pairwise accuracy | 6 pairs | 66.7 (" in card
    assert "| Kendall's tau-b | 2 instructions | 0.750 (" in card
    assert "Of 3 instructions unscored: 1, with constant scores: 0, with constant ranks: 0." in card
    assert "agreement with human ranks: pairwise accuracy 66.7 (" in printed


def test_human_ranks_by_a_judge_of_pairs_and_by_scores_are_compared(
    evaluate: Evaluate,
    tiny_model: Path,
    renderer: ChatRenderer,
    script_engine: Callable[..., list[Any]],
    tmp_path: Path,
) -> None:
    scored = evaluate("ranked", RANKED)

    def prefer_the_longer(request: GenerationRequest) -> tuple[str, str]:
        prompt = renderer.decode(request.prompt_ids)
        first, second = re.findall(r"Assistant . ?'s Answer\]\n(.*?)\n\[", prompt, flags=re.S)[:2]

        return f"[[{'A' if len(first) >= len(second) else 'B'}]]", "stop"

    script_engine(prefer_the_longer)
    data, pairwise = tmp_path / "ranked.jsonl", tmp_path / "pairwise"
    argv = ["--benchmark", "ranked", "--data", str(data), "--model", str(tiny_model)]
    assert dispatch(["evaluate", *argv, "--output", str(pairwise), *FAST]) == 0
    judged = json.loads((pairwise / "scores.json").read_text())
    compared = ["--compare", str(pairwise), str(tmp_path / "out"), "--output", str(tmp_path / "both")]
    assert dispatch(["evaluate", *compared, *FAST]) == 0

    assert "ranking" not in judged
    [comparison] = json.loads((tmp_path / "both" / "comparison.json").read_text())["comparisons"]
    assert comparison["pairs_shared"] == 6
    accuracy = comparison["figures"]["accuracy"]
    # Every pair has both orders, so the accuracy of all judgements is the mean of both.
    assert accuracy["first"] == judged["judges"][0]["mean"]
    assert accuracy["value"] == scored["judges"][0]["accuracy"]


def test_human_ranks_by_a_reward_model(classifier: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "ranked.jsonl", RANKED)
    argv = ["--benchmark", "ranked", "--data", str(data), "--reward-model", str(classifier)]
    assert dispatch(["evaluate", *argv, "--output", str(tmp_path / "out"), *FAST]) == 0

    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    stored = {
        row["id"]: row["score"]
        for path in (tmp_path / "out" / "rewards").glob("records-*.jsonl")
        for row in read(path)
    }
    assert set(stored) == {"order#0", "order#1", "order#2", "ties#0", "ties#1", "ties#2"} | {
        "unscored#0",
        "unscored#1",
    }
    better = [("order", 0, 1), ("order", 0, 2), ("order", 1, 2), ("ties", 0, 1), ("ties", 0, 2)]
    won = [stored[f"{n}#{i}"] > stored[f"{n}#{j}"] for n, i, j in [*better, ("unscored", 0, 1)]]
    assert scores["ranking"]["pairwise_accuracy"] == pytest.approx(sum(won) / 6)
    assert scores["ranking"]["pairwise_accuracy"] == scores["judges"][0]["accuracy"]
    # A reward model's scores have no top, and no samples that could fail.
    assert "five_best" not in scores["ranking"]
    assert "unparseable" not in scores["judges"][0]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--model", "m", "--judge-options", "mode=score", "both_orders=true"], "`both_orders` belongs"),
        (["--model", "m", "--judge-options", "mode=scores"], "`mode` must be"),
        (
            ["--checkpoints", "r", "--judge-options", "mode=score"],
            "`judge_options` cannot have mode=score with `checkpoints`",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(
    argv: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(tmp_path / "pairs.jsonl", [{"prompt": "q", "chosen": "a", "rejected": "b"}])
    common = ["--benchmark", "pairs", "--data", str(data), "--output", str(tmp_path / "out")]

    assert dispatch(["evaluate", *common, *argv]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
