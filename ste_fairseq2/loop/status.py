"""Shows a loop's rounds and steps as tables."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ste_fairseq2.curation.outcomes import VOTED_RIGHT
from ste_fairseq2.evaluation import markdown
from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.journal import is_done, read_journal
from ste_fairseq2.loop.plan import Plan
from ste_fairseq2.loop.rounds import RoundSummary, summarise_rounds

_HEADER: Final = (
    *("round", "pairs", "samples", "right", "kept", "A / B"),
    *("SFT", "DPO", "steps", "tokens", "time"),
)


def describe_loop(config: LoopConfig, plan: Plan, folder: Path) -> str:
    """Return the table of the rounds, and what is still to do."""
    header, *rows = rounds_cells(summarise_rounds(plan, folder), list(config.evaluate))

    return f"{markdown.table(header, rows)}\n\n{describe_progress(plan, folder)}"


def rounds_cells(summaries: Sequence[RoundSummary], benchmarks: Sequence[str]) -> list[list[str]]:
    """Return the cells of a table with a line for each round, the header first.

    Accuracies are means of both orders, in percent.
    """
    rows = [
        [
            "seed" if summary.round == 0 else str(summary.round),
            *(_accuracy(summary, name) for name in benchmarks),
            _count(summary.pairs),
            _count(summary.samples),
            _share(summary.outcomes),
            _count(summary.kept),
            f"{summary.gold['A']} / {summary.gold['B']}" if summary.gold else markdown.NONE,
            _count(summary.sft_examples),
            _count(summary.dpo_examples),
            _count(summary.train_steps),
            _count((summary.prompt_tokens + summary.output_tokens) or None),
            _duration(summary.seconds) if summary.seconds else markdown.NONE,
        ]
        for summary in summaries
    ]

    return [[_HEADER[0], *benchmarks, *_HEADER[1:]], *rows]


def _accuracy(summary: RoundSummary, benchmark: str) -> str:
    score = summary.benchmarks.get(benchmark)
    if score is None:
        return markdown.NONE

    return markdown.percent(score.figures["accuracy"], score.interval)


def _share(outcomes: Mapping[str, int]) -> str:
    """Return how many of the samples have the right verdict."""
    total = sum(outcomes.values())

    right = sum(outcomes.get(outcome.name.lower(), 0) for outcome in VOTED_RIGHT)

    return markdown.percent(right / total) if total else markdown.NONE


def describe_progress(plan: Plan, folder: Path) -> str:
    """Return in a sentence how far a loop is."""
    states = read_journal(folder)
    left = [step for step in plan.steps if not is_done(step, states.get(step.name))]
    if not left:
        return f"All {len(plan.steps)} steps are done."
    step = left[0]
    text = f"{len(plan.steps) - len(left)} of {len(plan.steps)} steps are done; the next is {step.name}"
    state = states.get(step.name)
    if state is None:
        return f"{text}."
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(state.started))

    return f"{text}, last started {when} (attempt {state.attempts})."


def _count(value: int | None) -> str:
    return markdown.NONE if value is None else f"{value:,}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"

    return f"{minutes}:{rest:02d} min" if minutes else f"{rest} s"
