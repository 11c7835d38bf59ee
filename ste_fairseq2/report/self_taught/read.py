"""Reads what a loop of Self-Taught Evaluators leaves: judgement samples, curation and pairs."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from ste_fairseq2.loop.config import Phase
from ste_fairseq2.loop.plan import Plan, Round
from ste_fairseq2.loop.self_taught.config import SelfTaughtConfig
from ste_fairseq2.report.facts import CurationFacts, JudgingFacts, PairFacts
from ste_fairseq2.report.judgements import Choice, ShownJudgement, ShownPair
from ste_fairseq2.report.pairs import read_pairs
from ste_fairseq2.report.samples import SampleSource, read_sample_facts
from ste_fairseq2.store.manifest import read_manifest


def read_judging(
    config: SelfTaughtConfig, plan: Plan, choice: Choice[ShownJudgement]
) -> list[JudgingFacts]:
    """Return the trainings of all rounds.

    :param choice: is offered every sample.
    """
    return [
        _read_judging(config, plan, round_, phase, choice)
        for round_ in plan.rounds[1:]
        for phase in config.training
    ]


def read_training_pairs(
    plan: Plan, wanted: Mapping[str, Collection[str]]
) -> tuple[list[PairFacts], dict[str, ShownPair]]:
    """Return the lengths of all pairs that judgements are drawn of, and the texts of some.

    :param wanted: their ids, by the place of the pairs.
    """
    facts: list[PairFacts] = []
    shown: dict[str, ShownPair] = {}
    places = {
        step.reads[0]: step.name.rpartition("/")[2] for step in plan.steps if step.kind == "annotate"
    }
    for place, source in places.items():
        maker = plan.maker_of(place)
        of_round = f", round {maker.round}" if maker is not None and maker.round else ""
        lengths, found = read_pairs(f"{source}{of_round}", place, wanted.get(place, ()))
        if lengths is not None:
            facts.append(lengths)
        shown |= {f"{place}#{pair_id}": pair for pair_id, pair in found.items()}

    return facts, shown


def with_votes(
    chosen: Sequence[ShownJudgement], judging: Sequence[JudgingFacts]
) -> Iterator[ShownJudgement]:
    """Yield the judgements with the votes of their prompts."""
    votes = {
        (_kind_of(facts.phase), facts.round, votes.prompt, votes.better_first): (
            votes.right,
            votes.total,
        )
        for facts in judging
        if facts.samples is not None
        for votes in facts.samples.votes
    }
    for judgement in chosen:
        if judgement.voted_on is not None:
            key = (judgement.kind, judgement.round, judgement.voted_on, judgement.better_first)
            judgement = dataclasses.replace(judgement, votes=votes[key])
        yield judgement


def _kind_of(phase: Phase) -> str:
    """Return what judgements drawn for a training are called."""
    return f"for {phase.upper()}"


def _label(config: SelfTaughtConfig, round_: Round, phase: Phase) -> str:
    return str(round_.number) if len(config.training) == 1 else f"{round_.number} {phase.upper()}"


def _read_judging(
    config: SelfTaughtConfig, plan: Plan, round_: Round, phase: Phase, choice: Choice[ShownJudgement]
) -> JudgingFacts:
    prefix = f"round-{round_.number}/{phase}/annotate/"
    sources = [
        SampleSource(step.output, step.name.removeprefix(prefix), step.reads[0])
        for step in plan.steps
        if step.name.startswith(prefix)
    ]

    return JudgingFacts(
        label=_label(config, round_, phase),
        round=round_.number,
        phase=phase,
        samples=read_sample_facts(sources, _kind_of(phase), round_.number, choice),
        curation=_read_curation(round_.data[phase]),
    )


def _read_curation(folder: Path) -> CurationFacts | None:
    manifest = read_manifest(folder)
    if manifest is None:
        return None

    return CurationFacts(
        outcomes=manifest.details["samples"],
        fates=manifest.counts,
        lengths=manifest.details["lengths"],
        min_agreement=float(manifest.config.get("min_agreement") or 0.0),
    )
