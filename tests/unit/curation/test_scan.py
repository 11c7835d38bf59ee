"""Index columns are those of a plain reading, line by line, however the lines are batched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from xxhash import xxh3_64_intdigest

from ste_fairseq2.curation import files, scan
from ste_fairseq2.curation.files import Block, InputFile
from ste_fairseq2.curation.outcomes import judge_outcome
from ste_fairseq2.curation.rows import read_sample
from ste_fairseq2.curation.scan import COLUMNS, ScannedBlock, scan_block
from ste_fairseq2.errors import RowError
from ste_fairseq2.verdicts import parse_verdict

Sample = dict[str, Any]
SALT = 12345


def scan_whole(path: Path) -> ScannedBlock:
    return scan_block(Block(InputFile(path, "f", 0), 0, 0, path.stat().st_size), SALT)


def plain_entries(content: bytes) -> tuple[list[tuple[int, ...]], list[tuple[int, str]]]:
    """Return the entries of sound lines, and number and reason of each malformed one."""
    entries: list[tuple[int, ...]] = []
    errors: list[tuple[int, str]] = []
    start = 0
    for number, raw in enumerate(content.splitlines(keepends=True), start=1):
        try:
            if raw.strip():
                sample = read_sample(raw, "f", number)
                said, metadata = sample.vllm_output, sample.metadata
                pair = xxh3_64_intdigest(metadata.pair_id.encode()) if metadata.pair_id else 0
                order = {None: 0, "0_1": 1, "1_0": 2}[metadata.order]
                prompt = xxh3_64_intdigest(sample.text.encode(), pair ^ order)
                verdict = parse_verdict(said.output, said.finish_reason)
                outcome = judge_outcome(verdict, sample.gold, said.finish_reason)
                draw = xxh3_64_intdigest(said.output.encode(), (prompt + SALT) % 2**64)
                line = xxh3_64_intdigest(raw.rstrip(b"\n") + b"\n")
                gold_b = sample.gold == "B"
                entries.append((prompt, pair, gold_b, outcome, draw, line, start, len(raw)))
        except RowError as ex:
            errors.append((ex.line, ex.reason))
        start += len(raw)

    return entries, errors


@pytest.mark.parametrize("batch_bytes", [1, 300, 1 << 17])
def test_entries_are_those_of_a_plain_reading(
    tmp_path: Path,
    mixed_samples: list[Sample],
    make_sample: Callable[..., Sample],
    monkeypatch: pytest.MonkeyPatch,
    batch_bytes: int,
) -> None:
    monkeypatch.setattr(files, "_BATCH_BYTES", batch_bytes)
    lines = [json.dumps(sample).encode() for sample in mixed_samples]
    lines += [json.dumps(make_sample(f"alone{n}", pair=None, order=None)).encode() for n in range(3)]
    lines.insert(5, b"")
    lines.insert(6, b" \t")
    lines.insert(40, lines[0].replace(b"Thought", b"Th\xffught"))
    lines.insert(80, b'{"text": "cut')
    lines.insert(81, json.dumps(make_sample("ü", text="Größe?"), ensure_ascii=False).encode())
    content = b"\n".join(lines)
    (tmp_path / "f").write_bytes(content)
    scanned = scan_whole(tmp_path / "f")
    entries, errors = plain_entries(content)

    assert list(zip(*(scanned.columns[name] for name in COLUMNS), strict=True)) == entries
    assert [(error.line, error.reason) for error in scanned.errors] == errors
    assert [line for line, _ in errors] == [41, 81]
    assert len(entries) == len(mixed_samples) + 4
    assert scanned.num_lines == len(lines)


@pytest.mark.parametrize("excess", [0, 1, 2, 50])
def test_a_line_is_too_long_by_its_bytes_though_it_is_sound(
    tmp_path: Path,
    make_sample: Callable[..., Sample],
    monkeypatch: pytest.MonkeyPatch,
    excess: int,
) -> None:
    """Spaces behind the object: where it is cut, what is left would be a sample."""
    raw = json.dumps(make_sample("a")).encode()
    for module in (files, scan):
        monkeypatch.setattr(module, "MAX_LINE_BYTES", len(raw) + 10)
    monkeypatch.setattr(files, "_BATCH_BYTES", 100)
    (tmp_path / "f").write_bytes(raw + b" " * (9 + excess) + b"\n" + raw)
    scanned = scan_whole(tmp_path / "f")

    assert len(scanned.columns["line"]) == (2 if excess == 0 else 1)
    assert [error.line for error in scanned.errors] == ([] if excess == 0 else [1])
