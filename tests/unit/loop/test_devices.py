"""How many devices share a stage's work, by its own options and the common ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.devices import num_devices
from ste_fairseq2.loop.methods import make_plan
from ste_fairseq2.loop.plan import Step
from tests.loops import loop_config


def step_of(config: LoopConfig, name: str) -> Step:
    [found] = [step for step in make_plan(config, Path("D")).steps if step.name == name]

    return found


CONFIG = loop_config(
    engine={"tensor_parallel_size": 4},
    select={"model": "m", "count": 9},
    sources={
        "common": {"instructions": "i"},
        "own": {"instructions": "i", "select": {"tensor_parallel_size": 1, "count": 5}},
    },
    respond={"tensor_parallel_size": 2, "data_parallel_size": 3},
    annotate={"pipeline_parallel_size": 2},
    sft={"config_file": "f", "checkpoint": "judged"},
    choose={"benchmark": "pairs", "judge_options": {"tensor_parallel_size": "8"}},
    evaluate={
        "common": {"benchmark": "pairs"},
        "own": {"benchmark": "pairs", "judge_options": {"tensor_parallel_size": 1}},
    },
)


@pytest.mark.parametrize(
    ("name", "devices"),
    [
        ("sources/common/select", 4),
        ("sources/own/select", 1),
        ("sources/common/respond", 2 * 3),
        ("sources/common/worsen", 4),
        ("round-1/sft/annotate/own", 4 * 2),
        ("round-1/sft/data", 1),
        ("round-1/sft/choice", 8),
        ("round-1/sft/model", 1),
        ("round-0/evaluate/common", 4),
        ("round-1/evaluate/own", 1),
    ],
)
def test_devices_of_a_stage(name: str, devices: int) -> None:
    assert num_devices(CONFIG, step_of(CONFIG, name)) == devices


def test_a_selection_is_that_of_its_source() -> None:
    assert step_of(CONFIG, "sources/common/select").options["count"] == 9
    assert step_of(CONFIG, "sources/own/select").options["count"] == 5


@pytest.mark.parametrize(
    ("options", "devices"),
    [
        ([], 1),
        (["--nodes=2"], 2),
        (["--nodes", "3", "--ntasks-per-node", "8"], 24),
        (["-N2", "--gpus-per-node=h100:8"], 16),
        (["-N", "4", "--gpus-per-node=2"], 8),
    ],
)
def test_options_of_slurm_are_read_in_both_ways(options: list[str], devices: int) -> None:
    config: Any = loop_config(launch={"sft": {"srun": options}})

    assert num_devices(config, step_of(config, "round-1/sft/run")) == devices
