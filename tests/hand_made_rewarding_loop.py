"""Writes a small loop of Self-Rewarding Language Models by hand, so that its report's figures can be
worked out on paper."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ste_fairseq2.curation.lengths import LengthTally
from ste_fairseq2.evaluation.following import Following
from ste_fairseq2.jsonl import read_rows, write_rows
from ste_fairseq2.loop.config import TrainingConfig
from ste_fairseq2.loop.load import write_loop_config
from ste_fairseq2.loop.self_rewarding.config import SelfRewardingConfig
from ste_fairseq2.synthesis.score import summarise_scores
from tests.hand_made_loop import HOSTILE, LONG_WORD, RIGHT_TO_LEFT, write_evaluation
from tests.loops import ended, leave_manifest, note, started

_M1_ANSWERS: list[tuple[str, str, str, list[float | str]]] = [
    ("r1-0", "Add.", "4", [5.0, 5.0]),
    ("r1-1", "Add.", "5", [1.0, 1.0]),
    ("r2-0", "Name one.", "A cat", [4.0, 4.0]),
    ("r2-1", "Name one.", "A dog", [4.0, "unparseable"]),
]
"""Scores 5, 1, 4 and 4."""

_M2_ANSWERS: list[tuple[str, str, str, list[float | str]]] = [
    ("i1:0", HOSTILE, "one two three four five six", [5.0, 4.0]),
    ("i1:1", HOSTILE, RIGHT_TO_LEFT, [1.0, 1.0]),
    ("i1:2", HOSTILE, LONG_WORD, ["unparseable", "truncated"]),
    ("i1:3", HOSTILE, "one two", [3.0, 2.0]),
]
"""Scores 4.5, 1, none and 2.5."""


def write_empty_rewarding_loop(folder: Path, *, rounds: int = 2, tests: bool = True) -> Path:
    """Write a loop of which no step has run."""
    config = SelfRewardingConfig(
        method="self_rewarding",
        model="models/seed",
        ranked=("ranked.jsonl",),
        rounds=rounds,
        self_instruct={"count": 2000},
        candidates={"temperature": 1.0},
        score={"temperature": 0.5, "top_p": 1.0, "samples": 2},
        sft=TrainingConfig(config_file=Path("sft.yaml")),
        dpo=TrainingConfig(config_file=Path("dpo.yaml")),
        evaluate={
            "ranks": {"benchmark": "ranked", "judge_options": {"mode": "score"}},
            "pairs": {"benchmark": "ranked"},
        }
        if tests
        else {},
        follow={"own": {}} if tests else {},
    )
    folder.mkdir(parents=True)
    write_loop_config(config, folder)

    return folder


def write_rewarding_loop(folder: Path) -> Path:
    """Write a loop whose rounds are done up to M2; for M3 answers are being scored."""
    write_empty_rewarding_loop(folder)
    for name, score, interval, words in (
        ("seed", 0.25, (0.1, 0.4), 4.0),
        ("ift", 0.5, (0.3, 0.6), 4.0),
        ("m1", 0.5, (0.3, 0.6), 4.5),
        ("m2", 0.75, (0.6, 0.9), 6.0),
    ):
        _write_following(folder / name / "follow/own", score, interval, words)
    _write_ranks(folder / "seed/evaluate/ranks", 0.5, 0.0, tied=0.0)
    _write_ranks(folder / "m2/evaluate/ranks", 0.75, 0.6, tied=0.125)
    write_evaluation(folder / "m2/evaluate/pairs", 0.5, (0.4, 0.6), first_slot=0.5)
    _write_scores(folder / "m1/scores", _M1_ANSWERS)
    _write_m1_data(folder / "m1/data")
    leave_manifest(
        folder / "m2/candidates",
        {"kept": 4, "malformed": 0, "truncated": 2},
        config={"temperature": 1.0},
        details={"tokens": {"num_prompt_tokens": 400, "num_output_tokens": 60}},
    )
    _write_scores(folder / "m2/scores", _M2_ANSWERS)
    _write_m2_data(folder / "m2/data")
    _write_scores(folder / "m3/scores", _M2_ANSWERS[:2], is_complete=False)
    write_rows(folder / "ift/run/metrics/train.jsonl", [{"Step": 2, "NLL Loss": 1.0}])
    write_rows(folder / "m2/run/metrics/train.jsonl", [{"Step": 3, "DPO Loss": 0.5}])
    for step, seconds in (("ranked", 1.0), ("m2/candidates", 3.0), ("m2/scores", 4.0)):
        note(folder, started(step), ended(step, seconds))

    return folder


def _write_following(
    folder: Path, score: float, interval: tuple[float, float], mean_words: float
) -> None:
    following = Following(
        measure="exact_match",
        instructions=8,
        answered=7,
        score=score,
        interval=interval,
        mean_words=mean_words,
        categories={"<b>sums</b>": score},
    )
    folder.mkdir(parents=True)
    (folder / "following.json").write_text(json.dumps(asdict(following)), encoding="utf-8")


def _write_ranks(folder: Path, pairwise: float, correlation: float, *, tied: float) -> None:
    """Write an evaluation of scores; one figure of the agreement is one that nobody knows."""
    judge = {
        "counts": {"pairs": 6},
        "accuracy": pairwise,
        "unparseable": 0.0,
        "truncated": 0.5,
        "intervals": {"accuracy": [pairwise - 0.1, pairwise + 0.1]},
    }
    ranking = {
        "counts": {"instructions": 3},
        "pairwise_accuracy": pairwise,
        "pairwise_tie": tied,
        "exact_match": 0.25,
        "spearman": correlation,
        "kendall": None,
        "five_best": 1.0,
        "new_figure": 0.125,
        "intervals": {
            "pairwise_accuracy": [pairwise - 0.1, pairwise + 0.1],
            "spearman": [correlation - 0.25, correlation + 0.25],
            "kendall": None,
        },
    }
    content = {"judges": [judge], "groups": [], "ranking": ranking}
    folder.mkdir(parents=True)
    (folder / "scores.json").write_text(json.dumps(content), encoding="utf-8")


def _write_scores(
    folder: Path,
    answers: Sequence[tuple[str, str, str, list[float | str]]],
    *,
    is_complete: bool = True,
) -> None:
    path = folder / "records-00000.jsonl"
    write_rows(path, [_scored_row(*answer) for answer in answers])
    if is_complete:
        details = {
            "summary": summarise_scores(read_rows(path)),
            "tokens": {"num_prompt_tokens": 100, "num_output_tokens": 20},
        }
        leave_manifest(folder, {"kept": len(answers)}, details=details)
    else:
        with path.open("a", encoding="utf-8") as stream:
            stream.write('{"id": "i2:0')


def _scored_row(
    answer_id: str, instruction: str, response: str, samples: list[float | str]
) -> dict[str, Any]:
    known = [sample for sample in samples if isinstance(sample, float)]

    return {
        "id": answer_id,
        "input": instruction,
        "response": response,
        "score": sum(known) / len(known) if known else None,
        "samples": [
            {"generated_output": f"{HOSTILE} Score: {sample:g}", "score": sample, "failure": None}
            if isinstance(sample, float)
            else {"generated_output": "I cannot say.", "score": None, "failure": sample}
            for sample in samples
        ],
    }


def _write_m1_data(folder: Path) -> None:
    write_rows(folder / "eft.jsonl", [{"id": "e1", "answer_id": "r1-0"}, {"answer_id": "r1-1"}])
    write_rows(folder / "ift.jsonl", [{"id": "one"}])
    details = {
        "examples": {"eft": 2, "ift": 1, "written": 3},
        "points": {"before": {"1": 1, "5": 3}, "after": {"1": 1, "5": 1}},
        "lengths": {"eft": LengthTally(["a b c"]).report()},
        "files": {"eft.jsonl": {"rows": 2}, "ift.jsonl": {"rows": 1}},
    }
    leave_manifest(folder, {"malformed": 0, "kept": 1, "all_equal": 1}, details=details)


def _write_m2_data(folder: Path) -> None:
    row = {"id": "p1", "chosen_answer_id": "i1:0", "rejected_answer_id": "i1:1"}
    write_rows(folder / "train-00000.jsonl", [row])
    details = {
        "examples": {"written": 40},
        "mean_gap": 3.5,
        "chosen_longer": 25,
        "rejected_longer": 5,
        "lengths": {
            "chosen": LengthTally(["one two three four five six"]).report(),
            "rejected": LengthTally([RIGHT_TO_LEFT]).report(),
        },
        "files": {"train-00000.jsonl": {"rows": 1}},
    }
    counts = {"malformed": 1, "kept": 40, "equal_scores": 50, "too_few_scored": 10}
    leave_manifest(folder, counts, details=details)
