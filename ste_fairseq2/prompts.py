"""Prompt templates: loaded by name or path, filled in one pass, safe against faked sections.

A template file holds the text of a user message; lines ``=== system ===`` and ``=== user ===`` split it
into messages. A field is a name in braces (``{input}``); any other brace is text. Lines such as
``[User Question]`` are section marks: where an instruction or a candidate answer contains a mark of the
template, its brackets become parentheses, so that nobody can end a section from the inside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, cast

from ste_fairseq2.digest import digest_json
from ste_fairseq2.errors import PromptFileError
from ste_fairseq2.records import Message, Role
from ste_fairseq2.resources import resource_dir

_SUFFIX: Final = ".prompt"
_HEADER: Final = re.compile(r"^=== (system|user) ===\n", re.MULTILINE)
_FIELD: Final = re.compile(r"\{([A-Za-z_]\w*)\}")
_MARK: Final = re.compile(r"(?<!\[)\[([^\[\]{}\n]+)\](?!\])")
_APOSTROPHES: Final = "['\u2019\u2018\u02bc`]"


@dataclass(frozen=True)
class PromptTemplate:
    """Messages with fields to fill in."""

    name: str
    """The name or path it was asked for by."""
    messages: tuple[Message, ...]

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the messages; it travels with everything that is made with the template."""
        return digest_json([m.to_row() for m in self.messages])

    @cached_property
    def fields(self) -> frozenset[str]:
        """The names in braces."""
        return frozenset(name for m in self.messages for name in _FIELD.findall(m.content))

    def require(self, *fields: str) -> None:
        """Check that the template shows everything it will be given.

        :raises PromptFileError: a field is missing.
        """
        missing = [name for name in fields if name not in self.fields]
        if missing:
            have = ", ".join(f"{{{name}}}" for name in sorted(self.fields)) or "no field"
            raise PromptFileError(
                f"prompt `{self.name}` must hold {', '.join(f'{{{name}}}' for name in fields)}, "
                f"but has {have}; add {', '.join(f'{{{name}}}' for name in missing)}."
            )

    def render(self, values: Mapping[str, str]) -> tuple[Message, ...]:
        """Fill in the fields; what a value contains is never read as a field or as a section mark."""
        safe = {name: self.neutralise(value) for name, value in values.items()}

        return tuple(
            Message(m.role, _FIELD.sub(lambda match: safe.get(match[1], match[0]), m.content))
            for m in self.messages
        )

    def neutralise(self, text: str) -> str:
        """Replace the brackets of the template's section marks in ``text`` by parentheses."""
        return self._marks.sub(r"(\1)", text) if self._marks is not None else text

    @cached_property
    def _marks(self) -> re.Pattern[str] | None:
        marks = sorted({mark for m in self.messages for mark in _MARK.findall(m.content)})
        if not marks:
            return None

        return mark_pattern(*marks)


def mark_pattern(*marks: str) -> re.Pattern[str]:
    """Return a pattern that finds any of the section marks, named without their brackets, as people and
    models write them: other spacing, case or apostrophe. Its only group is what stands in the brackets.
    """
    return re.compile(rf"\[\s*({'|'.join(map(_tolerant, marks))})\s*\]", re.IGNORECASE)


def load_prompt(name: str, *, base_url: str | None = None) -> PromptTemplate:
    """Return the template of a name (shipped or released) or a path.

    :param base_url: where the released wordings are fetched from; see
        :func:`~ste_fairseq2.released_prompts.fetch_released`.
    :raises PromptFileError: no template of that name is known, or it is malformed.
    :raises PromptDigestError: a fetched wording is not the released one.
    """
    from ste_fairseq2.released_prompts import RELEASED_PROMPTS, fetch_released

    if name in RELEASED_PROMPTS:
        return PromptTemplate(name, fetch_released(name, base_url=base_url))
    shipped = {p.name.removesuffix(_SUFFIX): p for p in resource_dir("prompts").glob(f"*{_SUFFIX}")}
    path = shipped.get(name, Path(name))
    if not path.is_file():
        known = ", ".join([*sorted(shipped), *RELEASED_PROMPTS])
        raise PromptFileError(f"prompt `{name}` is neither a file nor one of {known}.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as ex:
        raise PromptFileError(f"prompt `{name}` is not UTF-8 (byte {ex.start}).") from None

    return PromptTemplate(name, parse_template(text, name))


def parse_template(text: str, name: str) -> tuple[Message, ...]:
    """Split a template file into its messages; without a header line it is one user message.

    :raises PromptFileError: it is empty, or does not end with the user's message.
    """
    before, *rest = _HEADER.split(text)
    if not rest:
        messages: Sequence[Message] = [Message("user", text)]
    elif before.strip():
        raise PromptFileError(f"prompt `{name}` holds text above its first `=== … ===` line.")
    else:
        messages = [
            Message(cast(Role, role), body.strip("\n"))
            for role, body in zip(rest[0::2], rest[1::2], strict=True)
        ]
    if any(not m.content.strip() for m in messages):
        raise PromptFileError(f"prompt `{name}` holds an empty message.")
    if [m.role for m in messages] not in (["user"], ["system", "user"]):
        raise PromptFileError(f"prompt `{name}` must hold one user message, after at most one system.")

    return tuple(messages)


def _tolerant(mark: str) -> str:
    """Return a pattern for a mark that also finds it with other spacing or another apostrophe."""
    words = (re.sub("'", lambda _: _APOSTROPHES, re.escape(word)) for word in mark.split())

    return r"\s+".join(words)
