"""`ste report` from the command line: what it writes, what it says, and its exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from ste_fairseq2.cli.main import dispatch
from tests.hand_made_loop import write_loop


def test_the_page_lies_in_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_loop(tmp_path / "loop")

    assert dispatch(["report", str(folder)]) == 0
    page = folder / "report.html"
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert capsys.readouterr().out == f"10 of 10 judgements to read; written to {page}\n"


def test_other_loops_and_another_place(tmp_path: Path) -> None:
    folder, other = write_loop(tmp_path / "loop"), write_loop(tmp_path / "other")
    page = tmp_path / "new" / "page.html"

    argv = ["report", str(folder), "--compare", str(other), "--output", str(page), "--judgements", "0"]
    assert dispatch(argv) == 0
    text = page.read_text(encoding="utf-8")
    assert "other" in text
    assert "made without judgements" in text
    assert not (folder / "report.html").exists()


def test_a_folder_without_a_loop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["report", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"ste report: loop: `{tmp_path / 'loop.json'}`")
    folder = write_loop(tmp_path / "loop")
    assert dispatch(["report", str(folder), "--compare", str(tmp_path)]) == 2
    assert not (folder / "report.html").exists()


def test_too_few_judgements_for_all_verdicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_loop(tmp_path / "loop")

    assert dispatch(["report", str(folder), "--judgements", "3"]) == 2
    assert "`judgements` must be 0, or at least 5" in capsys.readouterr().err
