"""One training example leads back to the rows it came of, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ste_fairseq2.errors import InputError
from ste_fairseq2.loop.example import describe_example
from ste_fairseq2.loop.methods import make_plan
from ste_fairseq2.loop.plan import Plan
from tests.loops import leave_manifest, loop_config
from tests.rows import write


def stage(folder: Path, *rows: dict[str, object], name: str = "records-00000.jsonl") -> Path:
    leave_manifest(folder, {"kept": len(rows)})

    return write(folder / name, list(rows))


@pytest.fixture
def loop(tmp_path: Path) -> tuple[Plan, Path]:
    source = write(
        tmp_path / "in.jsonl", [{"id": "q0"}, {"id": "q1", "instruction": "Add 2\nand   2.", "x": 1}]
    )
    folder = tmp_path / "L"
    config = loop_config(
        training=["sft", "dpo"], sources={"main": {"instructions": str(source)}}, select={}
    )
    main, one = folder / "sources" / "main", folder / "round-1"
    stage(main / "select", {"id": "q1", "instruction": "Add 2\nand   2.", "category": "maths"})
    stage(main / "respond", {"id": "q9"}, {"id": "q1", "instruction": "Add", "baseline": "4" * 201})
    stage(main / "worsen", {"id": "q1", "baseline": "4", "worse": "5", "modified_instruction": "Sub"})
    judgements = [
        {"id": f"q1:0_1:{n}", "vllm_output": f"text {n}", "order": "0_1", "pair_id": "q1"}
        for n in range(3)
    ]
    stage(one / "sft" / "annotate" / "main", *judgements)
    stage(one / "dpo" / "annotate" / "main", *reversed(judgements))
    example = {"id": "e1", "sample_id": "q1:0_1:1", "pair_id": "q1", "gold": "A"}
    stage(one / "sft" / "data", {"id": "e0"}, example, name="train-00000.jsonl")
    pair = {
        "id": "d1",
        "chosen_sample_id": "q1:0_1:0",
        "rejected_sample_id": "q1:0_1:2",
        "pair_id": "q1",
    }
    stage(one / "dpo" / "data", pair, name="train-00000.jsonl")

    return make_plan(config, folder), folder


def test_an_sft_example(loop: tuple[Plan, Path]) -> None:
    plan, folder = loop
    main, one = folder / "sources" / "main", folder / "round-1" / "sft"

    assert describe_example(plan, "e1").splitlines() == [
        f"round-1/sft/data  {one / 'data' / 'train-00000.jsonl'}:2",
        "    gold: A",
        f"round-1/sft/annotate/main  {one / 'annotate' / 'main' / 'records-00000.jsonl'}:2",
        *("    vllm_output: text 1", "    order: 0_1"),
        f"sources/main/worsen  {main / 'worsen' / 'records-00000.jsonl'}:1",
        *("    baseline: 4", "    worse: 5", "    modified_instruction: Sub"),
        f"sources/main/respond  {main / 'respond' / 'records-00000.jsonl'}:2",
        *("    instruction: Add", f"    baseline: {'4' * 200}…"),
        f"sources/main/select  {main / 'select' / 'records-00000.jsonl'}:1",
        *("    instruction: Add 2 and 2.", "    category: maths"),
        f"{folder.parent / 'in.jsonl'}  {folder.parent / 'in.jsonl'}:2",
        "    instruction: Add 2 and 2.",
    ]


def test_a_preference_pair_has_two_judgements(loop: tuple[Plan, Path]) -> None:
    plan, folder = loop
    shown = describe_example(plan, "d1").splitlines()

    judged = folder / "round-1" / "dpo" / "annotate" / "main" / "records-00000.jsonl"
    assert [line for line in shown if "annotate" in line] == [
        *(f"round-1/dpo/annotate/main  {judged}:1", f"round-1/dpo/annotate/main  {judged}:3"),
    ]
    assert [line.strip() for line in shown if "vllm_output" in line] == [
        *("vllm_output: text 2", "vllm_output: text 0"),
    ]
    assert sum(line.startswith("sources/main/worsen ") for line in shown) == 1


def test_of_several_sources_only_the_one_it_came_of_is_shown(tmp_path: Path) -> None:
    sources = {name: {"pairs": str(tmp_path / f"{name}.jsonl")} for name in ("a", "b")}
    for name in sources:
        write(tmp_path / f"{name}.jsonl", [{"id": "q1", "instruction": f"of {name}"}])
    one = tmp_path / "L" / "round-1" / "sft"
    stage(one / "annotate" / "a", {"id": "q1:0_1:0"})
    stage(one / "annotate" / "b", {"id": "q1:1_0:0"})
    stage(one / "data", {"id": "e", "sample_id": "q1:1_0:0", "pair_id": "q1"}, name="train-0.jsonl")

    text = describe_example(make_plan(loop_config(sources=sources), tmp_path / "L"), "e")

    assert "of b" in text
    assert "of a" not in text


@pytest.mark.parametrize("place", ["hg://allenai/WildChat-1M", "nowhere.jsonl", "parquet"])
def test_instructions_that_are_no_jsonl_end_the_way(place: str, tmp_path: Path) -> None:
    (tmp_path / "parquet").mkdir()
    (tmp_path / "parquet" / "a.parquet").write_bytes(b"PAR1")
    source = str(tmp_path / place) if place == "parquet" else place
    main, one = tmp_path / "L" / "sources" / "main", tmp_path / "L" / "round-1" / "sft"
    stage(main / "respond", {"id": "q1", "baseline": "4"})
    stage(main / "worsen", {"id": "q1", "worse": "5"})
    stage(one / "annotate" / "main", {"id": "q1:0_1:0"})
    stage(one / "data", {"id": "e", "sample_id": "q1:0_1:0", "pair_id": "q1"}, name="train-0.jsonl")
    config = loop_config(sources={"main": {"instructions": source}})

    shown = describe_example(make_plan(config, tmp_path / "L"), "e").splitlines()

    assert shown[-1] == "    baseline: 4"


def test_an_unknown_id_is_refused(loop: tuple[Plan, Path]) -> None:
    with pytest.raises(InputError, match="no training set of the loop has an example `e7`; ids are in"):
        describe_example(loop[0], "e7")
    # A judgement is no example.
    with pytest.raises(InputError):
        describe_example(loop[0], "q1:0_1:1")
