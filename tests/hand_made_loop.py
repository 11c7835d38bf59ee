"""Writes a small loop's folder by hand, so that its report's figures can be worked out on paper."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ste_fairseq2.curation.lengths import LengthTally
from ste_fairseq2.jsonl import write_rows
from ste_fairseq2.loop.config import TrainingConfig
from ste_fairseq2.loop.load import write_loop_config
from ste_fairseq2.loop.self_taught.config import SelfTaughtConfig, SourceConfig
from tests.loops import ended, leave_manifest, note, started

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><!-- {{ 7*7 }} [[A]] \u2028 &amp;"
RIGHT_TO_LEFT = "\u05e9\u05dc\u05d5\u05dd \u202e txet"
LONG_WORD = "w" * 3000

_SAMPLES: dict[tuple[str, str], list[tuple[str, str]]] = {
    ("p1", "0_1"): [("Good. [[A]]", "stop"), (f"{HOSTILE} so [[A]]", "stop")],
    ("p1", "1_0"): [("Second. [[B]]", "stop"), ("First. [[A]]", "stop")],
    ("p2", "0_1"): [("First. [[A]]", "stop"), ("I cannot say.", "stop")],
    ("p2", "1_0"): [("It goes on and", "length"), ("Both. [[C]]", "stop")],
}
"""Right: 2 of 2, 1 of 2, 1 of 2, 0 of 2."""


def write_empty_loop(
    folder: Path, *, rounds: int = 2, training: Sequence[str] = ("sft", "dpo"), benchmark: bool = True
) -> Path:
    """Write a loop of which no step has run."""
    pairs = folder.parent / f"{folder.name}-pairs.jsonl"
    write_rows(
        pairs,
        [
            {"id": "p1", "instruction": HOSTILE, "baseline": RIGHT_TO_LEFT, "worse": LONG_WORD},
            {"id": "p2", "instruction": "Add.", "baseline": "It is 4 .", "worse": "5"},
        ],
    )
    config = SelfTaughtConfig(
        model="models/seed",
        sources={"main": SourceConfig(pairs=str(pairs))},
        rounds=rounds,
        training=tuple(training),  # type: ignore[arg-type]
        sft=TrainingConfig(config_file=Path("sft.yaml")),
        dpo=TrainingConfig(config_file=Path("dpo.yaml")),
        evaluate={"held": {"benchmark": "pairs", "data": "held.jsonl"}} if benchmark else {},
    )
    folder.mkdir(parents=True)
    write_loop_config(config, folder)

    return folder


def write_loop(folder: Path) -> Path:
    """Write a loop whose first round is done but for the judgements that DPO was drawn from."""
    write_empty_loop(folder)
    write_samples(folder / "round-1/sft/annotate/main")
    _write_data(
        folder / "round-1/sft/data",
        samples={"correct": 4, "wrong": 1, "tie": 1, "unparseable": 1, "truncated": 1},
        counts={"kept": 2, "wrong": 1, "not_drawn": 5, "malformed": 0},
        lengths={"chosen": ["one two three"]},
    )
    _write_data(
        folder / "round-1/dpo/data",
        samples={"correct": 6, "wrong": 2},
        counts={"kept": 4, "not_drawn": 4},
        lengths={"chosen": ["a b c d e f"], "rejected": ["a b c", "a b c"]},
    )
    write_rows(
        folder / "round-1/sft/run/metrics/train.jsonl",
        [
            {"Step": 2, "NLL Loss": 1.0, "Gradient Norm": 3.0},
            {"Step": 4, "NLL Loss": 9.0, "Gradient Norm": 2.0},
            {"Step": 4, "NLL Loss": 0.5, "Gradient Norm": 2.0},
        ],
    )
    write_rows(
        folder / "round-1/dpo/run/metrics/train.jsonl",
        [{"Step": 3, "DPO Loss": 0.69, "Reward Accuracy": 0.75, "Reward Margin": 0.1}],
    )
    write_evaluation(folder / "round-0/evaluate/held", 0.25, (0.1, 0.4), first_slot=0.9)
    write_evaluation(folder / "round-1/evaluate/held", 0.75, (0.6, 0.9), first_slot=0.5)
    journal = [
        ("round-0/evaluate/held", 0, 7.0),
        ("round-1/sft/annotate/main", 1, 4.0),
        ("round-1/sft/annotate/main", 0, 6.0),
        ("round-1/sft/data", 0, 1.0),
        ("round-1/dpo/data", 0, 2.0),
    ]
    for step, status, seconds in journal:
        note(folder, started(step), ended(step, seconds, status))

    return folder


def write_samples(folder: Path, *, is_complete: bool = True) -> None:
    """Write eight judgement samples, and a line that is cut."""
    rows = []
    for (pair, order), texts in _SAMPLES.items():
        for number, (text, finish_reason) in enumerate(texts):
            rows.append(
                {
                    "id": f"{pair}:{order}:{number}",
                    "text": f"Judge {pair} {order}",
                    "vllm_output": {"output": text, "finish_reason": finish_reason},
                    "metadata": {
                        "ranks": [1, 2] if order == "0_1" else [2, 1],
                        "pair_id": pair,
                        "order": order,
                    },
                }
            )
    write_rows(folder / "records-00000.jsonl", rows)
    with (folder / "records-00000.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"id": "p3:0_1')
    if is_complete:
        leave_manifest(
            folder,
            {"kept": 8, "malformed": 0},
            config={"samples": 2},
            details={"tokens": {"num_prompt_tokens": 800, "num_output_tokens": 40}},
        )


def _write_data(
    folder: Path, samples: dict[str, int], counts: dict[str, int], lengths: dict[str, list[str]]
) -> None:
    details = {
        "samples": samples,
        "lengths": {side: LengthTally(texts).report() for side, texts in lengths.items()},
        "examples": {"written": 2, "drawn": 2, "gold": {"A": 1, "B": 1}, "rejected": {}},
    }
    leave_manifest(folder, counts, config={"min_agreement": 0.5}, details=details)


def write_evaluation(
    folder: Path, mean: float, interval: tuple[float, float], *, first_slot: float
) -> None:
    figures: dict[str, Any] = {
        "mean": mean,
        "both_right": mean / 2,
        "agreement": 0.5,
        "first_slot": first_slot,
        "unparseable": 0.0,
        "truncated": 0.25,
        "better_first": 1.0,
        "better_last": 0.5,
        "intervals": {"mean": list(interval)},
    }
    groups = [{"subset": "<b>code</b>", "mean": mean}, {"subset": "maths", "mean": 0.5}]
    content = {"judges": [{"counts": {"pairs": 2}} | figures], "groups": groups}
    folder.mkdir(parents=True)
    (folder / "scores.json").write_text(json.dumps(content), encoding="utf-8")
    inputs = {"id": "h1", "input": "Which?", "response_a": "stored first", "response_b": "stored second"}
    write_rows(folder / "inputs.jsonl", [inputs])
    row = {
        "id": "h1:1_0",
        "prompt": "The prompt",
        "generated_output": "It is A. [[A]]",
        "pair_id": "h1",
        "order": "1_0",
        "verdict": "A",
        "finish_reason": "stop",
        "label": "B",
        "subset": "maths",
    }
    write_rows(folder / "judgements/records-00000.jsonl", [row, row | {"id": "no-label", "label": None}])
