"""The driver does what is not done, once, and refuses what would mix two loops up."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.errors import FolderBusyError, LoopStepError, ResumeMismatchError
from ste_fairseq2.loop import run
from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.journal import read_journal
from ste_fairseq2.loop.methods import make_plan
from ste_fairseq2.loop.plan import Plan, Step
from ste_fairseq2.loop.run import loop_identity, run_loop
from ste_fairseq2.store.folder import lock_folder
from tests.loops import loop_config

Shell = Callable[..., None]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Makes loops of plain commands, each with its output folder made beforehand."""

    def install(*commands: str, settings: Path | None = None) -> None:
        def plan(config: LoopConfig, folder: Path) -> Plan:
            steps = tuple(
                Step(
                    name=f"step-{number}",
                    kind="sft",
                    round=0,
                    argv=("sh", "-c", f"mkdir -p {folder}/step-{number}; {command}"),
                    output=folder / f"step-{number}",
                    reads=(),
                    settings=settings,
                )
                for number, command in enumerate(commands, start=1)
            )
            return Plan(steps=steps, rounds=make_plan(config, folder).rounds)

        monkeypatch.setattr(run, "make_plan", plan)

    return install


def test_finished_steps_are_not_run_again(shell: Shell, tmp_path: Path) -> None:
    count = tmp_path / "count"
    shell(f"echo one >> {count}", f"echo two >> {count}")

    run_loop(loop_config(), tmp_path / "D")
    run_loop(loop_config(), tmp_path / "D")

    assert count.read_text() == "one\ntwo\n"
    assert (tmp_path / "D" / "rounds.json").is_file()


def test_a_removed_output_is_made_again(shell: Shell, tmp_path: Path) -> None:
    count = tmp_path / "count"
    shell(f"echo one >> {count}", f"echo two >> {count}")
    run_loop(loop_config(), tmp_path / "D")

    (tmp_path / "D" / "step-2").rmdir()
    run_loop(loop_config(), tmp_path / "D")

    assert count.read_text() == "one\ntwo\ntwo\n"


def test_a_failed_step_shows_its_last_lines_and_is_gone_on_with(
    shell: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flag, count = tmp_path / "flag", tmp_path / "count"
    shell(f"echo one >> {count}", f"echo the reason; test -e {flag}")

    with pytest.raises(LoopStepError, match="`step-2` ended with status 1.*logs/step-2.log"):
        run_loop(loop_config(), tmp_path / "D")
    assert "  | the reason" in capsys.readouterr().err

    flag.touch()
    run_loop(loop_config(), tmp_path / "D")
    assert count.read_text() == "one\n"
    assert read_journal(tmp_path / "D")["step-2"].attempts == 2
    log = (tmp_path / "D" / "logs" / "step-2.log").read_text()
    assert log.count("the reason") == 2 + log.count("echo the reason")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"seed": 3}, "seed"),
        ({"annotate": {"samples": 4}}, "annotate.samples"),
        ({"sources": {"main": {"instructions": "other.jsonl"}}}, "sources.main.instructions"),
        ({"training": ["dpo"]}, "training"),
        ({"select": {}}, "select"),
    ],
)
def test_another_configuration_is_refused(
    change: dict[str, Any], field: str, shell: Shell, tmp_path: Path
) -> None:
    shell("true")
    run_loop(loop_config(), tmp_path / "D")

    with pytest.raises(ResumeMismatchError, match=f"differs in .*`{field}`"):
        run_loop(loop_config(**change), tmp_path / "D")


@pytest.mark.parametrize(
    "change",
    [
        {"rounds": 4},
        {"launch": {"default": {"srun": []}}},
        {"engine": {"tensor_parallel_size": 2}},
        {"respond": {"concurrency": 3}},
    ],
)
def test_more_rounds_and_other_places_are_the_same_loop(change: dict[str, Any]) -> None:
    assert loop_identity(loop_config(**change)) == loop_identity(loop_config())


def test_settings_that_changed_after_their_use_are_refused(shell: Shell, tmp_path: Path) -> None:
    settings = tmp_path / "sft.yaml"
    settings.write_text("a: 1")
    shell("true", settings=settings)
    run_loop(loop_config(), tmp_path / "D")
    run_loop(loop_config(), tmp_path / "D")

    settings.write_text("a: 2")
    with pytest.raises(ResumeMismatchError, match="`sft.config_file`.*changed since `step-1`"):
        run_loop(loop_config(), tmp_path / "D")


def test_settings_may_be_mended_after_a_failure(shell: Shell, tmp_path: Path) -> None:
    settings = tmp_path / "sft.yaml"
    settings.write_text("bad")
    shell(f"grep good {settings}", settings=settings)
    with pytest.raises(LoopStepError):
        run_loop(loop_config(), tmp_path / "D")

    settings.write_text("good")
    run_loop(loop_config(), tmp_path / "D")


def test_one_driver_at_a_time(shell: Shell, tmp_path: Path) -> None:
    shell("true")
    lock = lock_folder(tmp_path)

    with pytest.raises(FolderBusyError):
        run_loop(loop_config(), tmp_path)
    lock.close()


def test_rounds_are_written_for_the_seed_alone(shell: Shell, tmp_path: Path) -> None:
    shell("true")
    run_loop(loop_config(rounds=0, seed=5), tmp_path)

    written = json.loads((tmp_path / "rounds.json").read_text())
    assert (written["seed"], written["model"], len(written["rounds"])) == (5, "seed-model", 1)


def test_a_job_of_an_earlier_driver_is_waited_for(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stand-ins for SLURM's programs: the queue is empty at the second look; a job runs at once.
    tools = tmp_path / "bin"
    tools.mkdir()
    calls = tmp_path / "calls"
    write_script(
        tools / "squeue",
        f'echo "squeue $*" >> {calls}\n[ -e {tmp_path}/looked ] || echo 17\ntouch {tmp_path}/looked',
    )
    write_script(
        tools / "sbatch",
        f'echo "sbatch $1" >> {calls}\n'
        'for one; do case $one in --wrap=*) eval "${one#--wrap=}";; esac; done',
    )
    write_script(tools / "srun", '"$@"')
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(run, "wait_for_job", quick_wait(run.wait_for_job))
    shell(f"echo ran >> {calls}")

    run_loop(loop_config(launch={"sft": {"sbatch": []}}), tmp_path / "D")

    looks = [line for line in calls.read_text().splitlines() if line.startswith("squeue")]
    assert len(looks) == 2
    assert looks[0].endswith("-step-1")
    assert calls.read_text().splitlines()[2:] == ["sbatch --wait", "ran"]


def quick_wait(wait: Callable[..., None]) -> Callable[..., None]:
    return lambda name, on_look: wait(name, on_look, seconds_between_looks=0.01)


def write_script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
