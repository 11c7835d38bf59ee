"""The trainings of every shipped loop: fairseq2 accepts what the loop passes on and means the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.loop.config import Phase
from ste_fairseq2.loop.load import load_loop_config
from ste_fairseq2.loop.methods import make_plan
from tests.recipes.test_training_configs import CONFIGS, dump, number

LOOPS = (
    *("loop/paper.yaml", "loop/release.yaml", "loop/llama_8b.yaml", "small_world/loop.yaml"),
    *("self_rewarding.yaml", "small_world/self_rewarding.yaml"),
)


def trained(name: str, phase: Phase, repository: Path) -> dict[str, Any]:
    """Return what fairseq2 makes of the first training of a loop."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(repository)
        config = load_loop_config(CONFIGS / name)
    [step, *_] = [step for step in make_plan(config, Path("D")).steps if step.kind == phase]
    file = Path(step.argv[step.argv.index("--config-file") + 1])

    return dump(
        file.relative_to("training_configs").as_posix(), step.argv[step.argv.index("--config") + 1 :]
    )


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STE_SEED_MODEL", "STE_GENERATOR", "STE_INSTRUCTIONS", "STE_RANKED", "STE_REFEREE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STE_SFT_DATA", "D/round-1/sft/data")
    monkeypatch.setenv("STE_DPO_DATA", "D/round-1/dpo/data")


@pytest.mark.parametrize("name", LOOPS)
def test_a_training_is_that_of_its_round(name: str, repository: Path) -> None:
    config = trained(name, "sft", repository)

    assert config["model"]["name"] in {
        "models/Meta-Llama-3-70B-Instruct",
        "models/Llama-3.1-70B-Instruct",
        "models/Llama-3.1-8B-Instruct",
        "data/small_world/seed",
        "models/Meta-Llama-3-8B",
        "data/small_world/base",
    }
    # The seed of the loop and the number of the round.
    assert config["common"]["seed"] == 2 + 1
    assert config["common"]["no_sweep_dir"] is True


def test_the_sft_of_the_paper(repository: Path) -> None:
    config = trained("loop/paper.yaml", "sft", repository)

    regime, schedule = config["regime"], config["lr_scheduler"]["config"]
    assert (regime["num_steps"], regime["num_data_epochs"]) == (None, 2)
    assert (regime["checkpoint_every_n_steps"], regime["keep_last_n_checkpoints"]) == (100, 10)
    assert (schedule["final_lr"], number(schedule["final_lr_scale"])) == (None, 0.2)
    # What the loop does not name is as in the released file.
    assert number(config["optimizer"]["config"]["lr"]) == 1e-6


def test_the_dpo_of_the_release(repository: Path) -> None:
    config = trained("loop/release.yaml", "dpo", repository)

    assert config["model"]["name"] == config["reference_model"]["name"] == "D/round-1/sft/model"
    # The names above are folders, and not checkpoints of the run that the file names.
    assert config["common"]["assets"]["prev_checkpoint_dir"] is None
    assert config["regime"]["keep_last_n_checkpoints"] == 30
    assert config["regime"]["num_steps"] == 3000


def test_the_trainings_of_self_rewarding(repository: Path) -> None:
    sft, dpo = (trained("self_rewarding.yaml", phase, repository) for phase in ("sft", "dpo"))

    # The paper's rates, and its batches of 16 on eight ranks.
    for config, rate, last in ((sft, 5.5e-6, 0.2), (dpo, 1e-6, 0.1)):
        assert number(config["optimizer"]["config"]["lr"]) == rate
        assert number(config["lr_scheduler"]["config"]["final_lr_scale"]) == last
        assert config["dataset"]["batch_size"] * 8 == 16
    assert (number(dpo["criterion"]["beta"]), number(dpo["criterion"]["nll_scale"])) == (0.1, 0.0)
    assert dpo["model"]["name"] == dpo["reference_model"]["name"] == "D/m1/model"
