"""Reads instructions from JSONL files, parquet files, or a data set of the Hub, as a stream.

The rows may have any of the usual shapes; see :data:`TEXT_FIELDS` and :data:`ID_FIELDS`. Of a
conversation as WildChat stores it the last question is the instruction, and only what is needed is read
and kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.curation.hub import stream_rows
from ste_fairseq2.digest import digest_file, digest_json
from ste_fairseq2.errors import InputError, MissingPathError, RowError
from ste_fairseq2.instructions.wildchat import is_flagged, last_user_turn
from ste_fairseq2.jsonl import DATA_SUFFIXES, OnError, Row, read_rows
from ste_fairseq2.models.hf_folder import HUB_PREFIX
from ste_fairseq2.records import Instruction, content_id
from ste_fairseq2.store import find_record_files

CONVERSATION: Final = "conversation"

TEXT_FIELDS: Final = ("instruction", "prompt", "input", "question", CONVERSATION)
"""Where the instruction is, unless the user says: in the first there is."""

ID_FIELDS: Final = ("id", "conversation_hash", "pair_id", "prompt_id")

_CONVERSATION_COLUMNS: Final = (*ID_FIELDS, "turn", CONVERSATION, "language", "toxic", "source")
_KEPT_OF_CONVERSATIONS: Final = ("turn", "language", "source")
_NEVER_KEPT: Final = (
    CONVERSATION,
    "openai_moderation",
    "detoxify_moderation",
    "header",
    "hashed_ip",
    "instruction",
)
"""Fields of WildChat that are large or about a person; and the one that the record has itself."""

_PARQUET: Final = ".parquet"


@dataclass(frozen=True)
class Candidate:
    """An instruction, with what the filters look at."""

    instruction: Instruction
    """As it will be written; its text may be blank."""
    language: str | None = None
    is_toxic: bool = False


class InstructionSource:
    """A file, a folder or a data set; can be read any number of times."""

    def __init__(self, location: str, *, text_field: str | None = None) -> None:
        """
        :param location: a file or folder of JSONL (plain or gzip) or parquet, the output folder of a
            stage, or ``hg://owner/name``.
        :param text_field: the field that holds the instruction.
        :raises MissingPathError: nothing is there.
        :raises UnfinishedStageError: the stage whose output it is has not ended.
        """
        self.location = location
        self._text_field = text_field
        self._hub = location.removeprefix(HUB_PREFIX) if location.startswith(HUB_PREFIX) else None
        self.parts: Sequence[str | Path] = (
            _find_files(Path(location)) if self._hub is None else [self._hub]
        )
        """The files, or the name of the data set."""
        self._name = self._hub or Path(location).resolve().name
        """The `source` of rows that name none."""

    @cached_property
    def digest(self) -> str:
        """Digest of the content, whatever its files are called; of a data set of the Hub its revision.

        :raises InputError: the data set cannot be loaded.
        """
        if self._hub is not None:
            return digest_json([self._hub, _load_builder(self._hub).hash])

        return digest_json(sorted(digest_file(Path(path)) for path in self.parts))

    def candidates(self, part: str | Path, *, on_error: OnError) -> Iterator[Candidate]:
        """Yield the rows of one of the :attr:`parts`; ``on_error`` receives what is malformed.

        :raises InputError: the file or data set cannot be loaded.
        """
        for row in self._rows(part, on_error):
            try:
                yield self._read(row)
            except RowError as ex:
                on_error(ex)

    def _rows(self, part: str | Path, on_error: OnError) -> Iterator[Row]:
        if isinstance(part, Path) and part.suffix != _PARQUET:
            return read_rows(part, on_error=on_error)

        return stream_rows(str(part), columns=self._needed_columns(part))

    def _needed_columns(self, part: str | Path) -> list[str] | None:
        """Return what to read of columns that can be read on their own; ``None`` for everything."""
        columns = _list_columns(part)
        if self._find_text_field(dict.fromkeys(columns, "")) != CONVERSATION:
            return None
        # The other moderation is in it, and is most of a row.
        toxic = () if "toxic" in columns else ("openai_moderation",)

        return [name for name in (*_CONVERSATION_COLUMNS, *toxic) if name in columns]

    def _read(self, row: Row) -> Candidate:
        text_field = self._find_text_field(row.data)
        if text_field is None:
            names = ", ".join(TEXT_FIELDS)
            row.fail(None, f"holds no instruction: none of {names}; name its field with `--text-field`.")
        if text_field == CONVERSATION:
            text = last_user_turn(row.data)
            if text is None:
                row.fail(CONVERSATION, "does not hold the user turn that `turn` says is the last.")
            kept = [name for name in _KEPT_OF_CONVERSATIONS if name in row.data]
        else:
            text = row.text(text_field)
            kept = [name for name in row.data if name not in (text_field, *_NEVER_KEPT)]
        id_field, record_id = _read_id(row, text)
        extra = {name: row.data[name] for name in kept if name != id_field and _is_plain(row.data[name])}
        if extra.get("source") is None:
            extra["source"] = self._name

        return Candidate(
            Instruction(record_id, text, extra), row.optional_text("language"), is_flagged(row.data)
        )

    def _find_text_field(self, data: Mapping[str, Any]) -> str | None:
        if self._text_field is not None:
            return self._text_field

        return next((name for name in TEXT_FIELDS if data.get(name) is not None), None)


def _find_files(path: Path) -> list[Path]:
    """Return the data files of a location, sorted by their relative path.

    :raises MissingPathError: there are none.
    """
    if path.is_file():
        return [path]
    parquet = [p for p in path.rglob(f"*{_PARQUET}") if p.is_file() and not p.name.startswith(".")]
    try:
        lines = find_record_files(path)
    except MissingPathError:
        if not path.is_dir():
            raise
        lines = []
    if not parquet and not lines:
        suffixes = ", ".join(f"*{suffix}" for suffix in (*DATA_SUFFIXES, _PARQUET))
        raise MissingPathError(f"instructions ({suffixes})", path / "*")

    return sorted([*lines, *parquet], key=lambda p: p.relative_to(path).as_posix())


def _list_columns(part: str | Path) -> list[str]:
    """Return the columns of a file or data set, as far as they can be read one without the other."""
    if isinstance(part, str):
        builder = _load_builder(part)
        return list(builder.info.features or ()) if hasattr(builder.config, "columns") else []
    import datasets

    files = {"data_files": [str(part)], "split": "train", "streaming": True}
    try:
        return list(datasets.load_dataset("parquet", **files).column_names)
    except Exception as ex:
        raise InputError(f"`{part}` cannot be loaded by `datasets`: {ex}; is it a parquet file?") from ex


def _load_builder(name: str) -> Any:
    import datasets

    try:
        return datasets.load_dataset_builder(name)
    except Exception as ex:
        raise InputError(
            f"`{HUB_PREFIX}{name}` cannot be loaded by `datasets`: {ex}; check the name, the network "
            "and access to a gated set (`hf auth login`), or name a local copy."
        ) from ex


def _read_id(row: Row, text: str) -> tuple[str, str]:
    for name in ID_FIELDS:
        value = row.data.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            row.fail(name, "must be a non-empty string.")
        return name, str(value)

    return ID_FIELDS[0], content_id(text)


def _is_plain(value: object) -> bool:
    """Whether JSON has it; data sets hold times, bytes and images too."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))

    return value is None or isinstance(value, str | int)
