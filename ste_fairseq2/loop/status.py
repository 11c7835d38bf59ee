"""Shows a loop's rounds and steps as tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from ste_fairseq2.curation.outcomes import VOTED_RIGHT
from ste_fairseq2.evaluation import markdown
from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.journal import is_done, read_journal
from ste_fairseq2.loop.plan import Plan
from ste_fairseq2.loop.rounds import AnswerScores, RoundSummary, summarise_rounds
from ste_fairseq2.loop.self_rewarding.config import SelfRewardingConfig

_Column: TypeAlias = tuple[str, Callable[[RoundSummary], str]]


def describe_loop(config: LoopConfig, plan: Plan, folder: Path) -> str:
    """Return the table of the rounds, and what is still to do."""
    header, *rows = rounds_cells(config, summarise_rounds(plan, folder))

    return f"{markdown.table(header, rows)}\n\n{describe_progress(plan, folder)}"


def rounds_cells(config: LoopConfig, summaries: Sequence[RoundSummary]) -> list[list[str]]:
    """Return the cells of a table with a line for each round, the header first.

    Accuracies and tests of following are in percent; the accuracy of a judge of pairs is the mean of
    both orders.
    """
    columns: list[_Column] = [("round", lambda summary: summary.name)]
    if isinstance(config, SelfRewardingConfig):
        columns += [(name, partial(_followed, name)) for name in config.follow]
    columns += [(name, partial(_accuracy, name)) for name in config.evaluate]
    columns += _SCORE_COLUMNS if isinstance(config, SelfRewardingConfig) else _JUDGEMENT_COLUMNS
    columns += _TRAINING_COLUMNS

    return [
        [name for name, _ in columns],
        *([cell(summary) for _, cell in columns] for summary in summaries),
    ]


def _followed(test: str, summary: RoundSummary) -> str:
    found = summary.following.get(test)

    return markdown.NONE if found is None else markdown.percent(found.score, found.interval)


def _accuracy(benchmark: str, summary: RoundSummary) -> str:
    score = summary.benchmarks.get(benchmark)
    if score is None:
        return markdown.NONE

    return markdown.percent(score.figures["accuracy"], score.interval)


def _right(summary: RoundSummary) -> str:
    """Return how many of the samples have the right verdict."""
    outcomes = summary.outcomes
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


def _gold(summary: RoundSummary) -> str:
    return f"{summary.gold['A']} / {summary.gold['B']}" if summary.gold else markdown.NONE


def _of_scores(show: Callable[[AnswerScores], str]) -> Callable[[RoundSummary], str]:
    return lambda summary: markdown.NONE if summary.scores is None else show(summary.scores)


def _words(scores: AnswerScores) -> str:
    if scores.chosen_words is None or scores.rejected_words is None:
        return markdown.NONE

    return f"{scores.chosen_words:g} / {scores.rejected_words:g}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"

    return f"{minutes}:{rest:02d} min" if minutes else f"{rest} s"


_JUDGEMENT_COLUMNS: Final[tuple[_Column, ...]] = (
    ("pairs", lambda summary: _count(summary.pairs)),
    ("samples", lambda summary: _count(summary.samples)),
    ("right", _right),
    ("kept", lambda summary: _count(summary.kept)),
    ("A / B", _gold),
)

_SCORE_COLUMNS: Final[tuple[_Column, ...]] = (
    ("answers", _of_scores(lambda scores: _count(scores.answers))),
    ("unscored", _of_scores(lambda scores: _count(scores.unscored))),
    ("samples", _of_scores(lambda scores: _count(scores.samples))),
    ("chosen / rejected words", _of_scores(_words)),
)

_TRAINING_COLUMNS: Final[tuple[_Column, ...]] = (
    ("SFT", lambda summary: _count(summary.sft_examples)),
    ("DPO", lambda summary: _count(summary.dpo_examples)),
    ("steps", lambda summary: _count(summary.train_steps)),
    ("tokens", lambda summary: _count((summary.prompt_tokens + summary.output_tokens) or None)),
    ("time", lambda summary: _duration(summary.seconds) if summary.seconds else markdown.NONE),
)
