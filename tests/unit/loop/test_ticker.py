from __future__ import annotations

from pathlib import Path

import pytest

from ste_fairseq2.loop import ticker
from ste_fairseq2.loop.ticker import Ticker


def test_a_file_gets_a_line_at_the_start_and_one_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Ticker("[1/2] a", tmp_path / "no.log") as shown:
        shown.look()
        shown.done(1.25)

    assert capsys.readouterr().err == "[1/2] a\n[1/2] a: done in 1.2 s\n"


def test_a_terminal_gets_the_newest_line_in_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(ticker, "_SECONDS_BETWEEN_LOOKS", 0.0)
    monkeypatch.setenv("COLUMNS", "40")
    log = tmp_path / "a.log"
    log.write_bytes(b"first\nstep 3 of 9\n\n \xff")

    with Ticker("[1/2] a", log) as shown:
        log.write_text("first\nstep 3 of 9\n\n")
        shown.look()
        log.write_text("")
        shown.look()
        shown.done(2.0)

    first, empty, *_ = [line for line in capsys.readouterr().err.split("\r") if line.strip()]
    assert first == f"{'[1/2] a 0 s: step 3 of 9':<39}"
    assert empty == f"{'[1/2] a 0 s: ':<39}"
