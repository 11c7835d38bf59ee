"""The best checkpoint: the most accurate, the earlier of equals, and whether the choice is clear."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.errors import InputError, MissingPathError, NoCheckpointError
from ste_fairseq2.evaluation.bootstrap import Bootstrap, Interval
from ste_fairseq2.evaluation.checkpoint_choice import (
    CHOICE_NAME,
    CheckpointScore,
    Choice,
    choose,
    read_chosen_step,
)
from ste_fairseq2.evaluation.checkpoint_report import write_choice
from ste_fairseq2.evaluation.checkpoints import find_steps


def score(step: int, accuracy: float | None, interval: Interval | None) -> CheckpointScore:
    figures: dict[str, float | None] = dict.fromkeys(
        ("both_right", "agreement", "first_slot", "unparseable", "truncated"), 0.25
    )

    return CheckpointScore(
        step=step,
        model=Path(f"runs/x/checkpoints/step_{step}/hg"),
        pairs=40,
        figures=figures | {"mean": accuracy},
        intervals={"mean": interval, "both_right": (0.125, 0.375), "agreement": None},
        prompt_tokens=12_000,
        completion_tokens=None,
        seconds=2.0,
    )


def chosen(*scores: CheckpointScore, num_checkpoints: int | None = None) -> Choice:
    total = len(scores) if num_checkpoints is None else num_checkpoints

    return choose(Path("runs/x"), "pairs", scores, num_checkpoints=total)


def test_the_most_accurate_is_the_best() -> None:
    choice = chosen(score(1, 0.6, (0.55, 0.65)), score(2, 0.8, (0.7, 0.9)), score(3, 0.65, (0.6, 0.69)))

    assert choice.best.step == 2
    assert choice.rivals == ()
    assert choice.verdict == "step_2 is the best: 80.0 (70.0 to 90.0)."


def test_intervals_that_meet_make_it_unclear() -> None:
    """Against the best alone: that the others meet one another does not matter."""
    choice = chosen(score(1, 0.4, (0.3, 0.5)), score(2, 0.8, (0.7, 0.9)), score(3, 0.6, (0.45, 0.7)))

    assert choice.rivals == (3,)
    assert choice.verdict.endswith("not a clear one; these overlap with its interval: step_3.")


def test_of_equals_the_earlier_is_the_best() -> None:
    choice = chosen(score(4, 0.5, (0.4, 0.6)), score(8, 0.75, (0.7, 0.8)), score(12, 0.75, (0.7, 0.8)))

    assert choice.best.step == 8
    assert choice.rivals == (12,)


def test_what_is_not_known_is_neither_best_nor_ruled_out() -> None:
    choice = chosen(score(1, None, None), score(2, 0.0, (0.0, 0.0)))

    assert choice.best.step == 2
    assert choice.rivals == (1,)


def test_what_is_still_to_be_judged_is_said() -> None:
    choice = chosen(score(1, 0.5, (0.5, 0.5)), num_checkpoints=3)

    assert choice.verdict == "step_1 is the best: 50.0 (50.0 to 50.0). Still to be judged: 2 of 3."


def test_the_files(tmp_path: Path) -> None:
    choice = chosen(score(5, 0.5, (0.4, 0.6)), score(10, 0.7, (0.6, 0.8)), score(15, None, None))
    write_choice(tmp_path, choice, Bootstrap(resamples=7))

    row: dict[str, Any] = json.loads((tmp_path / "checkpoints.json").read_text())
    assert row["bootstrap"]["resamples"] == 7
    assert [c["accuracy"] for c in row["checkpoints"]] == [0.5, 0.7, None]
    assert row["checkpoints"][1]["intervals"] == {
        "accuracy": [0.6, 0.8],
        "both_right": [0.125, 0.375],
        "agreement": None,
    }
    assert row["best"] == {
        "step": 10,
        "model": "runs/x/checkpoints/step_10/hg",
        "is_clear": False,
        "overlaps_with": [5, 15],
    }
    table = (tmp_path / "checkpoints.md").read_text()
    assert "| step_10 | 40 | 70.0 (60.0 to 80.0) | 25.0 (12.5 to 37.5) | 25.0 |" in table
    assert "| 12,000 | - | 2.0 |" in table
    assert (tmp_path / "checkpoints.png").read_bytes().startswith(b"\x89PNG")
    assert {p.name for p in tmp_path.iterdir()} == {
        *("checkpoints.json", "checkpoints.md", "checkpoints.png")
    }


def test_checkpoints_come_by_their_step(tmp_path: Path) -> None:
    """Others are being written, or are no checkpoints."""
    for name in ("step_10", "step_9", "step_11.tmp", "scores", "hugging_face", "step_x"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)

    assert find_steps(tmp_path) == [9, 10]


def test_a_run_without_checkpoints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError, match="checkpoints` does not exist"):
        find_steps(tmp_path)
    (tmp_path / "checkpoints" / "scores").mkdir(parents=True)
    with pytest.raises(NoCheckpointError, match="holds no checkpoint"):
        find_steps(tmp_path)


def write_row(path: Path, step: int, left: int) -> Path:
    path.write_text(json.dumps({"best": {"step": step}, "still_to_judge": left}))

    return path


def test_the_chosen_step_is_read_back(tmp_path: Path) -> None:
    assert read_chosen_step(write_row(tmp_path / CHOICE_NAME, 40, 0)) == 40


def test_an_unfinished_choice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 checkpoints are still to be judged"):
        read_chosen_step(write_row(tmp_path / CHOICE_NAME, 40, 2))


@pytest.mark.parametrize("text", ["[]", "{", '{"best": {}}'])
def test_another_file_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / CHOICE_NAME
    path.write_text(text)

    with pytest.raises(InputError, match="holds no choice of a checkpoint"):
        read_chosen_step(path)


def test_a_missing_choice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError):
        read_chosen_step(tmp_path / CHOICE_NAME)
