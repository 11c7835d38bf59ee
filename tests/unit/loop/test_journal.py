"""The journal tells what is done after any kill."""

from __future__ import annotations

from pathlib import Path

from ste_fairseq2.loop.journal import Journal, StepState, is_done, read_journal
from ste_fairseq2.loop.plan import Step
from tests.loops import ended, note, started


def test_attempts_and_seconds_add_up(tmp_path: Path) -> None:
    note(
        tmp_path,
        *(started("a", 10.0), ended("a", 2.5, status=1)),
        started("a", 20.0),  # killed
        *(started("a", 30.0), ended("a", 4.0, inputs="digest")),
        started("b", 40.0),
    )

    assert read_journal(tmp_path) == {
        "a": StepState(3, True, 6.5, 30.0, {"inputs": "digest"}),
        "b": StepState(1, False, 0.0, 40.0),
    }


def test_a_half_written_line_is_passed_over_and_cut_off(tmp_path: Path) -> None:
    note(tmp_path, started("a"), ended("a", 1.0))
    path = tmp_path / "steps-00000.jsonl"
    with path.open("a") as stream:
        stream.write('{"event": "start", "st')

    assert list(read_journal(tmp_path)) == ["a"]
    with Journal(tmp_path) as journal:
        journal.start("b")
        journal.end("b", 0, 3.0, {"x": "y"})

    assert read_journal(tmp_path)["b"].made_from == {"x": "y"}
    assert len(path.read_text().splitlines()) == 4


def test_a_failed_attempt_after_success_is_not_done(tmp_path: Path) -> None:
    note(tmp_path, started("a"), ended("a", 1.0), started("a"), ended("a", 1.0, status=2))

    assert not read_journal(tmp_path)["a"].is_done


def test_done_means_noted_and_still_there(tmp_path: Path) -> None:
    done = StepState(1, True, 1.0, 0.0)
    step = Step(name="a", kind="sft", round=1, argv=("true",), output=tmp_path / "out", reads=())

    assert not is_done(step, done)
    step.output.mkdir()
    assert is_done(step, done)
    assert not is_done(step, StepState(1, False, 1.0, 0.0))
    assert not is_done(step, None)


def test_what_appears_whole_needs_no_note(tmp_path: Path) -> None:
    step = Step(
        name="a",
        kind="export",
        round=1,
        argv=("true",),
        output=tmp_path,
        reads=(),
        appears_whole=True,
    )

    assert is_done(step, None)
