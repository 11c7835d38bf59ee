"""Outcomes of replies survive until they are decided on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ste_fairseq2.synthesis.reply_journal import ReplyJournal, ReplyOutcome


@dataclass
class _Task:
    id: str
    row: dict[str, Any] | None = None
    reason: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    num_output_tokens: int = 0

    def next_requests(self) -> tuple[()]:
        return ()

    def add(self, completion: Any) -> None: ...


KEPT = _Task("a", row={"id": "a", "num_prompt_tokens": 5, "num_output_tokens": 2})
DROPPED = _Task("b", reason="empty", detail={"num_prompt_tokens": 5, "num_output_tokens": 1})


def _nothing(record_id: str) -> bool:
    return False


def test_what_was_put_is_there_after_a_kill(tmp_path: Path) -> None:
    journal = ReplyJournal(tmp_path / "work", _nothing)
    journal.put(KEPT)
    journal.put(DROPPED)
    # The kill cuts what is being written.
    with (tmp_path / "work" / "replies-00000.jsonl").open("a") as stream:
        stream.write('{"id": "c", "ro')

    again = ReplyJournal(tmp_path / "work", _nothing)

    assert [name in again for name in "abc"] == [True, True, False]
    assert again.num_tokens == 13
    assert again.pop("a") == ReplyOutcome(KEPT.row, "", {})
    assert again.pop("b") == ReplyOutcome(None, "empty", DROPPED.detail)
    assert again.num_tokens == 0


def test_what_is_decided_does_not_count_again(tmp_path: Path) -> None:
    ReplyJournal(tmp_path / "work", _nothing).put(KEPT)

    again = ReplyJournal(tmp_path / "work", lambda record_id: record_id == "a")

    assert "a" not in again
    assert again.num_tokens == 0


def test_a_cleared_one_is_gone_and_can_be_used_on(tmp_path: Path) -> None:
    journal = ReplyJournal(tmp_path / "work", _nothing)
    journal.clear()
    journal.put(KEPT)
    journal.pop("a")
    journal.clear()
    assert not (tmp_path / "work").exists()

    journal.put(DROPPED)

    assert "b" in ReplyJournal(tmp_path / "work", _nothing)
