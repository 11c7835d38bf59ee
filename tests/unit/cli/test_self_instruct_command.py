"""`ste self-instruct` from the command line: flags, report and exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.cli.main import dispatch


@pytest.fixture
def argv(tmp_path: Path, tiny_model: Path) -> list[str]:
    rows = [{"instruction": f"Tell {word} apart"} for word in ("alpha", "beta", "gamma")]
    (tmp_path / "seed.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    paths = ["--inputs", str(tmp_path / "seed.jsonl"), "--output", str(tmp_path / "new")]

    return ["self-instruct", *paths, "--model", str(tiny_model)]


def test_a_run_is_reported(
    argv: list[str], tmp_path: Path, script_engine: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = {"new-000000": "Tell beta apart!", "new-000001": "Name New York streets"}
    script_engine(lambda request: (replies.get(request.id, "What is 12 plus 7?"), "stop"))
    argv += ["--count", "1", "--max-replies", "3", "--banned-words", "new york", "draw"]

    assert dispatch(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "wanted: 1 (asked for 3 replies in 3 batches)"
    assert lines[1:4] == [
        "kept: 1",
        "dropped: banned_word 1, similar 1 (see dropped-*.jsonl)",
        "malformed rows: 0",
    ]
    assert lines[-1] == f"written to {tmp_path / 'new'}"


def test_a_shot_that_nobody_gave_is_one_sentence(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatch([*argv, "--shots", "2"]) == 2
    assert capsys.readouterr().err == (
        "ste self-instruct: `new_shots` must be at least 0 and below `shots` (2), "
        "so that one is given.\n"
    )


def test_nothing_new_is_one_sentence(
    argv: list[str], script_engine: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    script_engine(lambda request: ("Tell beta apart.", "stop"))

    assert dispatch([*argv, "--count", "2", "--max-replies", "2"]) == 2
    assert "holds no usable record (kept: 0, malformed: 0, similar: 2)" in capsys.readouterr().err
