"""A drawn sample is written only where its line is still the one that was indexed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.curation.files import InputFile
from ste_fairseq2.curation.outcomes import Outcome
from ste_fairseq2.curation.parallel import Workers
from ste_fairseq2.curation.scan import hash_line
from ste_fairseq2.curation.write import ExampleWriter, Written
from ste_fairseq2.errors import InputError

Sample = dict[str, Any]
Make = Callable[..., Sample]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., list[Written]]:
    """Return a function that writes one pair of two samples, whose file may change before."""

    def run(chosen: Sample, rejected: Sample, *, change: bytes | None = None) -> list[Written]:
        path = tmp_path / "samples.jsonl"
        lines = [json.dumps(sample).encode() + b"\n" for sample in (chosen, rejected)]
        path.write_bytes(b"".join(lines) if change is None else change)
        first = (0, 0, len(lines[0]), hash_line(lines[0]))
        second = (0, len(lines[0]), len(lines[1]), hash_line(lines[1]))
        row = (0, 0, int(Outcome.WRONG), *first, *second)
        with Workers(1) as workers:
            writer = ExampleWriter(tmp_path / "out", [InputFile(path, "the source", 0)], workers)
            return writer.write([[row]], in_parts=False)

    return run


def test_a_pair_is_written(
    write: Callable[..., list[Written]], make_sample: Make, tmp_path: Path
) -> None:
    messages = [{"role": "user", "content": "Judge."}]
    right = make_sample("r", output="Yes. [[A]]", messages=messages)
    [written] = write(right, make_sample("w", output="No. [[B]]"))
    row = json.loads((tmp_path / "out" / written.path).read_bytes())
    identity = row.pop("id")

    assert len(identity) == 32
    assert row == {
        "src": right["text"],
        "tgt_chosen": "Yes. [[A]]",
        "tgt_rejected": "No. [[B]]",
        "messages": messages,
        "pair_id": "p",
        "order": "0_1",
        "gold": "A",
        "chosen_sample_id": "r",
        "rejected_sample_id": "w",
        "rejected_reason": "wrong",
    }


def test_what_a_sample_lacks_is_left_out(
    write: Callable[..., list[Written]], make_sample: Make, tmp_path: Path
) -> None:
    texts = {"pair": None, "order": None, "text": "Judge."}
    [written] = write(make_sample("r", **texts), make_sample("w", "[[B]]", **texts))
    row = json.loads((tmp_path / "out" / written.path).read_bytes())

    assert row.keys().isdisjoint({"messages", "pair_id", "order"})


@pytest.mark.parametrize("change", [b"", b"{}\n" * 400])
def test_a_file_that_changed_meanwhile_is_named(
    write: Callable[..., list[Written]], make_sample: Make, change: bytes
) -> None:
    with pytest.raises(InputError, match="`the source` changed while it was read"):
        write(make_sample("r"), make_sample("w"), change=change)


def test_samples_of_two_prompts_are_never_a_pair(
    write: Callable[..., list[Written]], make_sample: Make
) -> None:
    with pytest.raises(InputError, match="share a 64-bit hash"):
        write(make_sample("r"), make_sample("w", pair="q"))
