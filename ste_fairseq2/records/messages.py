"""Conversations, as every record holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast, get_args

from ste_fairseq2.jsonl import Row

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]

_ROLES: Final = get_args(Role)


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str

    def to_row(self) -> dict[str, str]:
        return {"role": self.role, "content": self.content}


def read_messages(row: Row, name: str = "messages") -> tuple[Message, ...] | None:
    """Return the conversation in a field, or ``None`` where the field is absent or null."""
    value = row.data.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        row.fail(name, "must be a list of at least one message.")

    messages = []
    for index, item in enumerate(value):
        where = f"{name}[{index}]"
        if not isinstance(item, dict):
            row.fail(where, "must be an object with `role` and `content`.")
        role, content = item.get("role"), item.get("content")
        if role not in _ROLES:
            row.fail(f"{where}.role", f"must be one of {', '.join(_ROLES)}, but is {role!r}.")
        if not isinstance(content, str):
            row.fail(f"{where}.content", "must be a string.")
        messages.append(Message(cast(Role, role), content))

    return tuple(messages)
