"""`ste fetch-dpo-data`: the released preference pairs, with the instructions that they only name.

A released row holds the hash of a WildChat conversation where the user's question stood. The pairs are
read twice, the conversations once, all as streams; only the questions that are asked for are held.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from ste_fairseq2.curation.config import FetchDpoDataConfig
from ste_fairseq2.curation.hub import local_files, stream_rows
from ste_fairseq2.curation.output import OutputFolder
from ste_fairseq2.errors import EmptyDataError, RowError
from ste_fairseq2.instructions.wildchat import last_question
from ste_fairseq2.jsonl import OnError, Row, dump_row
from ste_fairseq2.records import PreferenceExample
from ste_fairseq2.store.manifest import Manifest
from ste_fairseq2.store.quarantine import Quarantine

_FILE_NAME: Final = "train-00000.jsonl"
_QUESTION_MARK: Final = "[User Question]"
_CONTROL_TOKEN: Final = re.compile(r"<(\|\w+\|)>")

_CONVERSATION_FIELDS: Final = ("conversation_hash", "turn", "conversation")


def fetch_dpo_data(config: FetchDpoDataConfig) -> Manifest:
    """Join the released pairs with their conversations and write them as DPO examples.

    :raises InputError:
    """
    resolved = {
        "stage": "fetch-dpo-data",
        **{
            name: str(value)
            for name, value in asdict(config).items()
            if name.startswith(("dpo", "conv"))
        },
    }
    files = [*local_files(config.dpo_data), *local_files(config.conversations)]

    with OutputFolder(config.output_dir, resolved, files) as output:
        finished = output.finished()
        if finished is not None:
            return finished

        quarantine = Quarantine(output.path, limit=config.quarantine_limit)
        wanted, num_pairs = _find_instructions(config.dpo_data, quarantine)
        counts = Counter({"malformed": quarantine.count} if quarantine.count else {})
        questions, num_conversations = _find_questions(config.conversations, wanted, quarantine)
        quarantine.check(num_pairs + num_conversations + quarantine.count)
        digest = _write(output.staged / _FILE_NAME, _join(config.dpo_data, questions, counts))
        if not counts["kept"]:
            raise EmptyDataError(f"`{config.dpo_data}` joined with `{config.conversations}`", counts)
        manifest = Manifest(
            stage="fetch-dpo-data",
            config=resolved,
            counts=dict(counts),
            details={
                "files": {_FILE_NAME: {"rows": counts["kept"], "sha256": digest}},
                "instructions": {"wanted": len(wanted), "found": len(questions)},
            },
        )
        output.commit(manifest)

    return manifest


def describe_join(manifest: Manifest, folder: Path) -> str:
    """Return the report of a run as text."""
    instructions = manifest.details["instructions"]

    return (
        f"instructions: {instructions['found']} of {instructions['wanted']} found\n"
        f"pairs: {', '.join(f'{name} {n}' for name, n in sorted(manifest.counts.items()))}\n"
        f"written to {folder}"
    )


def insert_question(src: str, placeholder: str, question: str) -> str | None:
    """Put the question where the placeholder stands, or return ``None`` where it does not.

    Only its first place behind the mark of the question counts. Control tokens that a user typed lose
    their brackets, since ``src`` is text that is tokenised with its control tokens.
    """
    position = src.find(placeholder, max(src.find(_QUESTION_MARK), 0))
    if position < 0:
        return None
    harmless = _CONTROL_TOKEN.sub(r"(\1)", question)

    return src[:position] + harmless + src[position + len(placeholder) :]


def _find_instructions(source: str, quarantine: Quarantine) -> tuple[set[str], int]:
    """Return the conversations that the pairs name, and the number of well-formed pairs.

    :raises QuarantineLimitError: too many others; said before the conversations take their time.
    """
    wanted = set()
    number = 0
    for placeholder, _ in _read_pairs(source, quarantine.add):
        wanted.add(placeholder)
        number += 1
    quarantine.check(number + quarantine.count)

    return wanted, number


def _find_questions(source: str, wanted: set[str], quarantine: Quarantine) -> tuple[dict[str, str], int]:
    """Return the questions by conversation, and the number of well-formed rows read for them."""
    questions: dict[str, str] = {}
    number = 0
    for row in stream_rows(source, on_error=quarantine.add, columns=_CONVERSATION_FIELDS):
        number += 1
        name = row.data.get("conversation_hash")
        if isinstance(name, str) and name in wanted and name not in questions:
            question = last_question(row.data)
            if question is not None:
                questions[name] = question
                if len(questions) == len(wanted):
                    break

    return questions, number


def _read_pairs(source: str, on_error: OnError) -> Iterator[tuple[str, Row]]:
    """Yield each pair with the name of its conversation."""
    for row in stream_rows(source, on_error=on_error):
        try:
            placeholder = row.non_empty_text("instruction")
            row.non_empty_text("src")
            PreferenceExample.from_row(row)
        except RowError as ex:
            on_error(ex)
        else:
            yield placeholder, row


def _join(
    source: str, questions: Mapping[str, str], counts: Counter[str]
) -> Iterator[PreferenceExample]:
    # Malformed pairs were reported by the first reading.
    for placeholder, row in _read_pairs(source, lambda _: None):
        question = questions.get(placeholder)
        if question is None:
            counts["no_conversation"] += 1
            continue
        src = insert_question(row.text("src"), placeholder, question)
        if src is None:
            counts["no_placeholder"] += 1
            continue
        counts["kept"] += 1
        yield PreferenceExample.from_row(Row(row.source, row.line, {**row.data, "src": src}))


def _write(path: Path, examples: Iterable[PreferenceExample]) -> str:
    """Write a training file and return its digest."""
    hasher = hashlib.sha256()
    with path.open("wb") as stream:
        for example in examples:
            line = dump_row(example.to_row()).encode()
            stream.write(line)
            hasher.update(line)
        stream.flush()
        os.fsync(stream.fileno())

    return hasher.hexdigest()
