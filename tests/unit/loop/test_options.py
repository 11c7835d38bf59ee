"""Options become flags which the stage's own command line reads as the same configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.cli.config import parse_config
from ste_fairseq2.config_values import build_config
from ste_fairseq2.errors import ConfigError
from ste_fairseq2.loop.options import STAGES, check_options, to_assignments, to_flags

ENGINE = {
    "tensor_parallel_size": 8,
    "distributed_backend": "ray",
    "engine_options": {"gpu_memory_utilization": 0.85, "dtype": "float32", "limit": "a=b"},
    "request_timeout": 30,
    "token_budget": None,
}

PLACES = {"inputs": "in folder", "output": "out", "model": "a model"}

CASES = [
    (
        "select",
        ENGINE
        | {"inputs": "hg://a/b", "output": "o", "model": "m"}
        | {"languages": ["English", "Old French"], "keep_toxic": True, "count": 5, "max_chars": 10},
    ),
    ("select", {"inputs": "i", "output": "o", "languages": []}),
    ("respond", ENGINE | PLACES | {"temperature": 0.0, "top_p": 1.0, "max_tokens": 8}),
    ("worsen", PLACES | {"temperature": 1e-06, "seed": 2**62 + 1}),
    ("annotate", PLACES | {"samples": 15, "prompt": "prompts/mine: new.prompt", "limit": 3}),
    (
        "prepare-sft",
        {"generation_dir": [Path("a b"), "c"], "output_dir": Path("d")}
        | {"mix": [0.5, 2], "balance": False, "majority_voting": None},
    ),
    (
        "prepare-dpo",
        {"generation_dir": ["a"], "output_dir": "d", "balance": True}
        | {"rejected_share": {"wrong": 1, "tie": 0.25}, "num_pairs": 3},
    ),
    (
        "evaluate",
        {"output": "o", "model": "m", "benchmark": "pairs", "level": 0.9}
        | {"judge_options": {"samples": 3, "temperature": 0.5, "prompt": "released-judge"}},
    ),
    ("evaluate", {"output": "o", "model": "m", "benchmark": "pairs", "judge_options": {}}),
]


@pytest.mark.parametrize(("stage", "options"), CASES)
def test_flags_are_read_as_what_they_were_written_from(stage: str, options: dict[str, Any]) -> None:
    kls = STAGES[stage].config()

    read = parse_config(kls, to_flags(options), prog="ste", description="")

    assert read == build_config(kls, options)


def test_how_values_are_written() -> None:
    flags = to_flags(
        {
            "top_p": 0.9,
            "count": 20582,
            "path": Path("a/b"),
            "both_orders": True,
            "keep_toxic": False,
            "limit": None,
            "languages": ["English", "French"],
            "mix": (1.0, 0.5),
            "engine_options": {"dtype": "float32", "eager": True},
            "benchmarks": [],
            "judge_options": {},
        }
    )

    assert flags == (
        *("--top-p", "0.9", "--count", "20582", "--path", "a/b", "--both-orders", "--no-keep-toxic"),
        *("--languages", "English", "French", "--mix", "1.0", "0.5"),
        *("--engine-options", "dtype=float32", "eager=true"),
    )


def test_assignments_are_written_as_yaml() -> None:
    values = {"a.b": None, "c": True, "d": [0.9, 0.95], "e": "bfloat16", "f": 3, "g": {"h": "é"}}

    assert to_assignments(values) == (
        *("a.b=null", "c=true", "d=[0.9, 0.95]", "e=bfloat16", "f=3", 'g={"h": "é"}'),
    )


@pytest.mark.parametrize(
    ("stage", "options", "message"),
    [
        ("select", {"max_chars": None}, "`s.max_chars` cannot be empty in a loop; its default is 8000"),
        (
            "prepare-dpo",
            {"rejected_share": {}},
            "`s.rejected_share` cannot be empty in a loop; its default is",
        ),
        ("select", {"model": None}, "`s.model` must not be empty."),
        ("respond", {"seed": None}, "`s.seed` must not be empty."),
        ("annotate", {"inputs": "x"}, "`s.inputs` cannot be set, since the loop sets it itself."),
        ("prepare-sft", {"output_dir": "x"}, "`s.output_dir` cannot be set"),
        ("evaluate", {"checkpoints": "x", "benchmark": "pairs"}, "`s.judgements` must be given, or"),
        ("judge", {"both_orders": True}, "`s.both_orders` cannot be set"),
    ],
)
def test_what_a_command_line_cannot_say_or_the_loop_says_is_refused(
    stage: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        check_options("s", stage, options)

    assert str(caught.value).startswith(message)


def test_what_the_loop_sets_only_where_the_user_does_not_may_be_set() -> None:
    check_options("respond", "respond", {"model": "other", "seed": 5})
    check_options("respond", "respond", {})


def test_an_option_without_a_default_may_be_empty() -> None:
    check_options("select", "select", {"count": None, "languages": []})
