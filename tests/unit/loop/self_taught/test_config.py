"""A loop's configuration: the paper's policy by default; what cannot be meant is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.config_values import build_config
from ste_fairseq2.errors import ConfigError
from ste_fairseq2.loop.launch import Launch
from ste_fairseq2.loop.self_taught.config import SelfTaughtConfig
from tests.loops import loop_config


def test_defaults_are_the_policy_of_the_paper() -> None:
    config = build_config(
        SelfTaughtConfig,
        {
            "model": "m",
            "sources": {"a": {"instructions": "a.jsonl"}},
            "sft": {"config_file": "sft.yaml"},
        },
    )

    assert (config.rounds, config.training, config.train_from, config.pairs) == (
        *(5, ("sft",)),
        *("seed", "once"),
    )
    assert config.seed == 2
    assert config.select is None
    assert config.first_judge is None
    assert config.sft is not None
    assert (config.sft.checkpoint, config.sft.dtype) == ("last", "bfloat16")
    assert config.sources["a"].weight == 1.0
    assert set(config.launches().values()) == {Launch()}


PAIRS = {"pairs": "p.jsonl"}
BENCHMARK = {"benchmark": "pairs"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rounds": -1}, "`rounds` must not be negative, but is -1."),
        ({"sources": {}}, "`sources` must name at least one source"),
        ({"sources": {"../x": PAIRS}}, "`sources.../x` must be a name of letters, digits"),
        ({"sources": {"": PAIRS}}, "`sources.` must be a name of letters, digits"),
        ({"sources": {"a": {}}}, "`sources.a.instructions` must be given, or else one of"),
        (
            {"sources": {"a": {"instructions": "i", "pairs": "p"}}},
            "`sources.a.instructions` must be given, or else one of",
        ),
        (
            {"sources": {"a": {"pairs": "p", "select": {}}}},
            "`sources.a.select` needs `instructions` to select from.",
        ),
        ({"sources": {"a": PAIRS | {"weight": 0}}}, "`sources.a.weight` must be above 0, but is 0.0."),
        ({"sources": {"a": PAIRS | {"wieght": 1}}}, "`sources.a.wieght` is not a field"),
        (
            {"sources": {"a": PAIRS}, "pairs": "every_round"},
            "`sources.a.pairs` cannot be made anew every round.",
        ),
        ({"pairs": "never"}, "`pairs` must be one of once, every_round, but is 'never'."),
        ({"train_from": "first"}, "`train_from` must be one of seed, last, but is 'first'."),
        ({"training": []}, "`training` must name sft, dpo or both, each once."),
        ({"training": ["sft", "sft"]}, "`training` must name sft, dpo or both, each once."),
        ({"training": ["ppo"]}, "`training` must be one of sft, dpo, but is 'ppo'."),
        ({"sft": None}, "`sft` must be given, since the loop trains by sft."),
        ({"training": ["dpo"], "dpo": None}, "`dpo` must be given, since the loop trains by dpo."),
        ({"sft": {"checkpoint": "last"}}, "`sft.config_file` must be given."),
        (
            {"sft": {"config_file": "f", "checkpoint": "step_"}},
            "`sft.checkpoint` must be last, best, judged or step_N, but is 'step_'.",
        ),
        (
            {"sft": {"config_file": "f", "checkpoint": "judged"}},
            "`choose` must be given, since `sft.checkpoint` is judged.",
        ),
        ({"sft": {"config_file": "f", "dtype": "int8"}}, "`sft.dtype` must be one of bfloat16,"),
        ({"sft": {"config_file": "f", "config": ["a"]}}, "`sft.config` must be given as NAME=VALUE"),
        ({"evaluate": {"a/b": BENCHMARK}}, "`evaluate.a/b` must be a name of letters, digits"),
        ({"launch": {"sfd": "local"}}, "`launch.sfd` is not a kind of step; there are default, select,"),
        ({"launch": {"sft": {"torchrun": 0}}}, "`launch.sft.torchrun` must be a number of processes"),
        ({"launch": {"default": {"torchrun": 8}}}, "`launch.select` cannot be torchrun"),
        ({"rouns": 3}, "`rouns` is not a field of this command; it has method, model, rounds,"),
    ],
)
def test_what_cannot_be_meant_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loop_config(**values)

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"engine": {"tensor_parallel_size": 0}}, "`engine.tensor_parallel_size` must be at least 1"),
        ({"engine": {"model": "m"}}, "`engine.model` cannot be set, since the loop sets it itself."),
        ({"select": {"cuont": 5}}, "`select.cuont` is not a field"),
        ({"select": {"count": "many"}}, "`select.count` must be a whole number, but is 'many'."),
        (
            {"sources": {"a": {"instructions": "i", "select": {"count": "many"}}}},
            "`sources.a.select.count` must be a whole number, but is 'many'.",
        ),
        ({"respond": {"inputs": "x"}}, "`respond.inputs` cannot be set, since the loop sets it itself."),
        ({"respond": {"top_p": 2}}, "`respond.top_p` "),
        ({"worsen": {"output": "x"}}, "`worsen.output` cannot be set"),
        ({"worsen": {"max_tokens": 1.5}}, "`worsen.max_tokens` must be a whole number, but is 1.5."),
        ({"annotate": {"model": "x"}}, "`annotate.model` cannot be set"),
        ({"annotate": {"samples": 0}}, "`annotate.samples` must be at least 1, but is 0."),
        ({"prepare_sft": {"num_pairs": 3}}, "`prepare_sft.num_pairs` is not a field"),
        ({"prepare_sft": {"min_agreement": 2}}, "`prepare_sft.min_agreement` must be from 0 to 1"),
        (
            {"training": ["dpo"], "prepare_dpo": {"num_pairs": 0}},
            "`prepare_dpo.num_pairs` must be at least 1, but is 0.",
        ),
        ({"evaluate": {"b": {}}}, "`evaluate.b.benchmark` must be given, for the model to judge."),
        ({"evaluate": {"b": BENCHMARK | {"model": "m"}}}, "`evaluate.b.model` cannot be set"),
        (
            {"evaluate": {"b": BENCHMARK | {"judge_options": {"samples": "many"}}}},
            "`evaluate.b.judge_options.samples` must be a whole number, but is 'many'.",
        ),
        (
            {"evaluate": {"b": BENCHMARK | {"judge_options": ["samples=3"]}}},
            "`evaluate.b.judge_options` must hold field: value lines",
        ),
        (
            {"choose": BENCHMARK | {"judge_options": {"both_orders": "false"}}},
            "`choose.judge_options.both_orders` cannot be set",
        ),
        ({"choose": {"benchmark": "pairs", "level": 1}}, "`choose.level` must be between 0 and 1"),
    ],
)
def test_options_of_stages_are_refused_early_by_their_section(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        loop_config(**values)

    assert str(caught.value).startswith(message)


def test_options_of_a_training_set_that_is_not_made_are_not_looked_at() -> None:
    assert loop_config(training=["sft"], prepare_dpo={"num_pairs": 0}).prepare_dpo == {"num_pairs": 0}


@pytest.mark.parametrize("checkpoint", ["last", "best", "step_12", "judged"])
def test_checkpoints(checkpoint: str) -> None:
    config = loop_config(sft={"config_file": "f", "checkpoint": checkpoint}, choose=BENCHMARK)

    assert config.trainings()["sft"].checkpoint == checkpoint


def test_trainings_stand_in_the_order_of_a_round() -> None:
    config = loop_config(training=["dpo", "sft"])

    assert list(config.trainings()) == ["dpo", "sft"]
    assert config.trainings()["dpo"].config_file == Path("dpo.yaml")


def test_what_a_source_selects_by_wins_over_the_common_options() -> None:
    config = loop_config(
        select={"count": 5, "min_chars": 3},
        sources={
            "common": {"instructions": "i"},
            "own": {"instructions": "i", "select": {"count": 7}},
        },
    )

    assert config.selection_of(config.sources["common"]) == {"count": 5, "min_chars": 3}
    assert config.selection_of(config.sources["own"]) == {"count": 7, "min_chars": 3}
    assert loop_config().selection_of(config.sources["common"]) is None
    # No options are a selection too, with the defaults of the stage.
    assert loop_config(select={}).selection_of(config.sources["common"]) == {}


def test_each_kind_is_launched_as_it_says_or_as_the_default() -> None:
    launches = loop_config(
        launch={"default": {"srun": ["-N1"]}, "sft": {"torchrun": 2}, "export": "local"}
    ).launches()

    assert launches["sft"] == Launch(way="torchrun", processes=2)
    assert launches["export"] == Launch()
    assert {launches[k] for k in SelfTaughtConfig.STEP_KINDS if k not in ("sft", "export")} == {
        Launch(way="srun", options=("-N1",))
    }


def test_a_training_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "sft.yaml").touch()
    values = {
        "sft": {"config_file": tmp_path / "sft.yaml"},
        "dpo": {"config_file": tmp_path / "none.yaml"},
    }
    loop_config(training=["sft"], **values).check_files()

    with pytest.raises(ConfigError, match=r"`dpo\.config_file` names `.*none\.yaml`, which does not"):
        loop_config(training=["sft", "dpo"], **values).check_files()


def test_without_a_round_no_training_is_needed() -> None:
    config = build_config(
        SelfTaughtConfig, {"model": "m", "sources": {"main": {"pairs": "p.jsonl"}}, "rounds": 0}
    )

    assert config.trainings() == {}
