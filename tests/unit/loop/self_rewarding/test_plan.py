"""The plan of a self-rewarding loop says what runs, in which order, with which model, on which data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ste_fairseq2.loop.methods import make_plan
from ste_fairseq2.loop.plan import Plan, Step
from tests.loops import rewarding_config

D = Path("D")


def plan(**values: Any) -> Plan:
    return make_plan(rewarding_config(**values), D)


def step(made: Plan, name: str) -> Step:
    [found] = [step for step in made.steps if step.name == name]

    return found


def value_of(argv: tuple[str, ...], flag: str) -> str:
    return argv[argv.index(flag) + 1]


def test_the_papers_policy() -> None:
    made = plan()

    assert [step.name for step in made.steps] == [
        "ranked",
        *("ift/run", "ift/model"),
        *("m1/scores", "m1/data", "m1/run", "m1/model"),
        *("m2/instructions", "m2/candidates", "m2/scores", "m2/data", "m2/run", "m2/model"),
        *("m3/instructions", "m3/candidates", "m3/scores", "m3/data", "m3/run", "m3/model"),
    ]
    assert [round_.name for round_ in made.rounds] == ["seed", "IFT", "M1", "M2", "M3"]
    assert [str(round_.judge) for round_ in made.rounds] == [
        "seed-model",
        *("D/ift/model", "D/m1/model", "D/m2/model", "D/m3/model"),
    ]


def test_each_round_goes_on_from_the_last_model() -> None:
    made = plan()

    # Both trainings on people's answers start from the seed; the IFT model only writes EFT's judgements.
    assert [step(made, f"{name}/run").model for name in ("ift", "m1", "m2", "m3")] == [
        *("seed-model", "seed-model", "D/m1/model", "D/m2/model"),
    ]
    assert "reference_model.name=D/m2/model" in step(made, "m3/run").argv
    # A model answers and scores itself; new instructions are the seed model's in all rounds.
    for stage, models in {
        "scores": {"m1": "D/ift/model", "m2": "D/m1/model", "m3": "D/m2/model"},
        "candidates": {"m2": "D/m1/model", "m3": "D/m2/model"},
        "instructions": {"m2": "seed-model", "m3": "seed-model"},
    }.items():
        assert {name: step(made, f"{name}/{stage}").model for name in models} == models


def test_data_go_from_step_to_step() -> None:
    made = plan(ranked=["a.jsonl", "b.jsonl"])

    ranked = step(made, "ranked")
    assert ranked.argv[:5] == ("ste", "prepare-ranked", "--inputs", "a.jsonl", "b.jsonl")
    assert ranked.reads == ("a.jsonl", "b.jsonl")
    assert step(made, "ift/run").environment == {"STE_SFT_DATA": "D/ranked/ift.jsonl"}
    assert step(made, "m1/scores").reads == ("D/ranked/train.jsonl",)
    assert step(made, "m1/data").reads == ("D/m1/scores", "D/ranked/ift.jsonl")
    assert value_of(step(made, "m1/data").argv, "--ift") == "D/ranked/ift.jsonl"
    assert step(made, "m1/run").environment == {"STE_SFT_DATA": "D/m1/data"}
    assert step(made, "m2/instructions").reads == ("D/ranked/ift.jsonl",)
    assert step(made, "m2/candidates").reads == ("D/m2/instructions",)
    assert step(made, "m2/scores").reads == ("D/m2/candidates",)
    assert step(made, "m2/data").reads == ("D/m2/scores",)
    assert step(made, "m2/run").environment == {"STE_DPO_DATA": "D/m2/data"}


def test_command_lines() -> None:
    made = plan(engine={"tensor_parallel_size": 2}, score={"max_tokens": 9}, candidates={"samples": 8})

    assert step(made, "m2/candidates").argv == (
        *("ste", "respond", "--inputs", "D/m2/instructions", "--output", "D/m2/candidates"),
        *("--seed", "5", "--tensor-parallel-size", "2", "--samples", "8", "--model", "D/m1/model"),
    )
    assert step(made, "m2/scores").argv == (
        *("ste", "judge", "--inputs", "D/m2/candidates", "--output", "D/m2/scores", "--seed", "5"),
        *("--tensor-parallel-size", "2", "--mode", "score", "--samples", "3"),
        *("--temperature", "0.7", "--top-p", "0.9", "--max-tokens", "9", "--model", "D/m1/model"),
    )
    assert step(made, "m3/data").argv == (
        *("ste", "prepare-preferences", "--scores-dir", "D/m3/scores", "--output-dir", "D/m3/data"),
        *("--seed", "6"),
    )


def test_given_instructions_are_those_of_all_rounds() -> None:
    made = plan(instructions="new.jsonl")

    assert not [step for step in made.steps if step.kind == "self_instruct"]
    assert [step(made, f"{name}/candidates").reads for name in ("m2", "m3")] == [("new.jsonl",)] * 2


def test_every_model_is_tested_as_a_judge_and_by_its_answers() -> None:
    made = plan(
        rounds=1,
        evaluate={"ranks": {"benchmark": "ranked"}, "own": {"benchmark": "ranked", "data": "x.jsonl"}},
        follow={"people": {}, "maths": {"inputs": "q.jsonl", "max_tokens": 4}},
    )

    for name, model in {"seed": "seed-model", "ift": "D/ift/model", "m2": "D/m2/model"}.items():
        # Answers that people ranked and no training sees.
        assert step(made, f"{name}/evaluate/ranks").reads == ("D/ranked/held_out.jsonl",)
        assert step(made, f"{name}/evaluate/own").reads == ("x.jsonl",)
        assert step(made, f"{name}/follow/people").reads == ("D/ranked/held_out.jsonl",)
        assert step(made, f"{name}/follow/maths").reads == ("q.jsonl",)
        assert {step.model for step in made.steps if step.name.startswith(f"{name}/follow")} == {model}
    maths = step(made, "m2/follow/maths")
    assert maths.argv[:2] == ("ste", "follow")
    assert value_of(maths.argv, "--max-tokens") == "4"
    assert made.rounds[-1].followings == {n: D / "m2/follow" / n for n in ("people", "maths")}
    assert made.rounds[-1].evaluations == {n: D / "m2/evaluate" / n for n in ("ranks", "own")}


def test_a_file_within_an_output_was_made_by_its_step() -> None:
    made = plan()

    found = made.maker_of("D/ranked/train.jsonl")
    assert found is not None
    assert found.name == "ranked"
    assert made.maker_of("r.jsonl") is None
    assert made.maker_of("D/other/x") is None
