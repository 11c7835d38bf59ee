"""Pairs to judge, and the judgements that models write on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ste_fairseq2.jsonl import Row
from ste_fairseq2.records.identity import other_fields, row_identity
from ste_fairseq2.records.messages import Message, read_messages
from ste_fairseq2.verdicts import Verdict

Order: TypeAlias = Literal["0_1", "1_0"]
"""``0_1`` shows a pair as it is stored, ``1_0`` the other way round."""


@dataclass(frozen=True)
class JudgementSample:
    """One judgement that a model wrote on a pair.

    ``text`` is the prompt the judge saw; ``ranks[i]`` belongs to the i-th answer shown, and the lower
    rank is the better answer.
    """

    id: str
    text: str
    output: str
    ranks: tuple[float, float]
    finish_reason: str | None = None
    pair_id: str | None = None
    order: Order | None = None
    messages: tuple[Message, ...] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Everything else under ``metadata`` (``subset``, ``judge`` …)."""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gold(self) -> Verdict:
        """The verdict that the ranks call right: ``A`` where the first answer shown is better."""
        return Verdict.A if self.ranks[0] < self.ranks[1] else Verdict.B

    @staticmethod
    def from_row(row: Row) -> JudgementSample:
        text = row.non_empty_text("text")
        vllm_output = row.require("vllm_output")
        if not isinstance(vllm_output, dict) or not isinstance(vllm_output.get("output"), str):
            row.fail("vllm_output.output", "must be a string (the judgement).")
        finish_reason = vllm_output.get("finish_reason")
        if finish_reason is not None and not isinstance(finish_reason, str):
            row.fail("vllm_output.finish_reason", "must be a string.")
        metadata = row.require("metadata")
        if not isinstance(metadata, dict):
            row.fail("metadata", "must be an object.")
        order = metadata.get("order")
        if order not in (None, "0_1", "1_0"):
            row.fail("metadata.order", f"must be 0_1 or 1_0, but is {order!r}.")
        pair_id = metadata.get("pair_id")
        if pair_id is not None and not isinstance(pair_id, str | int):
            row.fail("metadata.pair_id", "must be a string.")
        output = vllm_output["output"]

        return JudgementSample(
            id=row_identity(row, text, output),
            text=text,
            output=output,
            ranks=_read_ranks(row, metadata.get("ranks")),
            finish_reason=finish_reason,
            pair_id=None if pair_id is None else str(pair_id),
            order=order,
            messages=read_messages(row),
            metadata={k: v for k, v in metadata.items() if k not in ("ranks", "pair_id", "order")},
            extra=other_fields(row, "id", "text", "vllm_output", "metadata", "messages"),
        )

    def to_row(self) -> dict[str, Any]:
        metadata: dict[str, Any] = {"ranks": list(self.ranks)}
        if self.pair_id is not None:
            metadata["pair_id"] = self.pair_id
        if self.order is not None:
            metadata["order"] = self.order
        row: dict[str, Any] = {
            "id": self.id,
            "text": self.text,
            "vllm_output": {"output": self.output, "finish_reason": self.finish_reason},
            "metadata": metadata | dict(self.metadata),
        }
        if self.messages is not None:
            row["messages"] = [m.to_row() for m in self.messages]

        return row | dict(self.extra)


@dataclass(frozen=True)
class JudgeInput:
    """A pair to judge; ``label``, where known, is the better answer as shown (``A`` or ``B``)."""

    id: str
    input: str
    response_a: str
    response_b: str
    label: Verdict | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_row(row: Row) -> JudgeInput:
        instruction = row.non_empty_text("input")
        response_a, response_b = row.text("response_a"), row.text("response_b")

        return JudgeInput(
            id=row_identity(row, instruction, response_a, response_b),
            input=instruction,
            response_a=response_a,
            response_b=response_b,
            label=_read_label(row),
            extra=other_fields(row, "id", "input", "response_a", "response_b", "label"),
        )


def _read_ranks(row: Row, value: object) -> tuple[float, float]:
    name = "metadata.ranks"
    if not isinstance(value, list) or len(value) != 2:
        row.fail(name, "must be a list of two numbers.")
    for rank in value:
        if isinstance(rank, bool) or not isinstance(rank, int | float):
            row.fail(name, f"must hold numbers, but has {rank!r}.")
    if value[0] == value[1]:
        row.fail(name, "are equal, so neither answer is the better one.")

    return value[0], value[1]


def _read_label(row: Row) -> Verdict | None:
    value = row.data.get("label")
    if value is None:
        return None
    for verdict in (Verdict.A, Verdict.B, Verdict.TIE):
        if value in (verdict.value, verdict.upstream_name):
            return verdict
    row.fail("label", f"must be A, B or tie (or model_a, model_b), but is {value!r}.")
