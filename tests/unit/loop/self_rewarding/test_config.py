"""A self-rewarding loop's configuration: the paper's policy by default; what cannot be is refused."""

from __future__ import annotations

from typing import Any

import pytest

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.loop.methods import build_loop_config
from ste_fairseq2.loop.self_rewarding.config import SelfRewardingConfig
from tests.loops import rewarding_config


def test_defaults_are_the_policy_of_the_paper() -> None:
    config = build_loop_config(
        {
            "method": "self_rewarding",
            "model": "m",
            "ranked": "r.jsonl",
            "sft": {"config_file": "s"},
            "dpo": {"config_file": "d"},
        }
    )

    assert isinstance(config, SelfRewardingConfig)
    assert (config.rounds, config.instructions, config.ranked) == (2, None, ("r.jsonl",))
    assert list(config.trainings()) == ["sft", "dpo"]


def test_without_rounds_only_sft_is_trained() -> None:
    assert list(rewarding_config(rounds=0, dpo=None).trainings()) == ["sft"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sources": {}}, "`sources` is not a field of this command; it has method, model, rounds,"),
        ({"rounds": -1}, "`rounds` must not be negative, but is -1."),
        ({"ranked": None}, "`ranked` must not be empty."),
        ({"dpo": None}, "`dpo` must be given, since the loop trains by dpo."),
        (
            {"instructions": "i.jsonl", "self_instruct": {"count": 5}},
            "`self_instruct` is not run where `instructions` are given.",
        ),
        ({"score": {"mode": "score"}}, "`score.mode` cannot be set, since the loop sets it itself."),
        ({"score": {"model": "m"}}, "`score.model` cannot be set, since the loop sets it itself."),
        ({"score": {"temperature": 0}}, "`score.samples` above 1 are all the same at temperature 0"),
        ({"candidates": {"samples": 0}}, "`candidates.samples` must be at least 1"),
        ({"candidates": {"inputs": "i"}}, "`candidates.inputs` cannot be set"),
        ({"self_instruct": {"count": 0}}, "`self_instruct.count` must be at least 1"),
        ({"prepare_ranked": {"inputs": ["r"]}}, "`prepare_ranked.inputs` cannot be set"),
        ({"prepare_ranked": {"held_out_share": 2}}, "`prepare_ranked.held_out_share` must be"),
        ({"prepare_eft": {"ift": "i"}}, "`prepare_eft.ift` cannot be set"),
        ({"prepare_preferences": {"min_gap": -1}}, "`prepare_preferences.min_gap` must not be negative"),
        ({"follow": {"../x": {}}}, "`follow.../x` must be a name of letters"),
        ({"follow": {"x": {"judge_options": {"a": 1}}}}, "`follow.x.judge_options` needs a `judge`."),
        ({"follow": {"x": {"model": "m"}}}, "`follow.x.model` cannot be set"),
        ({"launch": {"annotate": "local"}}, "`launch.annotate` is not a kind of step; there are"),
        (
            {"evaluate": {"r": {"benchmark": "ranked", "judge_options": {"mode": "scores"}}}},
            "`evaluate.r.judge_options.mode` must be one of compare, score, but is 'scores'.",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rewarding_config(**values)

    assert str(caught.value).startswith(message)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ConfigError, match="`method` must be one of self_taught, self_rewarding, but is"):
        build_loop_config({"method": "rlhf"})


def test_a_judge_of_single_answers_is_checked_as_one() -> None:
    judge = {"mode": "score", "samples": 3, "temperature": 0.7}

    config = rewarding_config(evaluate={"r": {"benchmark": "ranked", "judge_options": judge}})
    assert config.evaluate["r"]["judge_options"] == judge
