"""Ten thousand broken lines of many kinds into each stage: none stops it, each is quarantined with its
place and a reason."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.jsonl import MAX_LINE_BYTES
from ste_fairseq2.synthesis.annotate import AnnotateConfig, run_annotate
from ste_fairseq2.synthesis.judge import JudgeConfig, run_judge
from ste_fairseq2.synthesis.respond import RespondConfig, run_respond
from ste_fairseq2.synthesis.select import run_select
from ste_fairseq2.synthesis.select_config import SelectConfig
from ste_fairseq2.synthesis.worsen import WorsenConfig, run_worsen

NUM_BROKEN = 10_000
NUM_GOOD = 40

STAGES: dict[str, tuple[Any, Any, dict[str, str]]] = {
    "select": (SelectConfig, run_select, {"instruction": "Word"}),
    "respond": (RespondConfig, run_respond, {"instruction": "Word"}),
    "worsen": (WorsenConfig, run_worsen, {"instruction": "Word", "baseline": "good"}),
    "annotate": (
        AnnotateConfig,
        run_annotate,
        {"instruction": "Word", "baseline": "good", "worse": "bad"},
    ),
    "judge": (JudgeConfig, run_judge, {"input": "Word", "response_a": "good", "response_b": "bad"}),
}

OPTIONS: dict[str, dict[str, Any]] = {
    "select": {"model": "none", "text_field": "instruction", "near_duplicates": 1.0},
    "annotate": {"samples": 1},
}

NOT_MALFORMED = {"select": ("must not be empty", "ids must be unique")}
"""What a stage takes for a row that is whole: too short, or a duplicate."""

REPLY = (
    "[User Question Modified] other [The start of Assistant's answer to the modified instruction] "
    "poor [The end of Assistant's answer to the modified instruction] [[A]]"
)


def broken_line(
    generator: random.Random, number: int, fields: dict[str, str], leave_out: Collection[str]
) -> tuple[bytes, str]:
    """Return a malformed line and what its reason must say."""
    row: dict[str, Any] = {"id": f"b{number}"} | fields
    raw = json.dumps(row).encode()
    name = generator.choice(list(fields))
    kinds: list[tuple[bytes, str]] = [
        (json.dumps({k: v for k, v in row.items() if k != name}).encode(), "is missing"),
        (json.dumps(row | {name: 7}).encode(), "must be a string"),
        (json.dumps(row | {name: None}).encode(), "must be a string"),
        (json.dumps(row | {name: ["x"]}).encode(), "must be a string"),
        (json.dumps(row | {next(iter(fields)): " \n"}).encode(), "must not be empty"),
        (json.dumps(row | {"id": ""}).encode(), "must be a non-empty string"),
        (json.dumps(row | {"id": {}}).encode(), "must be a non-empty string"),
        (json.dumps(row | {"id": "good-0"}).encode(), "ids must be unique"),
        (json.dumps(row | {"score": float("nan")}).encode(), "NaN is not a JSON number"),
        (json.dumps(row | {"score": float("-inf")}).encode(), "Infinity is not a JSON number"),
        (raw[: generator.randrange(1, len(raw) - 1)], "is not valid JSON"),
        (raw + raw, "is not valid JSON"),
        (raw.replace(b"Word", b"W\xff\xfed"), "is not UTF-8"),
        (raw.replace(b"Word", b"\\ud83d"), "surrogate"),
        (raw.replace(b"Word", b"W\x00d"), "is not valid JSON"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'["a", "b"]', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"\x1f\x8b\x08\x00", "is not UTF-8"),
    ]

    return generator.choice([kind for kind in kinds if kind[1] not in leave_out])


@pytest.mark.parametrize("stage", STAGES)
def test_each_broken_line_is_in_quarantine(
    stage: str, tmp_path: Path, tiny_model: Path, script_engine: Callable[..., Any]
) -> None:
    script_engine(lambda _: (REPLY, "stop"))
    config_kls, run, fields = STAGES[stage]
    generator = random.Random(stage)
    good = [{k: f"{v} {n}" for k, v in fields.items()} | {"id": f"good-{n}"} for n in range(NUM_GOOD)]
    lines = [(json.dumps(row).encode(), "") for row in good]
    leave_out = NOT_MALFORMED.get(stage, ())
    rest = [broken_line(generator, n, fields, leave_out) for n in range(NUM_BROKEN - 1)]
    rest += [(b"  ", "")] * 20
    rest.append((b'{"x": "' + b"y" * MAX_LINE_BYTES + b'"}', "is longer than 64 MiB"))
    generator.shuffle(rest)
    expected = {}
    path = tmp_path / "in.jsonl"
    with path.open("wb") as stream:
        for number, (raw, reason) in enumerate(lines + rest, start=1):
            stream.write(raw + b"\n")
            if reason:
                expected[number] = reason

    run(
        config_kls(
            inputs=str(path),
            output=tmp_path / "out",
            quarantine_limit=1.0,
            **({"model": str(tiny_model)} | OPTIONS.get(stage, {})),
        )
    )

    rows = [json.loads(line) for line in (tmp_path / "out" / "quarantine.jsonl").open()]
    found = {row["line"]: row["reason"] for row in rows}
    assert len(rows) == len(expected) == NUM_BROKEN
    assert {row["source"] for row in rows} == {str(path)}
    assert {n: reason for n, reason in found.items() if expected[n] not in reason} == {}
    counts = json.loads((tmp_path / "out" / "manifest.json").read_text())["counts"]
    per_record = 2 if stage == "annotate" else 1
    assert {name: count for name, count in counts.items() if count} == {
        "kept": NUM_GOOD * per_record,
        "malformed": NUM_BROKEN,
    }
