"""Ten thousand broken lines of many kinds: none stops a run, each is quarantined with its place."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.curation.config import PrepareDpoConfig, PrepareSftConfig
from ste_fairseq2.curation.prepare import prepare_dpo, prepare_sft
from ste_fairseq2.jsonl import MAX_LINE_BYTES
from ste_fairseq2.store import Manifest

Sample = dict[str, Any]


def without(*path: str) -> Callable[[Sample], Sample]:
    def change(row: Sample) -> Sample:
        target = row if len(path) == 1 else row[path[0]]
        del target[path[-1]]

        return row

    return change


def having(value: Any, *path: str) -> Callable[[Sample], Sample]:
    def change(row: Sample) -> Sample:
        target = row if len(path) == 1 else row[path[0]]
        target[path[-1]] = value

        return row

    return change


NAN = float("nan")

CHANGES: list[tuple[Callable[[Sample], Sample], str]] = [
    (without("text"), "is missing"),
    (without("vllm_output"), "is missing"),
    (without("metadata"), "is missing"),
    (without("vllm_output", "output"), "must be a string"),
    (without("metadata", "ranks"), "must be a list of two numbers"),
    (having("", "text"), "must not be empty"),
    (having(7, "text"), "must be a string"),
    (having("", "vllm_output", "output"), "must not be empty"),
    (having(" \n ", "vllm_output", "output"), "must not be empty"),
    (having(None, "vllm_output", "output"), "must be a string"),
    (having(["stop"], "vllm_output", "finish_reason"), "must be a string"),
    (having([1, 1], "metadata", "ranks"), "are equal"),
    (having([NAN, 1], "metadata", "ranks"), "NaN is not a JSON number"),
    (having([float("inf"), 1], "metadata", "ranks"), "Infinity is not a JSON number"),
    (having(["1", "2"], "metadata", "ranks"), "must hold numbers"),
    (having([1, 2, 3], "metadata", "ranks"), "must be a list of two numbers"),
    (having([True, False], "metadata", "ranks"), "must hold numbers"),
    (having("AB", "metadata", "order"), "must be 0_1 or 1_0"),
    (having([1], "metadata", "pair_id"), "must be a string"),
    (having("text", "metadata"), "must be an object"),
    (having({}, "id"), "must be a non-empty string"),
    (having([], "messages"), "at least one message"),
    (having([{"role": "user"}], "messages"), "must be a string"),
    (having([{"role": "assistant", "content": "x"}], "messages"), "must end before the judgement"),
]


def broken_line(generator: random.Random, row: Sample) -> tuple[bytes, str]:
    """Return a line that is malformed, without newline, and what its reason must say."""
    raw = json.dumps(row).encode()
    kind = generator.randrange(len(CHANGES) + 7)
    if kind < len(CHANGES):
        change, reason = CHANGES[kind]
        return json.dumps(change(row)).encode(), reason

    return [
        (raw[: generator.randrange(1, len(raw) - 1)], "is not valid JSON"),
        (raw.replace(b"Thought", b"Th\xff\xfeght"), "is not UTF-8"),
        (raw.replace(b"Thought", b"\\udc00"), "surrogate"),
        (b"[" * 100_000, "is nested too deeply"),
        (b"[1, 2]", "must be a JSON object"),
        (raw + raw, "is not valid JSON"),
        (raw.replace(b"Thought", b"Th\x00ught"), "is not valid JSON"),
    ][kind - len(CHANGES)]


@pytest.mark.parametrize(
    ("prepare", "config", "num_huge"),
    # Few lines beyond the longest that is allowed: more would only take time.
    [(prepare_dpo, PrepareDpoConfig, 5), (prepare_sft, PrepareSftConfig, 1)],
)
def test_each_broken_line_is_in_quarantine(
    tmp_path: Path,
    mixed_samples: list[Sample],
    make_sample: Callable[..., Sample],
    prepare: Callable[[Any], Manifest],
    config: Callable[..., Any],
    num_huge: int,
) -> None:
    generator = random.Random(11)
    lines = [(json.dumps(sample).encode(), "") for sample in mixed_samples]
    lines += [broken_line(generator, make_sample(f"x{n}")) for n in range(10_000 - num_huge)]
    lines += [(b"", "")] * 50
    generator.shuffle(lines)
    huge = b'{"text": "' + b"x" * MAX_LINE_BYTES + b'"}'
    for number in range(num_huge):
        lines.insert(len(lines) // num_huge * number, (huge, "is longer than 64 MiB"))

    expected: dict[tuple[str, int], str] = {}
    (tmp_path / "in").mkdir()
    half = len(lines) // 2
    for name, part in (("a.jsonl", lines[:half]), ("b.jsonl", lines[half:])):
        path = tmp_path / "in" / name
        with path.open("wb") as stream:
            for number, (raw, reason) in enumerate(part, start=1):
                stream.write(raw + b"\n")
                if reason:
                    expected[str(path), number] = reason

    manifest = prepare(
        config(
            generation_dir=(tmp_path / "in",),
            output_dir=tmp_path / "out",
            quarantine_limit=1.0,
            workers=2,
        )
    )
    rows = [json.loads(line) for line in (tmp_path / "out" / "quarantine.jsonl").open()]
    found = {(row["source"], row["line"]): row["reason"] for row in rows}

    assert len(rows) == len(found) == len(expected) == 10_000
    assert found.keys() == expected.keys()
    for place, reason in expected.items():
        assert reason in found[place], (place, reason, found[place])
    assert manifest.counts["malformed"] == 10_000
    assert sum(manifest.counts.values()) == 10_000 + len(mixed_samples)
