"""What `ste demo` ends with: the table of its rounds and the picture of their accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ste_fairseq2.evaluation import markdown
from ste_fairseq2.loop.rounds import RoundSummary
from ste_fairseq2.small_world.demo import BENCHMARK, FILTERS, pairs_of
from ste_fairseq2.small_world.reasoning import share_of_wrong_reasoning

PICTURE_NAME: Final = "accuracy.png"

_KEPT_BY: Final = {
    "both-orders": "kept: right in both orders",
    "any-right": "kept: any right verdict",
}


def describe_demo(folder: Path, rounds: Mapping[str, Sequence[RoundSummary]]) -> str:
    """Return the table of all rounds, and what they come to.

    :param folder: the demonstration's.
    """
    sections = list(next(iter(rounds.values()))[0].sections)
    header = ["filter", "round", "accuracy", *sections]
    header += ["samples", "kept", "wrong reasoning", "seconds"]
    rows = [
        [
            name,
            summary.name,
            markdown.percent(summary.accuracy, summary.benchmarks[BENCHMARK].interval),
            *(markdown.percent(summary.sections[section]) for section in sections),
            markdown.NONE if summary.samples is None else f"{summary.samples:,}",
            markdown.NONE if summary.kept is None else f"{summary.kept:,}",
            _wrong_reasoning(folder, name, summary),
            f"{summary.seconds:.0f}",
        ]
        for name, summaries in rounds.items()
        for summary in summaries
    ]
    gains = ", ".join(f"{name} {_gain(summaries)}" for name, summaries in rounds.items())

    return (
        f"{markdown.table(header, rows, num_names=2)}\n\n"
        "Held-out accuracy in percent, the mean of both orders. Wrong reasoning: judgements in the "
        "training set, in percent, with the right verdict behind a wrong answer of the judge's own. The "
        f"judge's gain over the seed model: {gains} points."
    )


def draw_demo(folder: Path, rounds: Mapping[str, Sequence[RoundSummary]]) -> Path:
    """Draw the accuracy of all rounds, and return the picture."""
    from ste_fairseq2.evaluation.curve import Curve, draw_curves

    path = folder / PICTURE_NAME
    first, second = (
        Curve(
            _KEPT_BY[name],
            [summary.accuracy for summary in rounds[name]],
            [summary.benchmarks[BENCHMARK].interval for summary in rounds[name]],
        )
        for name in FILTERS
    )
    numbers = [summary.round for summary in next(iter(rounds.values()))]
    title = "A small judge teaches itself: accuracy on held-out pairs"
    draw_curves(path, numbers, (first, second), title=title, x_label="round (0 is the seed model)")

    return path


def _wrong_reasoning(folder: Path, name: str, summary: RoundSummary) -> str:
    if summary.round == 0:
        return markdown.NONE
    data = folder / name / f"round-{summary.round}" / "sft" / "data"

    return markdown.percent(share_of_wrong_reasoning(data, pairs_of(folder)))


def _gain(summaries: Sequence[RoundSummary]) -> str:
    first, last = summaries[0].accuracy, summaries[-1].accuracy

    return markdown.NONE if first is None or last is None else f"{100 * (last - first):+.1f}"
