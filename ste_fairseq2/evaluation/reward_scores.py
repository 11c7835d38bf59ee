"""Evaluates a reward model on a benchmark: its answers are scored one by one, and the scores compared.

The output folder holds what :mod:`~ste_fairseq2.evaluation.evaluate` writes for a judge, and under
``rewards`` the score of each answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ste_fairseq2.evaluation.benchmark import Benchmark
from ste_fairseq2.evaluation.items import BenchmarkItem
from ste_fairseq2.evaluation.pointwise import PointwisePlan, PointwiseScores, evaluate_scores
from ste_fairseq2.evaluation.provenance import Provenance
from ste_fairseq2.evaluation.result import Evaluation
from ste_fairseq2.reward_models.config import RewardModelConfig
from ste_fairseq2.reward_models.scoring import ScoredCandidates, score_candidates

REWARDS_NAME: Final = "rewards"


def evaluate_reward_model(
    plan: PointwisePlan,
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
    scored = score_candidates(config, [c for item in items for c in item.candidates])
    scores = PointwiseScores(
        name=config.model.name,
        values={name: score.value for name, score in scored.scores.items()},
        tokens={name: (score.num_tokens, 0) for name, score in scored.scores.items()},
        provenance=_provenance(config, scored),
        counts=scored.manifest.counts,
    )

    return evaluate_scores(plan, scores, benchmark, items, passed_over)


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
