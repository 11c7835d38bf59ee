"""What a reader should look at first, by plain rules; each names the part that has the figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ste_fairseq2.report.facts import LoopFacts

_LEANING: Final = 0.1
"""A first slot named this far from half of the time is worth a look."""

_FAILURES: Final = 0.1
_LONGER: Final = 1.2


@dataclass(frozen=True)
class Finding:
    text: str
    anchor: str
    """The part to look at."""


def find(facts: LoopFacts) -> list[Finding]:
    """Return what stands out."""
    return [*_accuracy(facts), *_position(facts), *_failures(facts), *_kept(facts), *_lengths(facts)]


def _accuracy(facts: LoopFacts) -> Iterator[Finding]:
    for name in facts.config.evaluate:
        scored = [(s, s.benchmarks[name]) for s in facts.summaries if name in s.benchmarks]
        known = [(s, score, a) for s, score in scored if (a := score.figures["accuracy"]) is not None]
        if len(known) < 2:
            continue
        (_, first, begin), (last_round, last, end) = known[0], known[-1]
        apart = (
            first.interval
            and last.interval
            and (last.interval[0] > first.interval[1] or last.interval[1] < first.interval[0])
        )
        doubt = "" if apart else "; the intervals overlap, so this may be chance"
        yield Finding(
            f"Accuracy on {name} went from {100 * begin:.1f} % to {100 * end:.1f} % "
            f"by round {last_round.round}{doubt}.",
            "accuracy",
        )
        best_round, _, best = max(known, key=lambda item: item[2])
        if best > end:
            where = "the seed model" if best_round.round == 0 else f"round {best_round.round}"
            yield Finding(
                f"The best judge on {name} is that of {where}, with {100 * best:.1f} %.", "accuracy"
            )


def _position(facts: LoopFacts) -> Iterator[Finding]:
    for name in facts.config.evaluate:
        scored = [(s.round, s.benchmarks[name]) for s in facts.summaries if name in s.benchmarks]
        if not scored:
            continue
        number, score = scored[-1]
        first = score.figures["first_slot"]
        if first is not None and abs(first - 0.5) > _LEANING:
            which = "the seed model" if number == 0 else f"the judge of round {number}"
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
