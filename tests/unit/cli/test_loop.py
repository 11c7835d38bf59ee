"""`ste loop` and its shipped configurations, as users call them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ste_fairseq2.cli.main import dispatch
from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.load import load_loop_config
from ste_fairseq2.loop.methods import make_plan
from ste_fairseq2.loop.plan import Plan, Step
from ste_fairseq2.loop.self_rewarding.config import SelfRewardingConfig
from ste_fairseq2.loop.self_taught.config import SelfTaughtConfig

VARIABLES = ("STE_SEED_MODEL", "STE_GENERATOR", "STE_INSTRUCTIONS")


@pytest.fixture(autouse=True)
def from_the_repository(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def read(name: str) -> tuple[LoopConfig, Plan]:
    config = load_loop_config(Path("training_configs") / name)

    return config, make_plan(config, Path("D"))


def steps(plan: Plan, kind: str) -> list[Step]:
    return [step for step in plan.steps if step.kind == kind]


@pytest.mark.parametrize(
    ("name", "judging"),
    [
        *((f"loop/{name}.yaml", "ste annotate") for name in ("paper", "release", "llama_8b")),
        ("small_world/loop.yaml", "ste annotate"),
        ("self_rewarding.yaml", "--mode score"),
        ("small_world/self_rewarding.yaml", "--mode score"),
    ],
)
def test_every_configuration_makes_a_plan(
    name: str, judging: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(Path("training_configs") / name)

    assert dispatch(["loop", config, "--output-dir", str(tmp_path / "D"), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert judging in shown
    assert "| all that is left |" in shown
    assert not (tmp_path / "D").exists()


def test_all_loops_are_tested(repository: Path) -> None:
    found = {path.name for path in (repository / "training_configs" / "loop").glob("*.yaml")}

    assert found == {"paper.yaml", "release.yaml", "llama_8b.yaml"}


def test_the_paper() -> None:
    config, plan = read("loop/paper.yaml")

    assert isinstance(config, SelfTaughtConfig)
    # Paper 3.4, 4.1 and tables 7 and 8.
    assert (config.rounds, config.training, config.pairs) == (5, ("sft",), "once")
    assert config.annotate == {"samples": 15, "temperature": 0.7, "top_p": 0.9, "max_tokens": 4096}
    assert config.select is not None
    assert config.select["count"] == 20582
    assert {step.model for step in steps(plan, "sft")} == {"models/Meta-Llama-3-70B-Instruct"}
    judges = [step.model for step in steps(plan, "annotate")]
    assert judges[:2] == ["models/Mixtral-8x22B-Instruct-v0.1", "D/round-1/sft/model"]
    for stage in ("respond", "worsen"):
        assert [step.model for step in steps(plan, stage)] == ["models/Mixtral-8x22B-Instruct-v0.1"]
    argv = steps(plan, "sft")[0].argv
    assert {"regime.num_data_epochs=2", "lr_scheduler.config.final_lr_scale=0.2"} <= set(argv)


def test_the_release() -> None:
    config, plan = read("loop/release.yaml")

    assert isinstance(config, SelfTaughtConfig)
    assert (config.rounds, config.training) == (1, ("sft", "dpo"))
    [dpo] = steps(plan, "dpo")
    assert dpo.argv[dpo.argv.index("--config-file") + 1] == "training_configs/dpo_training.yaml"
    assert dpo.model == "D/round-1/sft/model"
    assert config.launches()["dpo"].options[0] == "--nodes=8"
    assert config.launches()["sft"].options[0] == "--nodes=3"


def test_self_rewarding() -> None:
    config, plan = read("self_rewarding.yaml")

    # Paper 3.1.
    assert isinstance(config, SelfRewardingConfig)
    assert config.prepare_ranked["ift_examples"] == 3200
    assert (config.candidates["samples"], config.score["samples"], config.rounds) == (4, 3, 2)
    for stage, (temperature, top_p) in {
        "self_instruct": (0.6, 0.9),
        "candidates": (0.7, 0.9),
        "score": (0.7, 0.9),
    }.items():
        for step in steps(plan, stage):
            assert (step.options["temperature"], step.options["top_p"]) == (temperature, top_p)
    assert {step.model for step in steps(plan, "self_instruct")} == {"models/Meta-Llama-3-8B-Instruct"}
    assert [step.model for step in steps(plan, "dpo")] == ["D/m1/model", "D/m2/model"]


def test_values_on_the_command_line_win(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["training_configs/small_world/loop.yaml", "--output-dir", str(tmp_path / "D"), "--dry-run"]

    assert dispatch(["loop", *argv, "--set", "rounds=1", "annotate.samples=5"]) == 0
    shown = capsys.readouterr().out
    assert "--samples 5" in shown
    assert "round-2" not in shown


@pytest.mark.parametrize("command", ["status", "lineage"])
def test_a_folder_without_a_loop_is_refused(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatch(["loop", command, str(tmp_path)]) == 2
    assert "loop.json` does not exist" in capsys.readouterr().err


def test_what_a_stage_would_refuse_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["training_configs/small_world/loop.yaml", "--output-dir", str(tmp_path / "D")]

    assert dispatch(["loop", *argv, "--set", "annotate.samples=0"]) == 2
    assert "`annotate.samples` must be at least 1" in capsys.readouterr().err
    assert not (tmp_path / "D").exists()


def test_the_driver_loads_neither_torch_nor_vllm(tmp_path: Path) -> None:
    argv = ["loop", "training_configs/small_world/loop.yaml", "--output-dir", str(tmp_path), "--dry-run"]
    code = (
        "import sys\n"
        "from ste_fairseq2.cli.main import dispatch\n"
        "import ste_fairseq2.loop.run\n"
        f"assert dispatch({argv!r}) == 0\n"
        "assert not {'torch', 'vllm', 'transformers', 'fairseq2'} & sys.modules.keys()\n"
    )

    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_batch_scripts_are_shell(repository: Path) -> None:
    scripts = sorted((repository / "scripts" / "slurm").glob("*.sbatch"))

    assert len(scripts) == 4
    for script in scripts:
        subprocess.run(["bash", "-n", script], check=True)
