"""Evaluates a reward model on a benchmark: its answers are scored one by one, and the scores compared.

The output folder holds what :mod:`~ste_fairseq2.evaluation.evaluate` writes for a judge, and under
``rewards`` the score of each answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ste_fairseq2.evaluation.benchmark import Benchmark
from ste_fairseq2.evaluation.bootstrap import Bootstrap
from ste_fairseq2.evaluation.evaluate import score_all_sections, write_evaluation
from ste_fairseq2.evaluation.item_table import tabulate_items
from ste_fairseq2.evaluation.items import BenchmarkItem
from ste_fairseq2.evaluation.judgements import GroupKey
from ste_fairseq2.evaluation.pairs import PairTable
from ste_fairseq2.evaluation.prior import read_prior
from ste_fairseq2.evaluation.provenance import Provenance
from ste_fairseq2.evaluation.report import Cost, score_tables
from ste_fairseq2.evaluation.result import Evaluation
from ste_fairseq2.reward_models.config import RewardModelConfig
from ste_fairseq2.reward_models.scoring import Score, ScoredCandidates, score_candidates

REWARDS_NAME: Final = "rewards"


@dataclass(frozen=True, kw_only=True)
class RewardPlan:
    """How the scores are compared."""

    output: Path
    prior: Path | None = None
    """Output folder of an evaluation of the prior sets, for RewardBench's leaderboard score."""
    bootstrap: Bootstrap


def evaluate_reward_model(
    plan: RewardPlan,
    config: RewardModelConfig,
    benchmark: Benchmark,
    items: Sequence[BenchmarkItem],
    passed_over: dict[str, int],
) -> Evaluation:
    """Score the answers, going on where an earlier run was left, and write the output folder.

    :param config: its ``output`` is the folder of the scores.
    :raises InputError: model or configuration is wrong.
    :raises EngineError: the GPU's memory is too small; what is finished is kept.
    """
    prior = read_prior(plan.prior) if plan.prior is not None else None
    scored = score_candidates(config, [c for item in items for c in item.candidates])
    report = score_tables(_tabulate(config.model.name, items, scored.scores), plan.bootstrap)
    evaluation = Evaluation(
        benchmark=benchmark,
        report=report,
        sections=score_all_sections(benchmark.sections_of_scores, report, plan.bootstrap),
        provenance=_provenance(config, scored),
        counts=dict(scored.manifest.counts),
        passed_over=passed_over,
        num_missing=0,
        prior=prior,
    )
    write_evaluation(plan.output, evaluation)

    return evaluation


def _tabulate(
    name: str, items: Sequence[BenchmarkItem], scores: Mapping[str, Score]
) -> dict[GroupKey, tuple[PairTable, Cost]]:
    groups: dict[GroupKey, list[BenchmarkItem]] = {}
    for item in items:
        groups.setdefault(GroupKey(item.subset, name), []).append(item)
    values = {candidate: score.value for candidate, score in scores.items()}

    return {
        key: (tabulate_items(members, values), _cost(members, scores)) for key, members in groups.items()
    }


def _cost(items: Sequence[BenchmarkItem], scores: Mapping[str, Score]) -> Cost:
    read = [scores[c.id].num_tokens for item in items for c in item.candidates if c.id in scores]

    return Cost(prompt_tokens=sum(read), completion_tokens=0)


def _provenance(config: RewardModelConfig, scored: ScoredCandidates) -> Provenance:
    manifest = scored.manifest

    return Provenance(
        judge=config.model.name,
        digests=dict(manifest.digests),
        seconds=manifest.details["seconds_of_last_run"],
        details={
            name: manifest.details[name]
            for name in ("model", "kind", "reference", "dtype")
            if name in manifest.details
        },
    )
