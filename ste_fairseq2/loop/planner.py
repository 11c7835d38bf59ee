"""What planners of all methods share: stages, trainings, exports and evaluations as steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from ste_fairseq2.evaluation.checkpoint_choice import CHOICE_NAME
from ste_fairseq2.loop.config import LoopConfig, Phase
from ste_fairseq2.loop.options import to_assignments, to_flags
from ste_fairseq2.loop.plan import Plan, Step

ConfigT = TypeVar("ConfigT", bound=LoopConfig)

_RECIPES: Final[dict[Phase, str]] = {"sft": "instruction_finetune", "dpo": "preference_finetune"}
_DATA_VARIABLES: Final[dict[Phase, str]] = {"sft": "STE_SFT_DATA", "dpo": "STE_DPO_DATA"}


class Planner(ABC, Generic[ConfigT]):
    """Collects the steps of one plan; a method says in :meth:`plan` which."""

    def __init__(self, config: ConfigT, folder: Path) -> None:
        """
        :param folder: the loop's folder.
        """
        self.config = config
        self.folder = folder
        self.steps: list[Step] = []

    @abstractmethod
    def plan(self) -> Plan:
        """Return all steps in the order they run in."""

    def stage(
        self,
        name: str,
        number: int,
        kind: str,
        inputs: str,
        options: Mapping[str, Any],
        command: tuple[str, ...] | None = None,
    ) -> str:
        """Add a stage that reads one place, and return its output.

        :param command: the command line without its options, where it is not that of its kind.
        """
        output = self.folder / name
        # A selection without a model starts no engine.
        engine = self.config.engine if "model" in options else {}
        values = {"seed": self.config.seed + number} | engine | dict(options)
        model = options.get("model")
        self.steps.append(
            Step(
                name=name,
                kind=kind,
                round=number,
                argv=(
                    *("ste", *(command or (kind,))),
                    *to_flags({"inputs": inputs, "output": output} | values),
                ),
                output=output,
                reads=(inputs,),
                model=None if model is None else str(model),
                options=values,
            )
        )

        return str(output)

    def curate(
        self,
        name: str,
        number: int,
        kind: str,
        places: Mapping[str, str | Sequence[str]],
        options: Mapping[str, Any],
    ) -> Path:
        """Add a step that makes training data without a model, and return its output.

        :param places: what it reads, by option.
        """
        output = self.folder / name
        values = {"seed": self.config.seed + number} | dict(options)
        reads: list[str] = []
        for place in places.values():
            reads += [place] if isinstance(place, str) else place
        self.steps.append(
            Step(
                name=name,
                kind=kind,
                round=number,
                argv=(
                    *("ste", kind.replace("_", "-")),
                    *to_flags({**places, "output_dir": output} | values),
                ),
                output=output,
                reads=tuple(reads),
                options=values,
            )
        )

        return output

    def train(self, prefix: str, number: int, phase: Phase, data: Path, start: Path) -> Path:
        """Add a training, and return its folder."""
        section = self.config.trainings()[phase]
        name = f"{prefix}/run"
        output = self.folder / name
        values: dict[str, Any] = {"model.name": start, "common.seed": self.config.seed + number}
        values["common.no_sweep_dir"] = True
        if phase == "dpo":
            # Names of models are folders here, not checkpoints of an earlier run.
            values["reference_model.name"] = start
            values["common.assets.prev_checkpoint_dir"] = None
        self.steps.append(
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

    def export(self, prefix: str, number: int, phase: Phase, run: Path) -> Path:
        """Add the choice of a training's checkpoint, where it is judged, and the model made of it."""
        section = self.config.trainings()[phase]
        checkpoint = section.checkpoint
        reads: tuple[str, ...] = ()
        if checkpoint == "judged":
            assert self.config.choose is not None
            name, subject = f"{prefix}/choice", {"checkpoints": run}
            choice = self.evaluation(name, number, "choose", subject, self.config.choose)
            checkpoint, reads = str(choice / CHOICE_NAME), (str(choice),)
        name = f"{prefix}/model"
        output = self.folder / name
        options = {
            "checkpoint_dir": run / "checkpoints",
            "output": output,
            "checkpoint": checkpoint,
            "dtype": section.dtype,
        }
        self.steps.append(
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

    def complete_evaluation(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the options of an evaluation with what the method adds to the user's."""
        return options

    def evaluate(self, prefix: str, number: int, judge: Path) -> dict[str, Path]:
        """Add an evaluation of a judge on each benchmark."""
        return {
            name: self.evaluation(
                f"{prefix}/evaluate/{name}", number, "evaluate", {"model": judge}, options
            )
            for name, options in self.config.evaluate.items()
        }

    def evaluation(
        self,
        name: str,
        number: int,
        kind: str,
        subject: Mapping[str, Path],
        options: Mapping[str, Any],
    ) -> Path:
        """Add an evaluation, and return its output.

        :param subject: what is evaluated, by option.
        """
        output = self.folder / name
        options = self.complete_evaluation(options)
        judge_options = self.config.engine | options.get("judge_options", {})
        values = {"output": output, **subject, **options, "judge_options": judge_options}
        [model] = subject.values()
        self.steps.append(
            Step(
                name=name,
                kind=kind,
                round=number,
                argv=("ste", "evaluate", *to_flags(values)),
                output=output,
                reads=(str(options["data"]),) if "data" in options else (),
                model=str(model),
                options=judge_options,
            )
        )

        return output
