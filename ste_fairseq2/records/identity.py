"""What identifies a record, and the fields of a row that a record does not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ste_fairseq2.digest import digest_text
from ste_fairseq2.jsonl import Row


def content_id(*content: str) -> str:
    """Return the id of a record that has none of its own: a digest of its texts."""
    return digest_text("\x00".join(content))[:32]


def row_identity(row: Row, *content: str) -> str:
    """Return a row's ``id``, or a digest of its content where it has none."""
    value = row.data.get("id")
    if value is None:
        return content_id(*content)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        row.fail("id", "must be a non-empty string.")

    return str(value)


def other_fields(row: Row, *known: str) -> dict[str, Any]:
    return {k: v for k, v in row.data.items() if k not in known}


def with_other_fields(row: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``row`` with further fields behind its own; of two with one name, its own counts."""
    return dict(row) | {k: v for k, v in extra.items() if k not in row}
