"""The plan says exactly what runs, in which order, with which model, on which data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.loop.methods import make_plan
from ste_fairseq2.loop.plan import Plan, Step, job_name, log_of
from tests.loops import loop_config

D = Path("D")


def plan(**values: Any) -> Plan:
    return make_plan(loop_config(**values), D)


def names(made: Plan) -> list[str]:
    return [step.name for step in made.steps]


def step(made: Plan, name: str) -> Step:
    [found] = [step for step in made.steps if step.name == name]

    return found


def value_of(argv: tuple[str, ...], flag: str) -> str:
    return argv[argv.index(flag) + 1]


BENCHMARK = {"held": {"benchmark": "pairs", "data": "held.jsonl"}}


def test_the_papers_policy() -> None:
    made = plan(rounds=2, evaluate=BENCHMARK, select={"count": 9})

    assert names(made) == [
        *("sources/main/select", "sources/main/respond", "sources/main/worsen"),
        "round-0/evaluate/held",
        *("round-1/sft/annotate/main", "round-1/sft/data", "round-1/sft/run", "round-1/sft/model"),
        "round-1/evaluate/held",
        *("round-2/sft/annotate/main", "round-2/sft/data", "round-2/sft/run", "round-2/sft/model"),
        "round-2/evaluate/held",
    ]
    # The judge of a round draws the next one's judgements, but every training starts from the seed.
    assert step(made, "round-1/sft/annotate/main").model == "seed-model"
    assert step(made, "round-2/sft/annotate/main").model == "D/round-1/sft/model"
    assert [step(made, f"round-{n}/sft/run").model for n in (1, 2)] == ["seed-model", "seed-model"]
    # The same pairs in both rounds.
    assert {step(made, f"round-{n}/sft/annotate/main").reads for n in (1, 2)} == {
        ("D/sources/main/worsen",)
    }
    assert [round_.judge for round_ in made.rounds] == [
        Path("seed-model"),
        Path("D/round-1/sft/model"),
        Path("D/round-2/sft/model"),
    ]


def test_command_lines() -> None:
    made = plan(
        seed=7,
        engine={"tensor_parallel_size": 2},
        annotate={"samples": 4, "top_p": 1.0},
        prepare_sft={"min_agreement": 0.5},
        sft={"config_file": "sft.yaml", "config": {"regime.num_steps": None}, "dtype": "float32"},
        evaluate={"held": BENCHMARK["held"] | {"judge_options": {"samples": 3, "temperature": 0.7}}},
    )

    assert step(made, "round-1/sft/annotate/main").argv == (
        *("ste", "annotate", "--inputs", "D/sources/main/worsen"),
        *("--output", "D/round-1/sft/annotate/main", "--seed", "8"),
        *("--tensor-parallel-size", "2", "--samples", "4", "--top-p", "1.0"),
        *("--model", "seed-model"),
    )
    assert step(made, "round-1/sft/data").argv == (
        *("ste", "prepare-sft", "--generation-dir", "D/round-1/sft/annotate/main"),
        *("--output-dir", "D/round-1/sft/data", "--seed", "8", "--min-agreement", "0.5"),
    )
    training = step(made, "round-1/sft/run")
    assert training.argv == (
        *("fairseq2", "lm", "instruction_finetune", "D/round-1/sft/run"),
        *("--config-file", "sft.yaml", "--no-rich", "--config", "model.name=seed-model"),
        *("common.seed=8", "common.no_sweep_dir=true", "regime.num_steps=null"),
    )
    assert training.environment == {"STE_SFT_DATA": "D/round-1/sft/data"}
    assert step(made, "round-1/sft/model").argv == (
        *("fairseq2", "lm", "export", "--checkpoint-dir", "D/round-1/sft/run/checkpoints"),
        *("--output", "D/round-1/sft/model", "--checkpoint", "last", "--dtype", "float32"),
    )
    assert step(made, "round-1/evaluate/held").argv == (
        *("ste", "evaluate", "--output", "D/round-1/evaluate/held"),
        *("--model", "D/round-1/sft/model", "--benchmark", "pairs", "--data", "held.jsonl"),
        *("--judge-options", "tensor_parallel_size=2", "samples=3", "temperature=0.7"),
    )


def test_the_releases_policy() -> None:
    made = plan(training=["sft", "dpo"])

    assert names(made)[2:] == [
        *("round-1/sft/annotate/main", "round-1/sft/data", "round-1/sft/run", "round-1/sft/model"),
        *("round-1/dpo/annotate/main", "round-1/dpo/data", "round-1/dpo/run", "round-1/dpo/model"),
    ]
    # The SFT model writes the judgements of the pairs, and is policy and reference.
    assert step(made, "round-1/dpo/annotate/main").model == "D/round-1/sft/model"
    training = step(made, "round-1/dpo/run")
    assert training.model == "D/round-1/sft/model"
    assert "model.name=D/round-1/sft/model" in training.argv
    assert "reference_model.name=D/round-1/sft/model" in training.argv
    assert "common.assets.prev_checkpoint_dir=null" in training.argv
    assert training.environment == {"STE_DPO_DATA": "D/round-1/dpo/data"}
    assert made.rounds[1].judge == Path("D/round-1/dpo/model")


def test_training_goes_on_from_the_last_judge() -> None:
    made = plan(rounds=2, training=["dpo"], train_from="last")

    assert [step(made, f"round-{n}/dpo/run").model for n in (1, 2)] == [
        "seed-model",
        "D/round-1/dpo/model",
    ]


def test_another_model_judges_first() -> None:
    made = plan(rounds=2, first_judge="mixtral")

    assert step(made, "round-1/sft/annotate/main").model == "mixtral"
    assert step(made, "round-2/sft/annotate/main").model == "D/round-1/sft/model"
    assert step(made, "round-1/sft/run").model == "seed-model"


def test_fresh_pairs_every_round_have_other_seeds() -> None:
    made = plan(rounds=2, pairs="every_round", select={}, seed=3)

    assert [name for name in names(made) if "respond" in name or "select" in name] == [
        "sources/main/select",
        "round-1/pairs/main/respond",
        "round-2/pairs/main/respond",
    ]
    responses = [step(made, f"round-{n}/pairs/main/respond") for n in (1, 2)]
    assert [value_of(one.argv, "--seed") for one in responses] == ["4", "5"]
    assert {one.reads for one in responses} == {("D/sources/main/select",)}
    assert step(made, "round-2/sft/annotate/main").reads == ("D/round-2/pairs/main/worsen",)


def test_sources_begin_where_they_are_and_are_mixed_by_weight() -> None:
    sources = {
        "a": {"instructions": "a.jsonl", "weight": 2, "select": {"count": 5}},
        "b": {"responses": "b.jsonl"},
        "c": {"pairs": "c.jsonl", "weight": 0.5},
    }
    made = plan(sources=sources)

    assert names(made)[:5] == [
        *("sources/a/select", "sources/a/respond", "sources/a/worsen"),
        "sources/b/worsen",
        "round-1/sft/annotate/a",
    ]
    assert step(made, "round-1/sft/annotate/c").reads == ("c.jsonl",)
    curation = step(made, "round-1/sft/data")
    assert curation.reads == tuple(f"D/round-1/sft/annotate/{name}" for name in "abc")
    mix = curation.argv.index("--mix")
    assert curation.argv[mix + 1 : mix + 4] == ("2.0", "1.0", "0.5")


def test_every_checkpoint_judges_before_one_is_exported() -> None:
    made = plan(
        sft={"config_file": "sft.yaml", "checkpoint": "judged"},
        choose={"benchmark": "pairs", "data": "held.jsonl"},
    )

    assert names(made)[-2:] == ["round-1/sft/choice", "round-1/sft/model"]
    choice = step(made, "round-1/sft/choice").argv
    assert value_of(choice, "--checkpoints") == "D/round-1/sft/run"
    export = step(made, "round-1/sft/model")
    assert value_of(export.argv, "--checkpoint") == "D/round-1/sft/choice/checkpoints.json"
    assert export.reads == ("D/round-1/sft/choice",)


def test_no_round_makes_pairs_and_scores_the_seed() -> None:
    assert names(plan(rounds=0, evaluate=BENCHMARK)) == [
        *("sources/main/respond", "sources/main/worsen", "round-0/evaluate/held")
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"rounds": 3, "training": ["sft", "dpo"], "evaluate": BENCHMARK},
        {"rounds": 2, "pairs": "every_round", "train_from": "last", "select": {}},
    ],
)
def test_steps_read_what_earlier_ones_wrote(values: dict[str, Any]) -> None:
    written: set[str] = set()
    made = plan(**values)
    for one in made.steps:
        places = [*one.reads, *([one.model] if one.model is not None else [])]
        assert {place for place in places if place.startswith("D/")} <= written, one.name
        written.add(str(one.output))
    assert len(written) == len(made.steps) == len(set(names(made)))


def test_job_and_log_are_named_after_the_step(tmp_path: Path) -> None:
    one = step(plan(), "round-1/sft/run")

    assert log_of(tmp_path, one) == tmp_path / "logs" / "round-1.sft.run.log"
    assert job_name(tmp_path, one).endswith("-round-1-sft-run")
    assert job_name(tmp_path, one) != job_name(tmp_path / "other", one)
