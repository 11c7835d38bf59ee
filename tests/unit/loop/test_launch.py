"""The same command line on this machine, under torchrun, and under SLURM in both ways."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.loop.launch import Launch, locate, parse_launch

TRAINING = ("fairseq2", "lm", "preference_finetune", "out dir", "--no-rich", "--config", "a=1")
STAGE = ("ste", "annotate", "--inputs", "in dir")

BIN = Path(sys.executable).parent


def wrap(value: Any, argv: tuple[str, ...], kind: str = "sft") -> list[str]:
    launch = parse_launch("launch.x", value, kind)

    return list(launch.wrap(argv, job_name="job-1", log=Path("logs/x.log")))


def test_local_is_the_command_itself() -> None:
    assert wrap("local", STAGE) == list(STAGE)


def test_torchrun_runs_the_recipe_as_a_module() -> None:
    assert wrap({"torchrun": 8}, TRAINING, "dpo") == [
        *("torchrun", "--standalone", "--nproc-per-node=8", "-m", "recipes.preference_finetune"),
        *("out dir", "--no-rich", "--config", "a=1"),
    ]


def test_srun_has_its_options_first_and_the_full_path_of_the_program() -> None:
    assert wrap({"srun": ["--nodes=2", "--exclusive"]}, STAGE, "annotate") == [
        *("srun", "--nodes=2", "--exclusive", "--job-name=job-1"),
        *(str(BIN / "ste"), "annotate", "--inputs", "in dir"),
    ]


def test_sbatch_waits_for_a_job_that_calls_srun() -> None:
    command = wrap({"sbatch": ["--nodes=3", "--time=1:00"]}, STAGE, "annotate")

    assert command[:-1] == [
        *("sbatch", "--wait", "--nodes=3", "--time=1:00", "--job-name=job-1"),
        *("--output=logs/x.log", "--open-mode=append"),
    ]
    name, separator, inner = command[-1].partition("=")
    assert (name, separator) == ("--wrap", "=")
    assert shlex.split(inner) == ["srun", str(BIN / "ste"), "annotate", "--inputs", "in dir"]


@pytest.mark.parametrize("options", [[], ["-N1"]])
def test_lists_of_options_may_be_empty(options: list[str]) -> None:
    assert parse_launch("l", {"srun": options}, "sft") == Launch(way="srun", options=tuple(options))


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ("here", "sft", "`l` must be local, {torchrun: N}, {srun: [OPTION, …]} or"),
        (None, "sft", "`l` must be local, {torchrun: N}"),
        ({}, "sft", "`l` must be local, {torchrun: N}"),
        ({"srun": [], "sbatch": []}, "sft", "`l` must be local, {torchrun: N}"),
        (["srun"], "sft", "`l` must be local, {torchrun: N}"),
        ({"mpirun": []}, "sft", "`l` must be local, torchrun, srun or sbatch, but is 'mpirun'."),
        ({"torchrun": 2}, "annotate", "`l` cannot be torchrun: only sft and dpo train in several"),
        ({"torchrun": 0}, "sft", "`l.torchrun` must be a number of processes, but is 0."),
        ({"torchrun": True}, "sft", "`l.torchrun` must be a number of processes, but is True."),
        ({"torchrun": "8"}, "dpo", "`l.torchrun` must be a number of processes, but is '8'."),
        ({"srun": "--nodes=1"}, "sft", "`l.srun` must be a list of options of srun, but is"),
        ({"sbatch": [1]}, "sft", "`l.sbatch` must be a list of options of sbatch, but is [1]."),
        ({"sbatch": None}, "sft", "`l.sbatch` must be a list of options of sbatch, but is None."),
    ],
)
def test_wrong_values_are_told(value: Any, kind: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_launch("l", value, kind)

    assert str(caught.value).startswith(message)


def test_programs_are_found_beside_python_then_on_the_path() -> None:
    assert locate(["ste", "judge"]) == [str(BIN / "ste"), "judge"]
    assert locate(["sh", "-c", "true"])[0].endswith("/sh")
    assert Path(locate(["sh"])[0]).is_file()
    assert locate(["no-such-program", "x"]) == ["no-such-program", "x"]


def test_the_recipes_can_be_run_as_modules(repository: Path) -> None:
    """torchrun starts them as such."""
    for recipe in ("instruction_finetune", "preference_finetune"):
        assert (repository / "recipes" / recipe / "__main__.py").is_file()
