"""`fairseq2 lm export` takes a checkpoint by name, or the choice that `ste evaluate` wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.cli import export
from ste_fairseq2.errors import InputError, MissingPathError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would be exported; nothing is."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        "ste_fairseq2.models.export_alone.export_alone", lambda *args, **options: calls.append(args)
    )

    return calls


def run(*checkpoint: str) -> None:
    export.run(["--checkpoint-dir", "run/checkpoints", "--output", "out", *checkpoint])


def write_choice(path: Path, left: int = 0) -> str:
    path.write_text(json.dumps({"best": {"step": 1300}, "still_to_judge": left}))

    return str(path)


def test_the_best_of_a_choice(tmp_path: Path, asked: list[tuple[Any, ...]]) -> None:
    run("--checkpoint", write_choice(tmp_path / "checkpoints.json"))

    assert asked == [(Path("run/checkpoints"), "step_1300", Path("out"))]


@pytest.mark.parametrize(
    ("flags", "name"), [((), "last"), (("--checkpoint", "step_7"), "step_7")], ids=["absent", "step"]
)
def test_a_name_is_passed_on(flags: tuple[str, ...], name: str, asked: list[tuple[Any, ...]]) -> None:
    run(*flags)

    assert asked == [(Path("run/checkpoints"), name, Path("out"))]


def test_a_choice_that_cannot_be_read_exports_nothing(
    tmp_path: Path, asked: list[tuple[Any, ...]]
) -> None:
    with pytest.raises(InputError, match="is not finished: 2 checkpoints are still to be judged"):
        run("--checkpoint", write_choice(tmp_path / "checkpoints.json", left=2))
    with pytest.raises(MissingPathError, match="choice of a checkpoint"):
        run("--checkpoint", str(tmp_path / "none.json"))
    assert asked == []
