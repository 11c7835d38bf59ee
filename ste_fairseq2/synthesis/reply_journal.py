"""What the replies of an unfinished batch came to, on disk as they come: a kill loses none of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.jsonl import Row
from ste_fairseq2.store.shards import Shards
from ste_fairseq2.store.stage import TOKEN_FIELDS
from ste_fairseq2.synthesis.tasks import RecordTask

_PREFIX: Final = "replies"
_SHARD_BYTES: Final = 256 << 20


@dataclass(frozen=True)
class ReplyOutcome:
    """What a reply came to by itself, before others are looked at."""

    row: dict[str, Any] | None
    """The record; ``None`` where there is none."""
    reason: str
    """Why there is none."""
    detail: dict[str, Any]

    @staticmethod
    def of_task(task: RecordTask) -> ReplyOutcome:
        return ReplyOutcome(task.row, task.reason, task.detail)

    @staticmethod
    def from_row(row: Row) -> ReplyOutcome:
        return ReplyOutcome(row.require("row"), row.text("reason"), row.require("detail"))

    @property
    def num_tokens(self) -> int:
        """Tokens of the prompt and of the reply."""
        costs = self.detail if self.row is None else self.row

        return sum(costs.get(name, 0) for name in TOKEN_FIELDS)


class ReplyJournal:
    """The outcomes that nothing has been decided on yet, by the id of their reply."""

    def __init__(self, folder: Path, is_decided: Callable[[str], bool]) -> None:
        """Read what an earlier run has left.

        :param folder: holds nothing else; it is made once there is something to write.
        :param is_decided: tells of a reply by its id whether it has been decided on.
        """
        self._folder = folder
        self._shards = Shards(folder, _PREFIX, _SHARD_BYTES)
        self._outcomes = {
            row.text("id"): ReplyOutcome.from_row(row)
            for row in self._shards.rows()
            if not is_decided(row.text("id"))
        }

    def __contains__(self, record_id: str) -> bool:
        return record_id in self._outcomes

    @property
    def num_tokens(self) -> int:
        """Tokens that the replies and their prompts have cost."""
        return sum(outcome.num_tokens for outcome in self._outcomes.values())

    def put(self, task: RecordTask) -> None:
        """Write what a task came to."""
        outcome = ReplyOutcome.of_task(task)
        self._folder.mkdir(exist_ok=True)
        self._shards.append(
            {"id": task.id, "row": outcome.row, "reason": outcome.reason, "detail": outcome.detail}
        )
        self._outcomes[task.id] = outcome

    def pop(self, record_id: str) -> ReplyOutcome:
        """Return what is decided on now; the file keeps it until :meth:`clear`."""
        return self._outcomes.pop(record_id)

    def clear(self) -> None:
        """Remove the folder: everything is decided."""
        self._shards.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._shards = Shards(self._folder, _PREFIX, _SHARD_BYTES)
