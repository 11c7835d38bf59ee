"""Where a step runs: this machine, `torchrun`, or SLURM within an allocation or as a job of its own."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from ste_fairseq2.errors import ConfigError

Way: TypeAlias = Literal["local", "torchrun", "srun", "sbatch"]

_TRAININGS: Final = ("sft", "dpo")


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How a command is started."""

    way: Way = "local"
    processes: int = 1
    """With torchrun: processes on this machine."""
    options: tuple[str, ...] = ()
    """With srun and sbatch: their own options."""

    def wrap(self, argv: Sequence[str], *, job_name: str, log: Path) -> tuple[str, ...]:
        """Return the command that runs ``argv`` there.

        :param job_name: the job's name, where it is a job.
        :param log: where a job writes its output; other ways leave that to the caller.
        """
        if self.way == "torchrun":
            head, _, recipe, *rest = argv
            assert head == "fairseq2", "only trainings run under torchrun"
            return (
                *("torchrun", "--standalone", f"--nproc-per-node={self.processes}"),
                *("-m", f"recipes.{recipe}", *rest),
            )
        if self.way == "srun":
            return ("srun", *self.options, f"--job-name={job_name}", *map(_located, argv[:1]), *argv[1:])
        if self.way == "sbatch":
            # Within the job srun starts as many tasks as the job's options ask for.
            inner = shlex.join(["srun", *map(_located, argv[:1]), *argv[1:]])
            return (
                *("sbatch", "--wait", *self.options, f"--job-name={job_name}"),
                *(f"--output={log}", "--open-mode=append", f"--wrap={inner}"),
            )

        return tuple(argv)


def parse_launch(name: str, value: Any, kind: str) -> Launch:
    """Read where a kind of step runs: ``local``, or a mapping of one way to what it needs.

    :param name: the field, for messages.
    :raises ConfigError:
    """
    if value == "local":
        return Launch()
    if not isinstance(value, dict) or len(value) != 1:
        raise ConfigError(
            name,
            "must be local, {torchrun: N}, {srun: [OPTION, …]} or {sbatch: [OPTION, …]}, "
            f"but is {value!r}.",
        )
    [(way, rest)] = value.items()
    if way == "torchrun":
        if kind not in _TRAININGS:
            raise ConfigError(name, "cannot be torchrun: only sft and dpo train in several processes.")
        if not isinstance(rest, int) or isinstance(rest, bool) or rest < 1:
            raise ConfigError(f"{name}.torchrun", f"must be a number of processes, but is {rest!r}.")
        return Launch(way="torchrun", processes=rest)
    if way not in ("srun", "sbatch"):
        raise ConfigError(name, f"must be local, torchrun, srun or sbatch, but is {way!r}.")
    if not isinstance(rest, list) or not all(isinstance(item, str) for item in rest):
        raise ConfigError(f"{name}.{way}", f"must be a list of options of {way}, but is {rest!r}.")

    return Launch(way="srun" if way == "srun" else "sbatch", options=tuple(rest))


def locate(argv: Sequence[str]) -> list[str]:
    """Return the command with the full path of its program, for a process that is started here.

    Programs of this environment are found whether it is activated or not.
    """
    return [_located(argv[0]), *argv[1:]]


def _located(program: str) -> str:
    beside = Path(sys.executable).parent / program
    if beside.is_file():
        return str(beside)

    return shutil.which(program) or program
