"""The rounds of a loop in figures, read from what its steps have left; also `rounds.json`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.evaluation.following import Following, read_following
from ste_fairseq2.evaluation.judging import JUDGEMENTS_NAME
from ste_fairseq2.evaluation.result import SCORES_NAME
from ste_fairseq2.jsonl import read_rows, write_text
from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.journal import StepState, read_journal
from ste_fairseq2.loop.plan import Plan, Round
from ste_fairseq2.loop.sizes import num_records
from ste_fairseq2.store.manifest import Manifest, read_manifest

ROUNDS_NAME: Final = "rounds.json"

METRICS_NAME: Final = Path("metrics") / "train.jsonl"
"""What fairseq2 writes of a training, within its folder."""

_FIGURES: Final = {
    "both_right": "both_right",
    "agreement": "agreement",
    "first_slot": "first_slot",
    "better_first": "better_first",
    "better_last": "better_last",
    "unparseable": "unparseable",
    "truncated": "truncated",
}
"""Further figures of an evaluation that rounds are described by, and what they are called here."""


@dataclass(frozen=True, kw_only=True)
class BenchmarkScore:
    """What a judge scored; fractions, ``None`` where one is not defined."""

    pairs: int | float
    figures: Mapping[str, float | None]
    """``accuracy`` is the mean of both orders. One that scores answers one by one knows no orders, so
    it has no figures of them."""
    interval: tuple[float, float] | None
    """Of the accuracy."""
    sections: Mapping[str, float | None]
    """Accuracy by subset of the benchmark."""
    ranking: Mapping[str, float | None] = field(default_factory=dict)
    """Agreement with human ranks, where the benchmark has them and answers were scored one by one."""


@dataclass(frozen=True, kw_only=True)
class AnswerScores:
    """Scores that a model gave answers one by one, and the training examples made of them."""

    answers: int
    unscored: int
    """Answers none of whose judgements has a score."""
    points: Mapping[str, int]
    """Answers by their score, to the nearest whole point."""
    samples: int
    """Judgements drawn."""
    failures: Mapping[str, int]
    """Judgements without a score, by why."""
    temperature: float | None
    """Of the sampling of the answers; ``None`` where people wrote them."""
    fates: Mapping[str, int] = field(default_factory=dict)
    """Instructions by what became of them in curation."""
    examples: int | None = None
    """Training examples made of the scores."""
    chosen_words: float | None = None
    """Mean words of the chosen answers, where the examples are pairs …"""
    rejected_words: float | None = None
    """… and of the rejected ones."""
    chosen_longer: int | None = None
    """Pairs whose chosen answer has more characters …"""
    rejected_longer: int | None = None
    """… and whose rejected answer has."""
    mean_gap: float | None = None
    """Of the scores of chosen and rejected answer."""


@dataclass(frozen=True, kw_only=True)
class RoundSummary:
    """One round; what is not there yet is ``None`` or empty."""

    round: int
    name: str
    """As tables call it."""
    judge: str
    """The model that came of the round."""
    accuracy: float | None
    """On the first benchmark: the mean of both orders, a fraction."""
    sections: Mapping[str, float | None]
    """Likewise, by subset."""
    benchmarks: Mapping[str, BenchmarkScore]
    pairs: int | None
    samples: int | None
    """Judgements drawn."""
    outcomes: Mapping[str, int]
    """Samples by what their verdict was: right, wrong, tie …"""
    fates: Mapping[str, int]
    """Samples by what became of them in curation: kept, or why not. Counted in each training set."""
    kept: int | None
    """Judgements in the training sets."""
    gold: Mapping[str, int]
    """Examples by the better answer's place, A or B."""
    scores: AnswerScores | None = None
    """Of a round that learns from scores of single answers."""
    following: Mapping[str, Following] = field(default_factory=dict)
    """How the model answers itself, by test."""
    sft_examples: int | None
    dpo_examples: int | None
    train_steps: int | None
    """Optimiser steps, all trainings together."""
    prompt_tokens: int
    output_tokens: int
    """Of judging and evaluation."""
    seconds: float
    """Of the round's steps, failed attempts included."""
    seconds_by_kind: Mapping[str, float]
    """The same by kind of step."""


@dataclass(kw_only=True)
class _Curated:
    """Sums over the training sets of a round."""

    outcomes: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)
    gold: Counter[str] = field(default_factory=Counter)
    examples: dict[str, int] = field(default_factory=dict)


def summarise_rounds(plan: Plan, folder: Path) -> list[RoundSummary]:
    """Return all rounds of the plan, the seed model first."""
    states = read_journal(folder)

    return [_summarise(plan, round_, states) for round_ in plan.rounds]


def write_rounds(config: LoopConfig, plan: Plan, folder: Path) -> None:
    """Write ``rounds.json``."""
    rows = [asdict(summary) for summary in summarise_rounds(plan, folder)]
    content = {"method": config.method, "seed": config.seed, "model": config.model, "rounds": rows}
    write_text(folder / ROUNDS_NAME, json.dumps(content, indent=2) + "\n")


def _summarise(plan: Plan, round_: Round, states: Mapping[str, StepState]) -> RoundSummary:
    judged = [m for path in round_.annotations if (m := read_manifest(path)) is not None]
    curated = _add_up(round_)
    scores = {
        name: score for name, path in round_.evaluations.items() if (score := _score(path)) is not None
    }
    first = next(iter(round_.evaluations), None)
    compared = scores.get(first) if first is not None else None
    seconds: dict[str, float] = {}
    for step in plan.steps:
        if step.round == round_.number and step.name in states:
            seconds[step.kind] = seconds.get(step.kind, 0.0) + states[step.name].seconds
    tokens = Counter[str]()
    scored = [] if round_.scores is None else [read_manifest(round_.scores)]
    for manifest in [*judged, *filter(None, scored), *_judging_manifests(round_)]:
        tokens.update(manifest.details.get("tokens", {}))

    return RoundSummary(
        round=round_.number,
        name=round_.name,
        judge=str(round_.judge),
        accuracy=None if compared is None else compared.figures["accuracy"],
        sections={} if compared is None else compared.sections,
        benchmarks=scores,
        # Each training of the round judges the same pairs.
        pairs=_total(_num_pairs(read_manifest(a)) for a in round_.annotations[: len(round_.pairs)]),
        samples=_total(manifest.counts["kept"] for manifest in judged),
        outcomes=dict(curated.outcomes),
        fates=dict(curated.fates),
        kept=curated.fates.get("kept"),
        gold=dict(curated.gold),
        scores=_summarise_scores(round_),
        following={
            name: found
            for name, path in round_.followings.items()
            if (found := read_following(path)) is not None
        },
        sft_examples=curated.examples.get("sft"),
        dpo_examples=curated.examples.get("dpo"),
        train_steps=_total(_last_step(run) for run in round_.runs.values()),
        prompt_tokens=tokens["num_prompt_tokens"],
        output_tokens=tokens["num_output_tokens"],
        seconds=round(sum(seconds.values()), 1),
        seconds_by_kind={kind: round(value, 1) for kind, value in seconds.items()},
    )


def _add_up(round_: Round) -> _Curated:
    sums = _Curated()
    for phase, path in round_.data.items():
        size = num_records(path)
        if size is not None:
            sums.examples[phase] = size
        manifest = read_manifest(path)
        if manifest is not None and round_.annotations:
            sums.outcomes.update(manifest.details["samples"])
            sums.fates.update(manifest.counts)
            sums.gold.update(manifest.details["examples"]["gold"])

    return sums


def _summarise_scores(round_: Round) -> AnswerScores | None:
    scored = read_manifest(round_.scores) if round_.scores is not None else None
    if scored is None:
        return None
    summary = scored.details["summary"]
    drawn = read_manifest(round_.candidates) if round_.candidates is not None else None
    [data] = round_.data.values()
    curated = read_manifest(data)
    details: Mapping[str, Any] = {} if curated is None else curated.details
    lengths = details.get("lengths", {})

    return AnswerScores(
        answers=summary["answers"],
        unscored=summary["unscored"],
        points=summary["points"],
        samples=summary["samples"],
        failures=summary["failures"],
        temperature=None if drawn is None else drawn.config["temperature"],
        fates={} if curated is None else curated.counts,
        examples=details["examples"]["written"] if "examples" in details else None,
        chosen_words=lengths["chosen"]["words"]["mean"] if "chosen" in lengths else None,
        rejected_words=lengths["rejected"]["words"]["mean"] if "rejected" in lengths else None,
        chosen_longer=details.get("chosen_longer"),
        rejected_longer=details.get("rejected_longer"),
        mean_gap=details.get("mean_gap"),
    )


def _judging_manifests(round_: Round) -> list[Manifest]:
    found = (read_manifest(path / JUDGEMENTS_NAME) for path in round_.evaluations.values())

    return [manifest for manifest in found if manifest is not None]


def _num_pairs(annotations: Manifest | None) -> int | None:
    """Return how many pairs were judged: each in two orders, by so many samples."""
    if annotations is None:
        return None
    num_samples = sum(n for reason, n in annotations.counts.items() if reason != "malformed")

    return num_samples // (2 * int(annotations.config["samples"]))


def _score(evaluation: Path) -> BenchmarkScore | None:
    path = evaluation / SCORES_NAME
    if not path.is_file():
        return None
    row = json.loads(path.read_text(encoding="utf-8"))
    [judge] = row["judges"]
    # Of several samples their vote counts, as on the card.
    scores = judge.get("vote", judge)
    ranking = row.get("ranking", {})
    # One that scores answers one by one has no orders to take the mean of.
    accuracy = "mean" if "mean" in scores else "accuracy"
    groups = {group["subset"]: group.get("vote", group)[accuracy] for group in row["groups"]}

    return BenchmarkScore(
        pairs=judge["counts"]["pairs"],
        figures={"accuracy": scores[accuracy]}
        | {name: scores[figure] for figure, name in _FIGURES.items() if figure in scores},
        interval=scores["intervals"][accuracy],
        sections={name: mean for name, mean in groups.items() if name is not None},
        ranking={name: ranking[name] for name in ranking.get("intervals", ())},
    )


def _last_step(run: Path) -> int | None:
    path = run / METRICS_NAME
    if not path.is_file():
        return None
    steps = [row.data.get("Step") for row in read_rows(path, on_error=lambda error: None)]

    return max((step for step in steps if isinstance(step, int)), default=None)


def _total(values: Iterable[int | None]) -> int | None:
    """Return the sum of what is known, ``None`` where nothing is."""
    known = [value for value in values if value is not None]

    return sum(known) if known else None
