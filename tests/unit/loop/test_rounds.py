"""The figures of a round, from what its steps have left, worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ste_fairseq2.jsonl import write_rows
from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.methods import make_plan
from ste_fairseq2.loop.rounds import summarise_rounds, write_rounds
from ste_fairseq2.loop.status import describe_loop
from tests.loops import ended, leave_manifest, loop_config, note, started


@pytest.fixture
def config() -> LoopConfig:
    return loop_config(
        training=["sft", "dpo"],
        evaluate={"held": {"benchmark": "pairs"}, "other": {"benchmark": "pairs"}},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A loop whose first round is done but for the second benchmark."""
    tokens = {"num_prompt_tokens": 100, "num_output_tokens": 20}
    for phase in ("sft", "dpo"):
        # Three pairs, two orders, four samples: 24, of which one was dropped; one row was malformed.
        leave_manifest(
            tmp_path / f"round-1/{phase}/annotate/main",
            {"kept": 23, "malformed": 1, "empty": 1},
            config={"samples": 4},
            details={"tokens": tokens},
        )
    leave_curation(tmp_path / "round-1/sft/data", {"kept": 4, "not_drawn": 6}, written=4, a=2, b=2)
    leave_curation(tmp_path / "round-1/dpo/data", {"kept": 5, "wrong": 3}, written=3, a=1, b=2)
    for phase, steps in (("sft", (2, 4)), ("dpo", (3,))):
        metrics = tmp_path / f"round-1/{phase}/run/metrics"
        metrics.mkdir(parents=True)
        write_rows(metrics / "train.jsonl", [{"Step": step} for step in steps])
    evaluation = tmp_path / "round-1/evaluate/held"
    leave_manifest(evaluation / "judgements", {"kept": 8}, details={"tokens": tokens})
    leave_scores(evaluation)
    note(
        tmp_path,
        *(started("round-1/sft/run"), ended("round-1/sft/run", 10.0, status=1)),
        *(started("round-1/sft/run"), ended("round-1/sft/run", 30.0)),
        *(started("round-1/evaluate/held"), ended("round-1/evaluate/held", 5.0)),
    )

    return tmp_path


def leave_curation(folder: Path, fates: dict[str, int], *, written: int, a: int, b: int) -> None:
    examples = {"written": written, "gold": {"A": a, "B": b}}
    leave_manifest(folder, fates, details={"samples": {"correct": 6, "wrong": 4}, "examples": examples})


def leave_scores(folder: Path) -> None:
    names = ["mean", "both_right", "agreement", "first_slot", "better_first", "better_last"]
    figures = dict.fromkeys([*names, "unparseable", "truncated"], 0.5)
    judge = figures | {"mean": 0.75, "counts": {"pairs": 4}, "intervals": {"mean": [0.6, 0.9]}}
    groups = [{"subset": "x", "mean": 0.5}, {"subset": "y", "mean": 0.25, "vote": {"mean": 1.0}}]
    (folder / "scores.json").write_text(json.dumps({"judges": [judge], "groups": groups}))


def test_a_finished_round(config: LoopConfig, folder: Path) -> None:
    _, summary = summarise_rounds(make_plan(config, folder), folder)

    assert summary.accuracy == 0.75
    # Of several samples their vote counts.
    assert summary.sections == {"x": 0.5, "y": 1.0}
    assert summary.benchmarks["held"].interval == [0.6, 0.9]
    # Both trainings judge the same three pairs.
    assert (summary.pairs, summary.samples) == (3, 46)
    assert summary.outcomes == {"correct": 12, "wrong": 8}
    assert summary.fates == {"kept": 9, "not_drawn": 6, "wrong": 3}
    assert (summary.kept, summary.gold) == (9, {"A": 3, "B": 4})
    assert (summary.sft_examples, summary.dpo_examples, summary.train_steps) == (4, 3, 7)
    assert (summary.prompt_tokens, summary.output_tokens) == (300, 60)
    assert summary.seconds == 45.0
    assert summary.seconds_by_kind == {"sft": 40.0, "evaluate": 5.0}


def test_what_is_not_there_is_not_known(config: LoopConfig, tmp_path: Path) -> None:
    seed, first = summarise_rounds(make_plan(config, tmp_path), tmp_path)

    assert (seed.judge, seed.accuracy, seed.pairs) == ("seed-model", None, None)
    assert (first.kept, first.train_steps, first.seconds, first.benchmarks) == (None, None, 0.0, {})


def test_rounds_are_written(config: LoopConfig, folder: Path) -> None:
    write_rounds(config, make_plan(config, folder), folder)

    written = json.loads((folder / "rounds.json").read_text())
    assert [row["accuracy"] for row in written["rounds"]] == [None, 0.75]
    assert written["rounds"][1]["benchmarks"]["held"]["figures"]["both_right"] == 0.5


def test_status(config: LoopConfig, folder: Path) -> None:
    shown = describe_loop(config, make_plan(config, folder), folder).splitlines()

    assert shown[0] == (
        "| round | held | other | pairs | samples | right | kept | A / B | SFT | DPO | steps | tokens "
        "| time |"
    )
    assert shown[2] == "| seed | - | - | - | - | - | - | - | - | - | - | - | - |"
    # 12 of 20 samples were right.
    assert shown[3] == (
        "| 1 | 75.0 (60.0 to 90.0) | - | 3 | 46 | 60.0 | 9 | 3 / 4 | 4 | 3 | 7 | 360 | 45 s |"
    )
    # Two steps are noted as done; of exports the folder itself tells, and there is none.
    assert shown[-1] == "2 of 14 steps are done; the next is sources/main/respond."
