"""Which checkpoint of a run judges best, and how clear that is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ste_fairseq2.errors import InputError, MissingPathError
from ste_fairseq2.evaluation import markdown
from ste_fairseq2.evaluation.bootstrap import Interval
from ste_fairseq2.evaluation.result import Evaluation

CHOICE_NAME: Final = "checkpoints.json"
"""The file that a choice is written to."""

SHOWN_FIGURES: Final = {
    "mean": "accuracy",
    "both_right": "both right",
    "agreement": "agreement",
    "first_slot": "first slot",
    "unparseable": "unparseable",
    "truncated": "truncated",
}
"""The figures that are shown (see `figures.py`), by what they are called here."""

WITH_INTERVAL: Final = ("mean", "both_right", "agreement")


@dataclass(frozen=True, kw_only=True)
class CheckpointScore:
    """What judging with one checkpoint came to."""

    step: int
    model: Path
    """The checkpoint as a model folder."""
    pairs: int | float
    figures: Mapping[str, float | None]
    intervals: Mapping[str, Interval | None]
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float | None

    @staticmethod
    def of(step: int, model: Path, evaluation: Evaluation) -> CheckpointScore:
        (judge,) = evaluation.report.judges
        scores = judge.vote_scores if judge.vote_scores is not None else judge.scores

        return CheckpointScore(
            step=step,
            model=model,
            pairs=scores.counts["pairs"],
            figures={name: scores.figures[name] for name in SHOWN_FIGURES},
            intervals={name: scores.intervals[name] for name in WITH_INTERVAL},
            prompt_tokens=judge.cost.prompt_tokens,
            completion_tokens=judge.cost.completion_tokens,
            seconds=evaluation.provenance.seconds,
        )

    @property
    def accuracy(self) -> float:
        """The mean of the accuracies in both orders."""
        mean = self.figures["mean"]

        return -1.0 if mean is None else mean

    def overlaps(self, other: CheckpointScore) -> bool:
        """Whether the intervals of the accuracies meet; one that is not known may be anything."""
        own, others = self.intervals["mean"], other.intervals["mean"]
        if own is None or others is None:
            return True

        return own[0] <= others[1] and others[0] <= own[1]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The scores of a run's checkpoints, and the best of them."""

    run: Path
    benchmark: str
    scores: tuple[CheckpointScore, ...]
    """In the order of their steps; at least one."""
    num_checkpoints: int
    """With those that are still to be judged."""
    best: CheckpointScore
    rivals: tuple[int, ...]
    """Steps whose accuracy has an interval that meets that of the best."""

    @property
    def num_left(self) -> int:
        """Checkpoints that are still to be judged."""
        return self.num_checkpoints - len(self.scores)

    @property
    def verdict(self) -> str:
        """The choice in a sentence or two, and how clear it is."""
        accuracy = markdown.percent(self.best.figures["mean"], self.best.intervals["mean"])
        best = f"step_{self.best.step} is the best: {accuracy}."
        if self.rivals:
            names = ", ".join(f"step_{step}" for step in self.rivals)
            best += f" The choice is not a clear one; these overlap with its interval: {names}."
        if self.num_left:
            best += f" Still to be judged: {self.num_left} of {self.num_checkpoints}."

        return best


def choose(
    run: Path, benchmark: str, scores: Sequence[CheckpointScore], *, num_checkpoints: int
) -> Choice:
    """Choose by accuracy, the earlier of equals.

    :param scores: at least one, in the order of their steps.
    """
    best = max(scores, key=lambda score: (score.accuracy, -score.step))

    return Choice(
        run=run,
        benchmark=benchmark,
        scores=tuple(scores),
        num_checkpoints=num_checkpoints,
        best=best,
        rivals=tuple(s.step for s in scores if s is not best and s.overlaps(best)),
    )


def read_chosen_step(path: Path) -> int:
    """Return the step of the best checkpoint of a written choice.

    :raises MissingPathError: the file does not exist.
    :raises InputError: it holds no choice, or one that is not finished.
    """
    if not path.is_file():
        raise MissingPathError("choice of a checkpoint", path)
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        step, left = int(row["best"]["step"]), int(row["still_to_judge"])
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"`{path}` holds no choice of a checkpoint; name what `ste evaluate --checkpoints` wrote."
        ) from None
    if left:
        raise InputError(f"`{path}` is not finished: {left} checkpoints are still to be judged.")

    return step
