"""Reads everything that the page tells from the folders of loops, finished or not."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from ste_fairseq2 import __version__
from ste_fairseq2.evaluation.judging import JUDGEMENTS_NAME
from ste_fairseq2.loop.config import LoopConfig, Phase
from ste_fairseq2.loop.load import read_loop_folder
from ste_fairseq2.loop.plan import Plan, Round, Step
from ste_fairseq2.loop.rounds import summarise_rounds
from ste_fairseq2.loop.status import describe_progress, rounds_cells
from ste_fairseq2.report.facts import (
    Cost,
    CurationFacts,
    CurveFacts,
    DropFacts,
    JudgingFacts,
    LoopFacts,
    PairFacts,
    Peer,
)
from ste_fairseq2.report.held_out import offer_held_out, read_held_out_pairs
from ste_fairseq2.report.judgements import Choice, Judgements, ShownJudgement, ShownPair
from ste_fairseq2.report.pairs import read_pairs
from ste_fairseq2.report.samples import SampleSource, read_sample_facts
from ste_fairseq2.report.training import read_metrics
from ste_fairseq2.store.manifest import read_manifest

_PAIR_STAGES: Final = ("select", "respond", "worsen")

_Votes = Mapping[tuple[str, int, str, bool], tuple[int, int]]


def read_loop(folder: Path, *, compare: Sequence[Path] = (), limit: int) -> LoopFacts:
    """Return what is known of a loop.

    :param compare: folders of loops to draw beside it.
    :param limit: most judgements to show of a round, kind and order.
    :raises MissingPathError: a folder holds no loop.
    """
    config, plan = read_loop_folder(folder)
    others = [(other, *read_loop_folder(other)) for other in compare]
    names = distinct_names([folder, *compare])
    choice = Choice(config.seed, limit)
    judging = [_read_judging(config, plan, n, phase, choice) for n, phase in _trainings(config, plan)]
    _offer_held_out(plan, choice)
    chosen = list(choice.chosen())
    pairs, shown = _read_pairs(plan, chosen)
    votes = _votes(judging)
    summaries = summarise_rounds(plan, folder)

    return LoopFacts(
        name=names[0],
        config=config,
        version=__version__,
        summaries=summaries,
        rounds_table=rounds_cells(summaries, list(config.evaluate)),
        progress=describe_progress(plan, folder),
        judging=judging,
        drops=list(_read_drops(plan)),
        pairs=pairs,
        curves=list(_read_curves(config, plan)),
        costs=_read_costs(plan),
        peers=[
            Peer(name=name, summaries=summarise_rounds(other_plan, other))
            for name, (other, _, other_plan) in zip(names[1:], others, strict=True)
        ],
        judgements=Judgements(
            chosen=[_complete(judgement, shown, votes) for judgement in chosen],
            pairs=shown,
            total=choice.total,
            limit=limit,
        ),
    )


def kind_of(phase: Phase) -> str:
    """Return what judgements drawn for a training are called."""
    return f"for {phase.upper()}"


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """Return as much of the end of each path as tells them apart."""
    paths = [folder.resolve() for folder in folders]
    names: list[str] = []
    for path in paths:
        parts = path.parts
        for depth in range(1, len(parts) + 1):
            name = "/".join(parts[-depth:])
            if sum(other.parts[-depth:] == parts[-depth:] for other in set(paths)) == 1:
                break
        else:
            name = str(path)
        names.append(name)

    return names


def _trainings(config: LoopConfig, plan: Plan) -> Iterator[tuple[Round, Phase]]:
    return ((round_, phase) for round_ in plan.rounds[1:] for phase in config.training)


def _label(config: LoopConfig, round_: Round, phase: Phase) -> str:
    return str(round_.number) if len(config.training) == 1 else f"{round_.number} {phase.upper()}"


def _read_judging(
    config: LoopConfig, plan: Plan, round_: Round, phase: Phase, choice: Choice
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
        samples=read_sample_facts(sources, kind_of(phase), round_.number, choice),
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


def _offer_held_out(plan: Plan, choice: Choice) -> None:
    for round_ in plan.rounds:
        for name, path in round_.evaluations.items():
            offer_held_out(path, f"held-out: {name}", round_.number, choice)


def _read_drops(plan: Plan) -> Iterator[DropFacts]:
    for step in plan.steps:
        if step.kind in _PAIR_STAGES and (manifest := read_manifest(step.output)) is not None:
            yield DropFacts(step=step.name, counts=manifest.counts)


def _read_pairs(
    plan: Plan, chosen: Sequence[ShownJudgement]
) -> tuple[list[PairFacts], dict[str, ShownPair]]:
    wanted: dict[str, set[str]] = defaultdict(set)
    for judgement in chosen:
        if judgement.pair is not None:
            place, _, pair_id = judgement.pair.partition("#")
            wanted[place].add(pair_id)
    facts: list[PairFacts] = []
    shown: dict[str, ShownPair] = {}
    places = {
        step.reads[0]: step.name.rpartition("/")[2] for step in plan.steps if step.kind == "annotate"
    }
    makers = {str(step.output): step for step in plan.steps}
    for place, source in places.items():
        maker = makers.get(place)
        of_round = f", round {maker.round}" if maker is not None and maker.round else ""
        lengths, found = read_pairs(f"{source}{of_round}", place, wanted[place])
        if lengths is not None:
            facts.append(lengths)
        shown |= {f"{place}#{pair_id}": pair for pair_id, pair in found.items()}
    for round_ in plan.rounds:
        for path in round_.evaluations.values():
            found = read_held_out_pairs(path, wanted[str(path)])
            shown |= {f"{path}#{pair_id}": pair for pair_id, pair in found.items()}

    return facts, shown


def _votes(judging: Sequence[JudgingFacts]) -> _Votes:
    return {
        (kind_of(facts.phase), facts.round, votes.prompt, votes.better_first): (votes.right, votes.total)
        for facts in judging
        if facts.samples is not None
        for votes in facts.samples.votes
    }


def _complete(
    judgement: ShownJudgement, shown: Mapping[str, ShownPair], votes: _Votes
) -> ShownJudgement:
    """Add the votes of the prompt; the prompt itself is only needed where the pair is not there."""
    if judgement.voted_on is not None:
        key = (judgement.kind, judgement.round, judgement.voted_on, judgement.better_first)
        judgement = dataclasses.replace(judgement, votes=votes[key])
    if judgement.pair in shown:
        return dataclasses.replace(judgement, prompt=None)

    return dataclasses.replace(judgement, pair=None)


def _read_curves(config: LoopConfig, plan: Plan) -> Iterator[CurveFacts]:
    for round_, phase in _trainings(config, plan):
        metrics = read_metrics(round_.runs[phase])
        if metrics:
            yield CurveFacts(
                label=f"round {round_.number}", round=round_.number, phase=phase, metrics=metrics
            )


def _read_costs(plan: Plan) -> dict[int, dict[str, Cost]]:
    costs: dict[int, dict[str, Cost]] = {}
    for step in plan.steps:
        for tokens in _tokens(step):
            cost = costs.setdefault(step.round, {}).setdefault(step.kind, Cost())
            cost.prompt_tokens += tokens.get("num_prompt_tokens", 0)
            cost.output_tokens += tokens.get("num_output_tokens", 0)

    return costs


def _tokens(step: Step) -> Iterator[Mapping[str, int]]:
    """Yield the token counts of a step that asked a model."""
    folders = [step.output]
    if step.kind == "evaluate":
        folders = [step.output / JUDGEMENTS_NAME]
    elif step.kind == "choose":
        folders = [path / JUDGEMENTS_NAME for path in sorted(step.output.glob("step_*"))]
    for folder in folders:
        manifest = read_manifest(folder)
        if manifest is not None and (tokens := manifest.details.get("tokens")):
            yield tokens
