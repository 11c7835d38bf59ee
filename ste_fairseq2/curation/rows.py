"""Reads one line of judgement samples, fast: the rules are those of `JudgementSample.from_row`.

A line that msgspec decodes into :class:`SampleRow` is one that ``from_row`` accepts; every other line
goes through ``from_row``, which accepts it or says what is wrong. Two rules are added, for what no
example can be made of: an empty judgement, and `messages` that hold the answer already.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from ste_fairseq2.jsonl import parse_row
from ste_fairseq2.records import JudgementSample, Message, Role, content_id
from ste_fairseq2.verdicts import Verdict

_A: Final = Verdict.A
_B: Final = Verdict.B
"""An enum's members take long to look up, and every line asks for one of these."""


class MessageRow(msgspec.Struct, frozen=True, gc=False):
    role: Role
    content: str


class _VllmOutput(msgspec.Struct, frozen=True, gc=False):
    output: str
    finish_reason: str | None = None


class _Metadata(msgspec.Struct, frozen=True, gc=False):
    ranks: tuple[float, float]
    pair_id: str | None = None
    order: Literal["0_1", "1_0"] | None = None


class SampleRow(msgspec.Struct, frozen=True, gc=False):
    """The fields of a judgement sample that curation needs."""

    text: str
    vllm_output: _VllmOutput
    metadata: _Metadata
    id: str | None = None
    messages: tuple[MessageRow, ...] | None = None

    @property
    def gold(self) -> Verdict:
        ranks = self.metadata.ranks

        return _A if ranks[0] < ranks[1] else _B

    @property
    def sample_id(self) -> str:
        return content_id(self.text, self.vllm_output.output) if self.id is None else self.id


_decode: Final = msgspec.json.Decoder(SampleRow).decode


def read_samples(lines: Sequence[bytes]) -> list[SampleRow] | None:
    """Read some lines at once, or return ``None`` where one of them is for :func:`read_sample`."""
    try:
        samples = [_decode(raw) for raw in lines]
        for raw in lines:
            # msgspec does not look at the bytes of fields that it passes over.
            if not raw.isascii():
                raw.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None

    return samples if all(map(_is_sound, samples)) else None


def read_sample(raw: bytes, source: str, line: int) -> SampleRow:
    """Read one line that is not blank.

    :raises RowError: it is malformed.
    """
    samples = read_samples([raw])

    return _read_carefully(raw, source, line) if samples is None else samples[0]


def _is_sound(sample: SampleRow) -> bool:
    """Whether a decoded line follows the rules that its types do not express."""
    ranks = sample.metadata.ranks
    output, text, messages = sample.vllm_output.output, sample.text, sample.messages

    return (
        ranks[0] != ranks[1]
        and output != ""
        and not output.isspace()
        and text != ""
        and not text.isspace()
        and sample.id != ""
        and (messages is None or _is_prompt(messages))
    )


def _is_prompt(messages: Sequence[MessageRow] | Sequence[Message]) -> bool:
    """Whether a conversation can be the prompt of an example."""
    return len(messages) > 0 and messages[-1].role != "assistant"


def _read_carefully(raw: bytes, source: str, line: int) -> SampleRow:
    row = parse_row(raw, source, line)
    sample = JudgementSample.from_row(row)
    if not sample.output.strip():
        row.fail("vllm_output.output", "must not be empty.")
    messages = sample.messages
    if messages is not None and not _is_prompt(messages):
        row.fail("messages", "must end before the judgement, but its last turn is the assistant's.")

    return SampleRow(
        text=sample.text,
        vllm_output=_VllmOutput(sample.output, sample.finish_reason),
        metadata=_Metadata(
            # As floats, two large whole numbers might become equal.
            (0.0, 1.0) if sample.gold is Verdict.A else (1.0, 0.0),
            sample.pair_id,
            sample.order,
        ),
        id=sample.id,
        messages=None if messages is None else tuple(MessageRow(m.role, m.content) for m in messages),
    )
