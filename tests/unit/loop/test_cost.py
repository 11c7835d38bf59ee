"""What the rest will cost, worked out by hand from what a pilot took."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.jsonl import write_rows
from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.cost import Estimate, Measured, estimate, measure
from ste_fairseq2.loop.devices import num_devices
from ste_fairseq2.loop.dry_run import describe_plan
from ste_fairseq2.loop.load import write_loop_config
from ste_fairseq2.loop.methods import make_plan
from tests.loops import finish, leave_manifest, loop_config


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "sft.yaml"
    path.write_text("regime: {num_steps: null, num_data_epochs: 2}\n")

    return path


@pytest.fixture
def config(tmp_path: Path, settings: Path) -> LoopConfig:
    return make_config(tmp_path, settings)


def make_config(folder: Path, settings: Path, **values: Any) -> LoopConfig:
    return loop_config(
        sources={"main": {"instructions": str(folder / "in.jsonl")}},
        annotate={"samples": 2},
        sft={"config_file": str(settings)},
        **values,
    )


@pytest.fixture
def pilot(tmp_path: Path, config: LoopConfig) -> Path:
    """Ten instructions: eight responses, four pairs, sixteen judgements, two examples."""
    folder = tmp_path / "pilot"
    write_loop_config(config, folder := make_folder(folder))
    stages = {
        "sources/main/respond": ({"kept": 8, "empty": 2, "malformed": 5}, 1000, 4.0, 14.0),
        "sources/main/worsen": ({"kept": 4, "unparseable": 4}, 800, 6.0, 16.0),
        "round-1/sft/annotate/main": ({"kept": 16}, 1600, 8.0, 18.0),
    }
    for name, (counts, tokens, work, seconds) in stages.items():
        finish(folder, name, seconds)
        split = {"num_prompt_tokens": tokens - 100, "num_output_tokens": 100}
        leave_manifest(folder / name, counts, details={"tokens": split, "seconds_of_last_run": work})
    finish(folder, "round-1/sft/data", 1.0)
    leave_manifest(
        folder / "round-1/sft/data",
        {"kept": 2, "wrong": 14},
        details={"examples": {"written": 2, "gold": {}}},
    )
    finish(folder, "round-1/sft/run", 20.0)

    return folder


def make_folder(folder: Path) -> Path:
    folder.mkdir()

    return folder


def test_the_pilot_is_measured(config: LoopConfig, pilot: Path) -> None:
    measured = measure(config, make_plan(config, pilot), pilot)

    # Malformed rows are no work; starting took ten of the fourteen seconds.
    assert measured["respond"] == Measured(
        steps=1, inputs=10, kept=8, tokens=1000, device_seconds=4.0, startup=10.0
    )
    assert measured["prepare_sft"].kept == 2
    assert measured["sft"] == Measured(steps=1, inputs=2, device_seconds=20.0)


def test_costs_grow_with_the_records(config: LoopConfig, pilot: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "in.jsonl", [{"instruction": str(n)} for n in range(100)])
    folder = tmp_path / "D"
    plan = make_plan(config, folder)

    found = estimate(config, plan, folder, measure(config, make_plan(config, pilot), pilot))

    # Ten times the pilot: 40 s of work and 10 s to start.
    assert found["sources/main/respond"] == Estimate(
        inputs=100, outputs=80, tokens=10_000, seconds=50.0, device_hours=50 / 3600
    )
    # 80 responses make 40 pairs; these, in two orders by two samples, 160 judgements.
    assert found["sources/main/worsen"].outputs == 40
    assert found["round-1/sft/annotate/main"] == Estimate(
        inputs=160, outputs=160, tokens=16_000, seconds=90.0, device_hours=90 / 3600
    )
    assert found["round-1/sft/data"].outputs == 20
    # Two epochs of ten times the examples.
    assert found["round-1/sft/run"].seconds == pytest.approx(200.0)
    # The pilot has not come so far as to export.
    assert found["round-1/sft/model"] == Estimate()


def test_a_number_of_steps_does_not_grow(pilot: Path, settings: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "in.jsonl", [{"instruction": str(n)} for n in range(100)])
    settings.write_text("regime: {num_steps: 30}\n")
    config = make_config(tmp_path, settings)
    folder = tmp_path / "D"

    found = estimate(
        config, make_plan(config, folder), folder, measure(config, make_plan(config, pilot), pilot)
    )

    assert found["round-1/sft/run"].seconds == 20.0


def test_more_devices_take_less_time_and_the_same_work(
    pilot: Path, config: LoopConfig, settings: Path, tmp_path: Path
) -> None:
    write_rows(tmp_path / "in.jsonl", [{"instruction": str(n)} for n in range(100)])
    wide = make_config(tmp_path, settings, engine={"tensor_parallel_size": 4})
    folder = tmp_path / "D"

    found = estimate(
        wide, make_plan(wide, folder), folder, measure(config, make_plan(config, pilot), pilot)
    )

    # 40 s shared by four, and ten to start, which all four spend.
    assert found["sources/main/respond"].seconds == 20.0
    assert found["sources/main/respond"].device_hours == pytest.approx((40 + 4 * 10) / 3600)


def test_a_selection_gives_as_many_as_are_wanted(
    pilot: Path, config: LoopConfig, settings: Path, tmp_path: Path
) -> None:
    selecting = make_config(tmp_path, settings, select={"count": 60})
    folder = tmp_path / "D"

    found = estimate(
        selecting,
        make_plan(selecting, folder),
        folder,
        measure(config, make_plan(config, pilot), pilot),
    )

    # How many there are to select from is not known, since the file is not there.
    assert found["sources/main/select"] == Estimate(outputs=60)
    assert found["sources/main/respond"].inputs == 60


def test_nothing_is_known_without_a_pilot(config: LoopConfig, tmp_path: Path) -> None:
    folder = tmp_path / "D"

    found = estimate(config, make_plan(config, folder), folder, {})

    assert set(found.values()) == {Estimate()}


@pytest.mark.parametrize(
    ("launch", "devices"),
    [
        ("local", 1),
        ({"torchrun": 4}, 4),
        ({"srun": ["--nodes=3", "--ntasks-per-node=8", "--gpus-per-node=8"]}, 24),
        ({"sbatch": ["-N 2", "--gpus-per-node=a100:4"]}, 8),
    ],
)
def test_devices_of_a_training(launch: Any, devices: int, config: LoopConfig) -> None:
    config.launch = {"sft": launch}
    plan = make_plan(config, Path("D"))
    [training] = [step for step in plan.steps if step.kind == "sft"]

    assert num_devices(config, training) == devices


def test_dry_run_shows_everything_and_writes_nothing(
    config: LoopConfig, pilot: Path, tmp_path: Path
) -> None:
    write_rows(tmp_path / "in.jsonl", [{"instruction": str(n)} for n in range(100)])
    folder = tmp_path / "D"

    shown = describe_plan(config, folder, pilot)

    assert not folder.exists()
    assert f"STE_SFT_DATA={folder}/round-1/sft/data fairseq2 lm instruction_finetune" in shown
    assert "| sources/main/respond | to do | 100 | 80 | 10,000 | 0.01 | 0.01 |" in shown
    assert "0 of 6 steps are done." in shown
    assert "is what these will take: export." in shown


def test_dry_run_of_a_begun_loop_needs_no_pilot(config: LoopConfig, pilot: Path) -> None:
    shown = describe_plan(config, pilot, None)

    assert "| round-1/sft/run | done |" in shown
    assert "5 of 6 steps are done." in shown
