"""What a reader should look at first, by plain rules; each names the part that has the figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from ste_fairseq2.evaluation.bootstrap import Interval
from ste_fairseq2.loop.rounds import RoundSummary
from ste_fairseq2.report.facts import LoopFacts, round_title
from ste_fairseq2.report.parts.following import MEASURES

_LEANING: Final = 0.1
"""A first slot named this far from half of the time is worth a look."""

_FAILURES: Final = 0.1
_LONGER: Final = 1.2

_DRIFT: Final = 1.25
"""Answers that are so many times as long as the first model's."""

_CERTAIN: Final = 2.0
"""Pairs tilt to one side where the difference of both counts is beyond so many standard deviations of
chance, which has each side half of the time."""

_Point: TypeAlias = tuple[RoundSummary, float, Interval | None]
"""A fraction with its interval."""


@dataclass(frozen=True)
class Finding:
    text: str
    anchor: str
    """The part to look at."""


def find(facts: LoopFacts) -> list[Finding]:
    """Return what stands out; of what a loop's method does not have, nothing does."""
    return [
        *(*_following(facts), *_accuracy(facts), *_position(facts)),
        *(*_failures(facts), *_kept(facts), *_lengths(facts)),
        *(*_unscored(facts), *_paired(facts), *_chosen_longer(facts), *_drift(facts)),
    ]


def _following(facts: LoopFacts) -> Iterator[Finding]:
    for name in facts.tests:
        tested = [(s, s.following[name]) for s in facts.summaries if name in s.following]
        points = [(summary, test.score, test.interval) for summary, test in tested]
        if tested:
            yield from _trend(f"{MEASURES[tested[0][1].measure]} on {name}", points, "following")
        if (best := _better_than_last(points)) is not None:
            yield Finding(f"The best answers on {name} are those of {best}.", "following")


def _accuracy(facts: LoopFacts) -> Iterator[Finding]:
    for name in facts.config.evaluate:
        scored = [(s, s.benchmarks[name]) for s in facts.summaries if name in s.benchmarks]
        points = [
            (summary, accuracy, score.interval)
            for summary, score in scored
            if (accuracy := score.figures["accuracy"]) is not None
        ]
        yield from _trend(f"Accuracy on {name}", points, "accuracy")
        if (best := _better_than_last(points)) is not None:
            yield Finding(f"The best judge on {name} is that of {best}.", "accuracy")


def _better_than_last(points: Sequence[_Point]) -> str | None:
    """Return the best round with its figure, where it is not the last."""
    if not points:
        return None
    best_round, best, _ = max(points, key=lambda point: point[1])

    return f"{round_title(best_round)}, with {100 * best:.1f} %" if best > points[-1][1] else None


def _trend(what: str, points: Sequence[_Point], anchor: str) -> Iterator[Finding]:
    """Tell how a figure went from the first model to the last."""
    if len(points) < 2:
        return
    (_, begin, first), (last_round, end, last) = points[0], points[-1]
    apart = first and last and (last[0] > first[1] or last[1] < first[0])
    doubt = "" if apart else "; the intervals overlap, so this may be chance"
    yield Finding(
        f"{what} went from {100 * begin:.1f} % to {100 * end:.1f} % "
        f"by {round_title(last_round)}{doubt}.",
        anchor,
    )


def _position(facts: LoopFacts) -> Iterator[Finding]:
    for name in facts.config.evaluate:
        scored = [(s, s.benchmarks[name]) for s in facts.summaries if name in s.benchmarks]
        if not scored:
            continue
        summary, score = scored[-1]
        first = score.figures.get("first_slot")
        if first is not None and abs(first - 0.5) > _LEANING:
            title = round_title(summary)
            which = title if summary.round == 0 else f"the judge of {title}"
            yield Finding(
                f"On {name}, {which} names the answer shown first in {100 * first:.0f} % "
                "of its decided judgements.",
                "position",
            )


def _failures(facts: LoopFacts) -> Iterator[Finding]:
    for judging in reversed(facts.judging):
        if judging.curation is None:
            continue
        outcomes = judging.curation.outcomes
        total = sum(outcomes.values())
        for name in ("unparseable", "truncated"):
            count = outcomes.get(name, 0)
            if total and count > _FAILURES * total:
                yield Finding(
                    f"{100 * count / total:.0f} % of the samples of {judging.label} are {name}.", "kept"
                )
        return


def _kept(facts: LoopFacts) -> Iterator[Finding]:
    for judging in reversed(facts.judging):
        if judging.curation is None:
            continue
        fates = judging.curation.fates
        total = sum(fates.values())
        dropped = {name: n for name, n in fates.items() if name != "kept" and n}
        if dropped:
            name = max(dropped, key=lambda reason: dropped[reason])
            yield Finding(
                f"In {judging.label}, curation kept {100 * fates.get('kept', 0) / total:.0f} % of the "
                f"samples; most of the others were: {name.replace('_', ' ')}.",
                "kept",
            )
        return


def _lengths(facts: LoopFacts) -> Iterator[Finding]:
    for judging in facts.judging:
        lengths = judging.curation.lengths if judging.curation is not None else {}
        if "rejected" in lengths:
            chosen, rejected = (lengths[side]["words"]["mean"] for side in ("chosen", "rejected"))
            if chosen > _LONGER * rejected or rejected > _LONGER * chosen:
                yield Finding(
                    f"In {judging.label}, chosen judgements have {chosen:g} words on average and "
                    f"rejected ones {rejected:g}.",
                    "lengths",
                )
    for pairs in facts.pairs:
        better, worse = pairs.better["words"]["mean"], pairs.worse["words"]["mean"]
        if better > _LONGER * worse or worse > _LONGER * better:
            yield Finding(
                f"Better responses of {pairs.name} have {better:g} words on average, "
                f"worse ones {worse:g}.",
                "lengths",
            )


def _unscored(facts: LoopFacts) -> Iterator[Finding]:
    newest = next((f for f in reversed(facts.scoring) if f.scores is not None), None)
    if newest is None or newest.scores is None:
        return
    for name, count in newest.scores.failures.items():
        if count > _FAILURES * newest.scores.samples:
            yield Finding(
                f"{100 * count / newest.scores.samples:.0f} % of the judgements that score answers for "
                f"{newest.label} are {name.replace('_', ' ')}.",
                "scores",
            )


def _paired(facts: LoopFacts) -> Iterator[Finding]:
    for scoring in reversed(facts.scoring):
        fates = {} if scoring.scores is None else dict(scoring.scores.fates)
        fates.pop("malformed", None)
        total = sum(fates.values())
        dropped = {name: n for name, n in fates.items() if name != "kept" and n}
        if dropped:
            name = max(dropped, key=lambda reason: dropped[reason])
            yield Finding(
                f"In {scoring.label}, curation kept {100 * fates.get('kept', 0) / total:.0f} % of the "
                f"instructions; most of the others were: {name.replace('_', ' ')}.",
                "scores",
            )
        if total:
            return


def _chosen_longer(facts: LoopFacts) -> Iterator[Finding]:
    for scoring in facts.scoring:
        scores = scoring.scores
        if scores is None or scores.chosen_longer is None or scores.rejected_longer is None:
            continue
        unequal = scores.chosen_longer + scores.rejected_longer
        tilt = scores.chosen_longer - scores.rejected_longer
        if tilt > 2 * _LEANING * unequal and tilt > _CERTAIN * math.sqrt(unequal):
            temperature = scores.temperature
            drawn = "" if temperature is None else f" (drawn at temperature {temperature:g})"
            yield Finding(
                f"In {scoring.label}, the chosen answer is the longer one in "
                f"{100 * scores.chosen_longer / unequal:.0f} % of the pairs of unequal length{drawn}.",
                "lengths",
            )


def _drift(facts: LoopFacts) -> Iterator[Finding]:
    for name in facts.tests:
        known = [
            (summary, words)
            for summary in facts.summaries
            if name in summary.following and (words := summary.following[name].mean_words)
        ]
        if not known:
            continue
        (first_round, first), (last_round, last) = known[0], known[-1]
        if last > _DRIFT * first:
            yield Finding(
                f"On {name}, the answers of {round_title(last_round)} have {last:.1f} words on average, "
                f"those of {round_title(first_round)} {first:.1f}.",
                "lengths",
            )
