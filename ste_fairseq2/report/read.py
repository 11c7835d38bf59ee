"""Reads everything that the page tells from the folders of loops, finished or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ste_fairseq2 import __version__
from ste_fairseq2.errors import ConfigError
from ste_fairseq2.evaluation.following import RESPONSES_NAME
from ste_fairseq2.evaluation.judging import JUDGEMENTS_NAME
from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.load import read_loop_folder
from ste_fairseq2.loop.plan import Plan, Step
from ste_fairseq2.loop.rounds import RoundSummary, summarise_rounds
from ste_fairseq2.loop.status import describe_progress, rounds_cells
from ste_fairseq2.report.facts import Cost, CurveFacts, LoopFacts, Peer, round_title
from ste_fairseq2.report.held_out import offer_held_out
from ste_fairseq2.report.judgements import Choice, ShownJudgement
from ste_fairseq2.report.methods import method_of
from ste_fairseq2.report.training import read_metrics
from ste_fairseq2.store.manifest import read_manifest


def read_loop(folder: Path, *, compare: Sequence[Path] = (), limit: int) -> LoopFacts:
    """Return what is known of a loop.

    :param compare: folders of loops to draw beside it.
    :param limit: most judgements to show of a round, kind and order.
    :raises MissingPathError: a folder holds no loop.
    :raises ConfigError: a loop to compare with is of another method.
    """
    config, plan = read_loop_folder(folder)
    names = distinct_names([folder, *compare])
    peers = [_read_peer(name, path, config) for name, path in zip(names[1:], compare, strict=True)]
    choice = Choice[ShownJudgement](config.seed, limit)
    offer_held_out(plan, choice)
    summaries = summarise_rounds(plan, folder)
    facts = LoopFacts(
        name=names[0],
        config=config,
        version=__version__,
        summaries=summaries,
        rounds_table=rounds_cells(config, summaries),
        progress=describe_progress(plan, folder),
        curves=list(_read_curves(plan, summaries)),
        costs=_read_costs(plan),
        peers=peers,
    )

    return method_of(config).complete(facts, plan, choice)


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


def _read_peer(name: str, folder: Path, beside: LoopConfig) -> Peer:
    config, plan = read_loop_folder(folder)
    if config.method != beside.method:
        raise ConfigError(
            "compare",
            f"names `{folder}`, a loop of {config.method}, whose rounds are others than those of "
            f"{beside.method}; only loops of one method are drawn beside each other.",
        )

    return Peer(name=name, summaries=summarise_rounds(plan, folder))


def _read_curves(plan: Plan, summaries: Sequence[RoundSummary]) -> Iterator[CurveFacts]:
    for round_, summary in zip(plan.rounds, summaries, strict=True):
        for phase, run in round_.runs.items():
            metrics = read_metrics(run)
            if metrics:
                yield CurveFacts(
                    label=round_title(summary), round=round_.number, phase=phase, metrics=metrics
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
    elif step.kind == "follow":
        folders = [step.output / RESPONSES_NAME, step.output / JUDGEMENTS_NAME]
    for folder in folders:
        manifest = read_manifest(folder)
        if manifest is not None and (tokens := manifest.details.get("tokens")):
            yield tokens
