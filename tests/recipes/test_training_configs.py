"""Every shipped training configuration: read by fairseq2, and run at reduced size as it is."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.recipes.conftest import RunJobs, read_metrics

CONFIGS = Path(__file__).resolve().parent.parent.parent / "training_configs"

RECIPES = {
    "sft_training.yaml": "instruction_finetune",
    "sft_8b.yaml": "instruction_finetune",
    "small_world/sft.yaml": "instruction_finetune",
    "small_world/dpo.yaml": "preference_finetune",
    "tiny/sft.yaml": "instruction_finetune",
    "dpo_training.yaml": "preference_finetune",
    "dpo_training_corrected.yaml": "preference_finetune",
    "dpo_8b.yaml": "preference_finetune",
    "tiny/dpo.yaml": "preference_finetune",
    "tiny/reference_scores.yaml": "reference_scores",
}

TWO_STEPS = (
    "regime.num_steps=2",
    "regime.checkpoint_every_n_steps=2",
    "regime.publish_metrics_every_n_steps=1",
)


@pytest.fixture(scope="module", autouse=True)
def places(tmp_path_factory: pytest.TempPathFactory, sample: Path, tiny_model: Path) -> Iterator[Path]:
    """Point the configurations' environment variables at the sample and a tiny model; return the
    folder for the runs."""
    runs = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("STE_SEED_MODEL", str(tiny_model))
        monkeypatch.setenv("STE_SFT_DATA", str(sample / "sft_train.jsonl"))
        monkeypatch.setenv("STE_DPO_DATA", str(sample / "preference_train.jsonl"))
        yield runs


def dump(name: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return what `fairseq2 lm RECIPE --config-file FILE --dump-config` prints."""
    import importlib

    from fairseq2.recipe.cli import main

    from ste_fairseq2.cli import lm

    command = lm.RECIPES[RECIPES[name]]
    recipe = getattr(importlib.import_module(command.module), command.kls)()
    argv = ["fairseq2", "--config-file", str(CONFIGS / name), "--dump-config", "--no-exit-on-error"]
    with pytest.MonkeyPatch.context() as monkeypatch, redirect_stdout(io.StringIO()) as output:
        monkeypatch.setattr(sys, "argv", [*argv, "--config", *overrides])
        main(recipe)
    config: dict[str, Any] = yaml.safe_load(output.getvalue())

    return config


def number(value: object) -> float | None:
    """PyYAML takes numbers like 1e-06, which fairseq2 writes, for text."""
    return None if value is None else float(str(value))


def test_the_table_names_every_configuration() -> None:
    found = {path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.yaml")}
    # Those of loops are tested with `ste loop`.
    loops = {
        name
        for name in found
        if name.startswith("loop/") or Path(name).name in ("loop.yaml", "self_rewarding.yaml")
    }

    assert found - loops == set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_configuration_is_valid(name: str) -> None:
    config = dump(name)

    assert config["model"]["name"]
    assert config["dataset"]["name"]


def test_dpo_training_has_the_values_of_the_release() -> None:
    config = dump("dpo_training.yaml")

    assert (
        config["dataset"]
        | {
            "max_seq_len": 2048,
            "batch_size": 1,
            "max_num_tokens": None,
            "source_encode_mode": "as_is",
        }
        == config["dataset"]
    )
    assert config["criterion"] == {
        "beta": 0.1,
        "nll_scale": 1.5,
        "length_normalization": False,
        "nll_normalization": "sequence",
    }
    assert config["model"]["name"] == config["reference_model"]["name"] == "checkpoint_step_1300"
    assert config["reference_model"]["dtype"] == "bfloat16"
    assert config["gang"]["tensor_parallel_size"] == 8
    trainer = config["trainer"]
    assert trainer["grad_accumulation"]["num_batches"] == 4
    assert trainer["max_grad_norm"] == 1.0
    assert trainer["mixed_precision"] == {"mode": "static", "dtype": "bfloat16"}
    assert trainer["fp16_loss_scale"] == [128.0, 0.0001]
    optimizer = config["optimizer"]["config"]
    assert number(optimizer["lr"]) == 5.5e-8
    assert optimizer["betas"] == [0.9, 0.95]
    assert optimizer["weight_decay"] == 0.1
    schedule = config["lr_scheduler"]["config"]
    assert number(schedule["final_lr"]) == 1.1e-6
    assert schedule["num_warmup_steps"] == 0
    assert config["regime"]["num_steps"] == 3000
    assert config["regime"]["num_data_epochs"] == 5
    assert config["regime"]["checkpoint_every_n_steps"] == 100
    assert config["common"]["seed"] == 2


def test_sft_training_has_the_values_of_the_release() -> None:
    config = dump("sft_training.yaml")

    assert config["dataset"]["max_seq_len"] == 4096
    assert config["dataset"]["max_num_tokens"] == 8192
    assert config["dataset"]["batch_size"] is None
    assert config["gang"]["tensor_parallel_size"] == 8
    assert config["trainer"]["max_grad_norm"] is None
    assert config["trainer"]["grad_accumulation"]["num_batches"] == 1
    assert number(config["optimizer"]["config"]["lr"]) == 1e-6
    assert config["lr_scheduler"]["config"]["num_warmup_steps"] == 100
    assert number(config["lr_scheduler"]["config"]["final_lr"]) == 1e-7
    assert config["regime"]["num_steps"] == 50_000
    assert config["regime"]["checkpoint_every_n_steps"] == 500


def test_corrected_dpo_training_differs_in_the_schedule_alone() -> None:
    released, corrected = dump("dpo_training.yaml"), dump("dpo_training_corrected.yaml")

    assert released.pop("allow_rising_lr") is True
    assert corrected.pop("allow_rising_lr") is False
    for config, final_lr, scale in ((released, 1.1e-6, None), (corrected, None, 0.2)):
        schedule = config["lr_scheduler"]["config"]
        assert number(schedule.pop("final_lr")) == final_lr
        assert schedule.pop("final_lr_scale") == scale
    assert released == corrected


def test_released_schedule_is_refused_unless_it_is_meant() -> None:
    from fairseq2.utils.validation import ValidationError

    with pytest.raises(ValidationError, match="would rise"):
        dump("dpo_training.yaml", ["allow_rising_lr=false"])


def test_tiny_configurations_run(run_jobs: RunJobs, places: Path, tiny_model: Path) -> None:
    model, validate = f"model.name={tiny_model}", "regime.validate_every_n_steps=2"
    steps = (*TWO_STEPS, validate, "lr_scheduler.config.num_warmup_steps=1")
    dpo = CONFIGS / "tiny" / "dpo.yaml"
    reference = f"reference_model.name={tiny_model}"
    cached = ("reference_model=null", f"dataset.reference_scores={places / 'scores'}")
    run_jobs(
        [
            ("instruction_finetune", places / "sft", CONFIGS / "tiny" / "sft.yaml", [model, *steps]),
            ("preference_finetune", places / "dpo", dpo, [model, reference, *steps]),
            ("reference_scores", places / "scores", CONFIGS / "tiny" / "reference_scores.yaml", [model]),
            ("preference_finetune", places / "cached", dpo, [model, *cached, *steps]),
        ]
    )

    assert len(read_metrics(places / "sft")) == 2
    live, from_cache = read_metrics(places / "dpo"), read_metrics(places / "cached")
    assert live[0]["DPO Loss"] == pytest.approx(0.693147, abs=1e-4)
    for name in ("DPO Loss", "NLL Loss", "Gradient Norm"):
        assert [row[name] for row in from_cache] == pytest.approx([row[name] for row in live], abs=1e-4)


def test_8b_configurations_run_under_fsdp(run_jobs: RunJobs, places: Path) -> None:
    steps = (*TWO_STEPS, "lr_scheduler.config.num_warmup_steps=1")
    # The sample would fit one batch otherwise, and each process needs its own.
    sft_steps = (*steps, "dataset.max_num_tokens=4096")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("STE_SFT_CHECKPOINTS", str(places / "sft-8b" / "checkpoints"))
        run_jobs(
            [
                ("instruction_finetune", places / "sft-8b", CONFIGS / "sft_8b.yaml", sft_steps),
                ("preference_finetune", places / "dpo-8b", CONFIGS / "dpo_8b.yaml", steps),
            ],
            num_processes=2,
        )

    assert len(read_metrics(places / "sft-8b")) == 2
    assert read_metrics(places / "dpo-8b")[0]["Number of Examples"] == 2 * 4


def test_70b_configurations_run_under_tensor_parallelism_and_fsdp(
    run_jobs: RunJobs, places: Path
) -> None:
    tp2 = (*TWO_STEPS, "gang.tensor_parallel_size=2")
    sft, dpo, corrected = places / "sft-70b", places / "dpo-70b", places / "corrected"
    warmup = "lr_scheduler.config.num_warmup_steps=1"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("STE_SFT_CHECKPOINTS", str(sft / "checkpoints"))
        monkeypatch.setenv("STE_SFT_CHECKPOINT", "checkpoint_step_2")
        run_jobs(
            [
                ("instruction_finetune", sft, CONFIGS / "sft_training.yaml", [*tp2, warmup]),
                ("preference_finetune", dpo, CONFIGS / "dpo_training.yaml", tp2),
                ("preference_finetune", corrected, CONFIGS / "dpo_training_corrected.yaml", tp2),
            ],
            num_processes=4,
        )

    assert len(read_metrics(sft)) == 2
    (first, last), (_, falling) = read_metrics(dpo), read_metrics(corrected)
    # Two replicas with one pair each, four times.
    assert first["Number of Examples"] == 2 * 4
    assert first["DPO Loss"] == pytest.approx(0.693, abs=5e-3)
    assert last["Learning Rate"] > first["Learning Rate"] > falling["Learning Rate"]
