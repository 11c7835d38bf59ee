"""A judge leads back to the first file, and an example to its rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from ste_fairseq2.digest import digest_file
from ste_fairseq2.errors import InputError
from ste_fairseq2.jsonl import write_rows
from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.digests import digest_inputs, digest_place
from ste_fairseq2.loop.example import describe_example
from ste_fairseq2.loop.lineage import describe_lineage
from ste_fairseq2.loop.methods import make_plan
from ste_fairseq2.loop.plan import Plan
from tests.loops import finish, leave_manifest, loop_config

PAIRS = "sources/main/worsen"
JUDGEMENTS = "round-1/sft/annotate/main"
DATA = "round-1/sft/data"


@pytest.fixture
def loop(tmp_path: Path) -> tuple[LoopConfig, Plan, Path]:
    """A loop of one round, done, whose records were written by hand."""
    source, model, folder = tmp_path / "in.jsonl", tmp_path / "seed", tmp_path / "D"
    write_rows(source, [{"id": "p1", "instruction": "Add 1 and 1."}, {"id": "p2"}])
    model.mkdir()
    (model / "config.json").write_text("{}")
    config = loop_config(model=str(model), sources={"main": {"instructions": str(source)}})
    plan = make_plan(config, folder)
    rows = {
        "sources/main/respond": [{"id": "p1", "baseline": "2"}],
        PAIRS: [{"id": "p1", "instruction": "Add 1 and 1.", "baseline": "2", "worse": "3"}],
        JUDGEMENTS: [
            {"id": "p1:0_1:0", "vllm_output": {"output": "[[A]]"}},
            {"id": "p1:0_1:1", "vllm_output": {"output": "[[B]]"}},
        ],
        DATA: [{"id": "e1", "pair_id": "p1", "sample_id": "p1:0_1:1"}],
    }
    for step in plan.steps:
        finish(folder, step.name, made_from=digest_inputs(step))
        if step.name in rows:
            leave_manifest(folder / step.name, {"kept": len(rows[step.name])})
            name = "train" if step.name == DATA else "records"
            write_rows(folder / step.name / f"{name}-00000.jsonl", rows[step.name])
    (folder / "round-1/sft/model/config.json").write_text("{}")
    # Once more, now that all inputs are there.
    for step in plan.steps:
        finish(folder, step.name, made_from=digest_inputs(step))

    return config, plan, folder


def test_digests_are_of_what_lies_there(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("{}\n")
    leave_manifest(tmp_path / "stage", {"kept": 1})

    assert digest_place(file) == digest_file(file)
    assert digest_place(tmp_path / "stage") == digest_file(tmp_path / "stage" / "manifest.json")
    assert digest_place(tmp_path / "absent") is None


def test_a_judge_leads_back_to_the_first_file(loop: tuple[LoopConfig, Plan, Path]) -> None:
    _, plan, folder = loop

    lines = [line.strip() for line in describe_lineage(plan, folder).splitlines()]

    assert lines[0] == f"round 1: {folder}/round-1/sft/model"
    assert [line.split(",")[0] for line in lines[1:]] == [
        "is round-1/sft/model",
        "with round-1/sft/run",
        f"from {DATA}",
        f"from {JUDGEMENTS}",
        f"from {PAIRS}",
        "from sources/main/respond",
        f"from {folder.parent}/in.jsonl",
        *[f"with {folder.parent}/seed"] * 4,
    ]
    assert lines[4].startswith(f"from {JUDGEMENTS}, 2 records, sha256 ")
    assert all(line.endswith("unchanged") for line in lines if "sha256" in line)


def test_what_changed_since_is_told(loop: tuple[LoopConfig, Plan, Path]) -> None:
    _, plan, folder = loop
    write_rows(folder.parent / "in.jsonl", [{"id": "other"}])
    (folder / PAIRS / "manifest.json").unlink()

    shown = describe_lineage(plan, folder).splitlines()

    assert next(line for line in shown if "in.jsonl" in line).endswith("CHANGED since")
    assert next(line for line in shown if f"from {PAIRS}" in line).endswith("gone")


def test_no_judge_yet(tmp_path: Path) -> None:
    assert describe_lineage(make_plan(loop_config(), tmp_path), tmp_path) == "No round has a judge yet."


def test_an_example_leads_back_to_its_rows(loop: tuple[LoopConfig, Plan, Path]) -> None:
    _, plan, folder = loop

    lines = describe_example(plan, "e1").splitlines()

    assert [line for line in lines if not line.startswith(" ")] == [
        f"{DATA}  {folder}/{DATA}/train-00000.jsonl:1",
        f"{JUDGEMENTS}  {folder}/{JUDGEMENTS}/records-00000.jsonl:2",
        f"{PAIRS}  {folder}/{PAIRS}/records-00000.jsonl:1",
        f"sources/main/respond  {folder}/sources/main/respond/records-00000.jsonl:1",
        f"{folder.parent}/in.jsonl  {folder.parent}/in.jsonl:1",
    ]
    assert "    worse: 3" in lines


def test_an_unknown_example_is_refused(loop: tuple[LoopConfig, Plan, Path]) -> None:
    with pytest.raises(InputError, match="no training set of the loop has an example `nope`"):
        describe_example(loop[1], "nope")
