"""The typed records that the stages hand to each other, read from and written to JSONL rows.

Field names are those of the upstream scripts, whose files are read as they are. Fields that a record
does not know are kept in ``extra`` and written back. ``from_row`` raises
:class:`~ste_fairseq2.errors.RowError` with file:line, field and reason.
"""

from __future__ import annotations

from ste_fairseq2.records.identity import content_id
from ste_fairseq2.records.judging import JudgeInput, JudgementSample, Order
from ste_fairseq2.records.messages import Message, Role, read_messages
from ste_fairseq2.records.synthesis import Instruction, Response, ResponsePair
from ste_fairseq2.records.training import PreferenceExample, SftExample

__all__ = [
    "Instruction",
    "JudgeInput",
    "JudgementSample",
    "Message",
    "Order",
    "PreferenceExample",
    "Response",
    "ResponsePair",
    "Role",
    "SftExample",
    "content_id",
    "read_messages",
]
