"""The plan of a loop: every step, its command line, what it reads and where it writes. A pure function.

Layout of the loop's folder::

    sources/NAME/{select,respond,worsen}          made once
    round-0/evaluate/NAME                         the seed model's scores
    round-1/pairs/NAME/{respond,worsen}           where pairs are made anew every round
    round-1/sft/{annotate/NAME,data,run,model}    judgements, training set, training, the model of it
    round-1/dpo/…                                 likewise; the last model of a round is its judge
    round-1/evaluate/NAME                         its scores
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.digest import digest_text
from ste_fairseq2.evaluation.checkpoint_choice import CHOICE_NAME
from ste_fairseq2.loop.config import LoopConfig, Phase, SourceConfig
from ste_fairseq2.loop.options import Options, to_assignments, to_flags

LOGS_NAME: Final = "logs"

_RECIPES: Final[dict[Phase, str]] = {"sft": "instruction_finetune", "dpo": "preference_finetune"}
_DATA_VARIABLES: Final[dict[Phase, str]] = {"sft": "STE_SFT_DATA", "dpo": "STE_DPO_DATA"}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One process of a loop."""

    name: str
    """Unique, such as ``round-1/sft/annotate/main``; its output lies under this name."""
    kind: str
    """One of :data:`~ste_fairseq2.loop.config.STEP_KINDS`."""
    round: int
    """From 1; 0 for what comes before the first round."""
    argv: tuple[str, ...]
    """The public command line."""
    output: Path
    reads: tuple[str, ...]
    """The data that it works on: outputs of other steps, or the user's files."""
    model: str | None = None
    """The model that it asks, trains from or scores; the run, where it is a training's."""
    settings: Path | None = None
    """A file with settings of the step, where it has one."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that the command line needs beside the environment."""
    appears_whole: bool = False
    """Whether the output is only there once it is complete."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """What a round is made of; round 0 is the seed model."""

    number: int
    judge: Path
    """The model that comes of the round."""
    annotations: tuple[Path, ...] = ()
    """Folders of judgement samples, all trainings together."""
    data: Mapping[Phase, Path] = field(default_factory=dict)
    """The training sets."""
    runs: Mapping[Phase, Path] = field(default_factory=dict)
    """The training runs' folders."""
    pairs: tuple[Path, ...] = ()
    """What the annotations are of."""
    evaluations: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Plan:
    steps: tuple[Step, ...]
    rounds: tuple[Round, ...]
    """The seed model first."""


def make_plan(config: LoopConfig, folder: Path) -> Plan:
    """Return all steps in the order they run in.

    :param folder: the loop's folder.
    """
    return _Planner(config, folder).plan()


class _Planner:
    def __init__(self, config: LoopConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._steps: list[Step] = []

    def plan(self) -> Plan:
        config = self._config
        once = {
            name: self._make_pairs(f"sources/{name}", 0, name, source)
            for name, source in config.sources.items()
        }
        rounds = [self._seed_round()]
        for number in range(1, config.rounds + 1):
            rounds.append(self._round(number, once, rounds[-1].judge))

        return Plan(steps=tuple(self._steps), rounds=tuple(rounds))

    def _seed_round(self) -> Round:
        judge = Path(self._config.model)

        return Round(number=0, judge=judge, evaluations=self._evaluate(0, judge))

    def _round(self, number: int, once: Mapping[str, str], last_judge: Path) -> Round:
        config = self._config
        pairs = dict(once)
        if config.pairs == "every_round":
            pairs = {
                name: self._answer(f"round-{number}/pairs/{name}", number, source, once[name])
                for name, source in config.sources.items()
            }
        judge = last_judge
        if number == 1 and config.first_judge is not None:
            judge = Path(config.first_judge)
        start = Path(config.model) if config.train_from == "seed" else last_judge
        annotations: list[Path] = []
        data: dict[Phase, Path] = {}
        runs: dict[Phase, Path] = {}
        for phase in config.training:
            prefix = f"round-{number}/{phase}"
            drawn = [self._annotate(prefix, number, name, pairs[name], judge) for name in pairs]
            data[phase] = self._prepare(prefix, number, phase, drawn)
            runs[phase] = self._train(prefix, number, phase, data[phase], start)
            # The next training of the round goes on from this one, and learns from its judgements.
            judge = start = self._export(prefix, number, phase, runs[phase])
            annotations += drawn

        return Round(
            number=number,
            judge=judge,
            annotations=tuple(annotations),
            data=data,
            runs=runs,
            pairs=tuple(Path(path) for path in pairs.values()),
            evaluations=self._evaluate(number, judge),
        )

    def _make_pairs(self, prefix: str, number: int, name: str, source: SourceConfig) -> str:
        """Return the pairs of a source; or, where these are made every round, what they are made of."""
        config = self._config
        if source.pairs is not None:
            return source.pairs
        if source.responses is not None:
            begin = source.responses
        else:
            assert source.instructions is not None
            begin = source.instructions
            selection = config.selection_of(source)
            if selection is not None:
                begin = self._stage(f"{prefix}/select", number, "select", begin, selection)
        if config.pairs == "every_round":
            return begin

        return self._answer(prefix, number, source, begin)

    def _answer(self, prefix: str, number: int, source: SourceConfig, begin: str) -> str:
        config, seed_model = self._config, {"model": self._config.model}
        if source.responses is None:
            options = seed_model | config.respond
            begin = self._stage(f"{prefix}/respond", number, "respond", begin, options)

        return self._stage(f"{prefix}/worsen", number, "worsen", begin, seed_model | config.worsen)

    def _stage(self, name: str, number: int, stage: str, inputs: str, options: Mapping[str, Any]) -> str:
        output = self._folder / name
        seed = {"seed": self._config.seed + number}
        # A selection without a model starts no engine.
        engine = self._config.engine if "model" in options else {}
        fixed = {"inputs": inputs, "output": output}
        model = options.get("model")
        self._steps.append(
            Step(
                name=name,
                kind=stage,
                round=number,
                argv=("ste", stage, *to_flags(fixed | seed | engine | dict(options))),
                output=output,
                reads=(inputs,),
                model=None if model is None else str(model),
            )
        )

        return str(output)

    def _annotate(self, prefix: str, number: int, name: str, pairs: str, judge: Path) -> Path:
        options = self._config.annotate | {"model": judge}

        return Path(self._stage(f"{prefix}/annotate/{name}", number, "annotate", pairs, options))

    def _prepare(self, prefix: str, number: int, phase: Phase, annotations: list[Path]) -> Path:
        config = self._config
        options = config.prepare_sft if phase == "sft" else config.prepare_dpo
        name = f"{prefix}/data"
        output = self._folder / name
        fixed: Options = {"generation_dir": annotations, "output_dir": output}
        if len(annotations) > 1:
            fixed["mix"] = [source.weight for source in config.sources.values()]
        values = fixed | {"seed": config.seed + number} | options
        self._steps.append(
            Step(
                name=name,
                kind=f"prepare_{phase}",
                round=number,
                argv=("ste", f"prepare-{phase}", *to_flags(values)),
                output=output,
                reads=tuple(map(str, annotations)),
            )
        )

        return output

    def _train(self, prefix: str, number: int, phase: Phase, data: Path, start: Path) -> Path:
        section = self._config.trainings()[phase]
        name = f"{prefix}/run"
        output = self._folder / name
        values: dict[str, Any] = {"model.name": start, "common.seed": self._config.seed + number}
        values["common.no_sweep_dir"] = True
        if phase == "dpo":
            # Names of models are folders here, not checkpoints of an earlier run.
            values["reference_model.name"] = start
            values["common.assets.prev_checkpoint_dir"] = None
        self._steps.append(
            Step(
                name=name,
                kind=phase,
                round=number,
                argv=(
                    *("fairseq2", "lm", _RECIPES[phase], str(output)),
                    *("--config-file", str(section.config_file), "--no-rich"),
                    *("--config", *to_assignments(values | section.config)),
                ),
                output=output,
                reads=(str(data),),
                model=str(start),
                settings=section.config_file,
                environment={_DATA_VARIABLES[phase]: str(data)},
            )
        )

        return output

    def _export(self, prefix: str, number: int, phase: Phase, run: Path) -> Path:
        section = self._config.trainings()[phase]
        checkpoint = section.checkpoint
        reads: tuple[str, ...] = ()
        if checkpoint == "judged":
            assert self._config.choose is not None
            name, subject = f"{prefix}/choice", {"checkpoints": run}
            choice = self._evaluation(name, number, "choose", subject, self._config.choose)
            checkpoint, reads = str(choice / CHOICE_NAME), (str(choice),)
        name = f"{prefix}/model"
        output = self._folder / name
        options = {
            "checkpoint_dir": run / "checkpoints",
            "output": output,
            "checkpoint": checkpoint,
            "dtype": section.dtype,
        }
        self._steps.append(
            Step(
                name=name,
                kind="export",
                round=number,
                argv=("fairseq2", "lm", "export", *to_flags(options)),
                output=output,
                reads=reads,
                model=str(run),
                appears_whole=True,
            )
        )

        return output

    def _evaluate(self, number: int, judge: Path) -> dict[str, Path]:
        return {
            name: self._evaluation(
                f"round-{number}/evaluate/{name}", number, "evaluate", {"model": judge}, options
            )
            for name, options in self._config.evaluate.items()
        }

    def _evaluation(
        self,
        name: str,
        number: int,
        kind: str,
        subject: Mapping[str, Path],
        options: Mapping[str, Any],
    ) -> Path:
        output = self._folder / name
        judge_options = self._config.engine | options.get("judge_options", {})
        values = {"output": output, **subject, **options, "judge_options": judge_options}
        [model] = subject.values()
        self._steps.append(
            Step(
                name=name,
                kind=kind,
                round=number,
                argv=("ste", "evaluate", *to_flags(values)),
                output=output,
                reads=(str(options["data"]),) if "data" in options else (),
                model=str(model),
            )
        )

        return output


def show_command(step: Step, command: Sequence[str]) -> str:
    """Return a command as a shell takes it, with the variables that the step needs.

    :param command: the step's own, or that within its launcher.
    """
    variables = [f"{name}={shlex.quote(value)}" for name, value in step.environment.items()]

    return " ".join([*variables, shlex.join(command)])


def job_name(folder: Path, step: Step) -> str:
    """Return the name of a step's job, where it is one; other loops' jobs have others."""
    return f"ste-{digest_text(str(folder.resolve()))[:8]}-{step.name.replace('/', '-')}"


def log_of(folder: Path, step: Step) -> Path:
    """Return the file that takes what a step writes."""
    return folder / LOGS_NAME / f"{step.name.replace('/', '.')}.log"
