"""Training examples: a prompt with an answer to learn, or with a chosen and a rejected one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ste_fairseq2.jsonl import Row
from ste_fairseq2.records.identity import other_fields, row_identity
from ste_fairseq2.records.messages import Message, read_messages


@dataclass(frozen=True)
class SftExample:
    """A prompt and the answer to learn.

    ``messages``, where present, is the conversation up to the answer; training renders it with the
    model's chat template. ``src`` is the same prompt as text that already carries the template.
    """

    id: str
    src: str
    tgt: str
    messages: tuple[Message, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_row(row: Row) -> SftExample:
        messages = read_messages(row)
        if messages is not None and messages[-1].role == "assistant" and "tgt" not in row.data:
            # A whole conversation: its last turn is the answer.
            prompt, tgt = messages[:-1], messages[-1].content
            if not prompt:
                row.fail("messages", "must hold a turn before the assistant's answer.")
            if not tgt.strip():
                row.fail(f"messages[{len(prompt)}].content", "must not be empty.")
        else:
            prompt, tgt = messages or (), row.non_empty_text("tgt")
        src = row.optional_text("src") if messages is not None else row.non_empty_text("src")

        return SftExample(
            id=row_identity(row, src or repr(prompt), tgt),
            src=src or "",
            tgt=tgt,
            messages=prompt if messages is not None else None,
            extra=other_fields(row, "id", "src", "tgt", "messages"),
        )

    def to_row(self) -> dict[str, Any]:
        row: dict[str, Any] = {"id": self.id, "src": self.src, "tgt": self.tgt}
        if self.messages is not None:
            row["messages"] = [m.to_row() for m in self.messages]

        return row | dict(self.extra)


@dataclass(frozen=True)
class PreferenceExample:
    """A prompt with a chosen and a rejected answer; see :class:`SftExample` for ``messages``.

    A reference score is the sum of the log-probabilities (nats) that the reference model gives to the
    tokens of the answer, its end-of-turn token included. ``None`` means absent; 0.0 is a score.
    """

    id: str
    src: str
    tgt_chosen: str
    tgt_rejected: str
    messages: tuple[Message, ...] | None = None
    reference_score_chosen: float | None = None
    reference_score_rejected: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_row(row: Row) -> PreferenceExample:
        messages = read_messages(row)
        if messages is not None and messages[-1].role == "assistant":
            row.fail("messages", "must end before the answer, but its last turn is the assistant's.")
        src = row.optional_text("src") if messages is not None else row.non_empty_text("src")
        chosen, rejected = row.non_empty_text("tgt_chosen"), row.non_empty_text("tgt_rejected")

        return PreferenceExample(
            id=row_identity(row, src or repr(messages), chosen, rejected),
            src=src or "",
            tgt_chosen=chosen,
            tgt_rejected=rejected,
            messages=messages,
            reference_score_chosen=row.optional_number("reference_score_chosen"),
            reference_score_rejected=row.optional_number("reference_score_rejected"),
            extra=other_fields(
                row,
                "id",
                "src",
                "tgt_chosen",
                "tgt_rejected",
                "messages",
                "reference_score_chosen",
                "reference_score_rejected",
            ),
        )

    def to_row(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": self.id,
            "src": self.src,
            "tgt_chosen": self.tgt_chosen,
            "tgt_rejected": self.tgt_rejected,
        }
        if self.messages is not None:
            row["messages"] = [m.to_row() for m in self.messages]
        if self.reference_score_chosen is not None:
            row["reference_score_chosen"] = self.reference_score_chosen
        if self.reference_score_rejected is not None:
            row["reference_score_rejected"] = self.reference_score_rejected

        return row | dict(self.extra)
