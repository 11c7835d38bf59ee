"""Writes the choice of a checkpoint: as JSON, as a table in Markdown and as a curve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from ste_fairseq2 import __version__
from ste_fairseq2.evaluation import markdown
from ste_fairseq2.evaluation.bootstrap import Bootstrap
from ste_fairseq2.evaluation.checkpoint_choice import (
    CHOICE_NAME,
    SHOWN_FIGURES,
    WITH_INTERVAL,
    CheckpointScore,
    Choice,
)
from ste_fairseq2.evaluation.curve import Curve, draw_curves
from ste_fairseq2.jsonl import write_text

CHOICE_NAMES: Final = (CHOICE_NAME, "checkpoints.md", "checkpoints.png")


def write_choice(folder: Path, choice: Choice, bootstrap: Bootstrap) -> None:
    """Write the files of :data:`CHOICE_NAMES`."""
    rows, text, picture = (folder / name for name in CHOICE_NAMES)
    write_text(rows, json.dumps(_choice_row(choice, bootstrap), indent=2) + "\n")
    parts = [
        f"# Checkpoints of {choice.run} on {choice.benchmark}",
        choice_table(choice),
        choice.verdict,
        f"![accuracy by step]({picture.name})",
        _GLOSSARY,
    ]
    write_text(text, "\n\n".join(parts) + "\n")
    draw_curves(
        picture,
        [score.step for score in choice.scores],
        (_curve(choice, "mean"), _curve(choice, "both_right")),
        title=f"{choice.run.name} on {choice.benchmark} ({choice.best.pairs} pairs)",
        chosen=choice.best.step,
    )


def choice_table(choice: Choice) -> str:
    """Return the scores as a Markdown table."""
    header = ["checkpoint", "pairs", *SHOWN_FIGURES.values()]
    header += ["prompt tokens", "generated tokens", "seconds"]
    rows = [
        [
            f"step_{score.step}",
            str(score.pairs),
            *(
                markdown.percent(score.figures[name], score.intervals.get(name))
                for name in SHOWN_FIGURES
            ),
            _count(score.prompt_tokens),
            _count(score.completion_tokens),
            markdown.NONE if score.seconds is None else f"{score.seconds:.1f}",
        ]
        for score in choice.scores
    ]

    return markdown.table(header, rows)


def _choice_row(choice: Choice, bootstrap: Bootstrap) -> dict[str, Any]:
    return {
        "version": __version__,
        "run": str(choice.run),
        "benchmark": choice.benchmark,
        "bootstrap": bootstrap.describe(),
        "checkpoints": [_score_row(score) for score in choice.scores],
        "still_to_judge": choice.num_left,
        "best": {
            "step": choice.best.step,
            "model": str(choice.best.model),
            "is_clear": not choice.rivals,
            "overlaps_with": list(choice.rivals),
        },
    }


def _score_row(score: CheckpointScore) -> dict[str, Any]:
    keys = {name: title.replace(" ", "_") for name, title in SHOWN_FIGURES.items()}

    return {
        "step": score.step,
        "model": str(score.model),
        "pairs": score.pairs,
        **{key: score.figures[name] for name, key in keys.items()},
        "intervals": {keys[name]: score.intervals[name] for name in WITH_INTERVAL},
        "prompt_tokens": score.prompt_tokens,
        "completion_tokens": score.completion_tokens,
        "seconds": score.seconds,
    }


def _curve(choice: Choice, name: str) -> Curve:
    return Curve(
        SHOWN_FIGURES[name],
        [score.figures[name] for score in choice.scores],
        [score.intervals[name] for score in choice.scores],
    )


def _count(value: int | None) -> str:
    return markdown.NONE if value is None else f"{value:,}"


_GLOSSARY: Final = """\
All figures but counts are in percent; in parentheses the interval of a bootstrap over pairs. *Accuracy*:
the mean of the two orders that each pair is shown in. *Both right* and *agreement*: right, or the same
answer, in both orders. *First slot*: verdicts for the answer shown first, 50 without a leaning. Of equal
accuracies the earlier step is the best. *Seconds*: of the last run that judged. Each folder `step_N` is
an evaluation of its own, and `ste evaluate --compare` tells two of them apart pair by pair."""
