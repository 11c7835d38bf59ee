"""The demonstration's table and picture say what its rounds came to."""

from __future__ import annotations

from pathlib import Path

from ste_fairseq2.jsonl import write_rows
from ste_fairseq2.loop.rounds import BenchmarkScore, RoundSummary
from ste_fairseq2.small_world.demo_report import describe_demo, draw_demo


def summary(number: int, accuracy: float) -> RoundSummary:
    sections = {"first": accuracy, "max": accuracy - 0.25}
    score = BenchmarkScore(
        pairs=8,
        figures={"accuracy": accuracy},
        interval=(accuracy - 0.125, accuracy + 0.125),
        sections=sections,
    )
    trained = number > 0
    return RoundSummary(
        round=number,
        name=str(number) if number else "seed",
        judge="judge",
        accuracy=accuracy,
        sections=sections,
        benchmarks={"held_out": score},
        pairs=1 if trained else None,
        samples=1600 if trained else None,
        outcomes={},
        fates={},
        kept=2 if trained else None,
        gold={},
        sft_examples=2 if trained else None,
        dpo_examples=None,
        train_steps=None,
        prompt_tokens=0,
        output_tokens=0,
        seconds=12.4,
        seconds_by_kind={},
    )


ROUNDS = {
    "both-orders": [summary(0, 0.5), summary(1, 0.75)],
    "any-right": [summary(0, 0.5), summary(1, 0.375)],
}


def test_table(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs" / "sources" / "main" / "worsen"
    pairs.mkdir(parents=True)
    write_rows(pairs / "records-00000.jsonl", [{"id": "p", "instruction": "max of 3 8"}])
    for name, answers in (("both-orders", "88"), ("any-right", "38")):
        data = tmp_path / name / "round-1" / "sft" / "data"
        data.mkdir(parents=True)
        rows = [{"pair_id": "p", "tgt": f"{answer} [[A]]"} for answer in answers]
        write_rows(data / "train-00000.jsonl", rows)

    lines = describe_demo(tmp_path, ROUNDS).splitlines()

    assert lines[2] == "| both-orders | seed | 50.0 (37.5 to 62.5) | 50.0 | 25.0 | - | - | - | 12 |"
    assert lines[3] == "| both-orders | 1 | 75.0 (62.5 to 87.5) | 75.0 | 50.0 | 1,600 | 2 | 0.0 | 12 |"
    assert lines[5] == "| any-right | 1 | 37.5 (25.0 to 50.0) | 37.5 | 12.5 | 1,600 | 2 | 50.0 | 12 |"
    assert "both-orders +25.0, any-right -12.5 points" in lines[-1]


def test_picture(tmp_path: Path) -> None:
    assert draw_demo(tmp_path, ROUNDS).read_bytes().startswith(b"\x89PNG")
