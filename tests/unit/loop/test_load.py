"""A loop's file, its environment variables and assignments make one configuration, which is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ste_fairseq2.errors import ConfigError, MissingPathError
from ste_fairseq2.loop.load import load_loop_config, read_loop_folder, write_loop_config
from ste_fairseq2.loop.methods import make_plan

TEXT = """\
model: ${env:STE_TEST_MODEL:models/seed}
first-judge: ${env:STE_TEST_JUDGE:}
sources:
  main: {instructions: "in/${env:STE_TEST_SET:a}-${env:STE_TEST_PART:1}.jsonl"}
rounds: 2
engine: {engine_options: {dtype: float32}}
annotate: {samples: 4}
sft: {config_file: CONFIG_FILE, config: {regime.num_steps: 3, lr_scheduler.config.final_lr: null}}
launch: {default: {srun: ["--nodes=${env:STE_TEST_NODES:1}"]}}
"""

WriteLoop = Callable[..., Path]


@pytest.fixture
def write_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteLoop:
    for name in ("MODEL", "JUDGE", "SET", "PART", "NODES"):
        monkeypatch.delenv(f"STE_TEST_{name}", raising=False)
    (tmp_path / "sft.yaml").touch()

    def write(text: str = TEXT) -> Path:
        path = tmp_path / "loop.yaml"
        path.write_text(text.replace("CONFIG_FILE", str(tmp_path / "sft.yaml")))
        return path

    return write


def test_variables_that_are_not_set_have_their_defaults(write_loop: WriteLoop) -> None:
    config = load_loop_config(write_loop())

    assert config.model == "models/seed"
    assert config.first_judge == ""
    assert config.sources["main"].instructions == "in/a-1.jsonl"
    assert config.launches()["sft"].options == ("--nodes=1",)


def test_variables_win_over_their_defaults(
    write_loop: WriteLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STE_TEST_MODEL", "/models/70b: new")
    monkeypatch.setenv("STE_TEST_PART", "7")
    monkeypatch.setenv("STE_TEST_NODES", "3")

    config = load_loop_config(write_loop())

    assert config.model == "/models/70b: new"
    assert config.sources["main"].instructions == "in/a-7.jsonl"
    assert config.launches()["annotate"].options == ("--nodes=3",)


def test_a_variable_without_a_default_must_be_set(
    write_loop: WriteLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_loop(TEXT.replace("samples: 4", "prompt: '${env:STE_TEST_SET}'"))

    with pytest.raises(ConfigError) as caught:
        load_loop_config(path)
    assert str(caught.value) == "`annotate.prompt` needs the environment variable STE_TEST_SET; set it."

    monkeypatch.setenv("STE_TEST_SET", "judge")
    assert load_loop_config(path).annotate == {"prompt": "judge"}


def test_assignments_win_over_the_file(write_loop: WriteLoop) -> None:
    config = load_loop_config(
        write_loop(),
        [
            *("rounds=5", "annotate.samples=9", "select.count=50", "training=[sft]"),
            *("sft.checkpoint=step_3", "model=other", "engine.engine_options.dtype=bfloat16"),
            *("prepare_sft.majority_voting=0.5", "first_judge=null", "launch.default=local"),
        ],
    )

    assert (config.rounds, config.model, config.training) == (5, "other", ("sft",))
    assert config.annotate == {"samples": 9}
    assert config.select == {"count": 50}
    assert config.engine == {"engine_options": {"dtype": "bfloat16"}}
    assert config.prepare_sft == {"majority_voting": 0.5}
    assert config.first_judge is None
    assert config.launches()["sft"].way == "local"
    assert config.sft is not None
    assert config.sft.checkpoint == "step_3"
    # What stands beside the assigned values stays.
    assert config.sft.config == {"regime.num_steps": 3, "lr_scheduler.config.final_lr": None}


def test_assigned_text_may_hold_what_yaml_cannot_read_and_further_signs(write_loop: WriteLoop) -> None:
    config = load_loop_config(write_loop(), ["model=[odd", "annotate.prompt=a=b"])

    assert config.model == "[odd"
    assert config.annotate["prompt"] == "a=b"


def test_assigned_variables_are_filled_in(
    write_loop: WriteLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STE_TEST_MODEL", "mine")

    assert load_loop_config(write_loop(), ["first_judge=${env:STE_TEST_MODEL}"]).first_judge == "mine"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("rounds", "`set` takes FIELD=VALUE, such as rounds=2, but has 'rounds'."),
        ("=2", "`set` takes FIELD=VALUE, such as rounds=2, but has '=2'."),
        ("rounds.first=2", "`set` cannot set `rounds.first`: `rounds` is not a section."),
        ("annotate.samples.x=2", "`set` cannot set `annotate.samples.x`: `samples` is not a section."),
        ("annotate.smaples=2", "`annotate.smaples` is not a field"),
        ("sft.chekpoint=last", "`sft.chekpoint` is not a field"),
        ("rouns=2", "`rouns` is not a field"),
        ("rounds=two", "`rounds` must be a whole number, but is 'two'."),
        ("sft.config_file=none.yaml", "`sft.config_file` names `none.yaml`, which does not exist."),
    ],
)
def test_wrong_assignments_are_told(write_loop: WriteLoop, assignment: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_loop_config(write_loop(), [assignment])

    assert str(caught.value).startswith(message)


def test_missing_file() -> None:
    with pytest.raises(MissingPathError, match="configuration file: `nowhere.yaml` does not exist"):
        load_loop_config(Path("nowhere.yaml"))


def test_what_a_loop_last_ran_with_is_read_again(write_loop: WriteLoop, tmp_path: Path) -> None:
    config = load_loop_config(
        write_loop(),
        ["evaluate.b.benchmark=pairs", "evaluate.b.data=held.jsonl", "sources.main.select.count=4"],
    )

    write_loop_config(config, tmp_path / "runs")

    again, plan = read_loop_folder(tmp_path / "runs")
    assert again == config
    assert plan == make_plan(config, tmp_path / "runs")
    assert len(plan.steps) > 10
    # It says all that the loop depends on, also where the environment has changed since.
    row = json.loads((tmp_path / "runs" / "loop.json").read_text())
    assert row["model"] == "models/seed"
    assert row["training"] == ["sft"]


def test_a_folder_without_a_loop_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError, match="loop: `.*loop.json` does not exist"):
        read_loop_folder(tmp_path)
