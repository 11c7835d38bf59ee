"""Compares the scores that a benchmark's answers have one by one, whether a reward model gave them or a
judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ste_fairseq2.evaluation.benchmark import Benchmark
from ste_fairseq2.evaluation.bootstrap import Bootstrap
from ste_fairseq2.evaluation.evaluate import score_all_sections, write_evaluation
from ste_fairseq2.evaluation.item_table import SampleCounts, tabulate_items
from ste_fairseq2.evaluation.items import BenchmarkItem
from ste_fairseq2.evaluation.judgements import GroupKey
from ste_fairseq2.evaluation.provenance import Provenance
from ste_fairseq2.evaluation.ranking import RankedScores, RankingReport, score_ranking
from ste_fairseq2.evaluation.report import Cost, score_tables
from ste_fairseq2.evaluation.result import Evaluation


@dataclass(frozen=True, kw_only=True)
class PointwisePlan:
    """How scores are compared."""

    output: Path
    prior: float | None = None
    """The score of the prior sets, for RewardBench's leaderboard score."""
    bootstrap: Bootstrap


@dataclass(frozen=True, kw_only=True)
class PointwiseScores:
    """The scores of a benchmark's answers, and what is known of them."""

    name: str
    """Who gave them."""
    values: Mapping[str, float]
    """By the id of the answer; without those that have none."""
    tokens: Mapping[str, tuple[int, int]]
    """What an answer took, of the prompt and generated; not where another one's score is its own too."""
    samples: Mapping[str, SampleCounts] | None = None
    """By the id of the answer, where a judge gave the scores."""
    top: float | None = None
    """The highest score there can be, where there is one."""
    provenance: Provenance
    counts: Mapping[str, int]
    """Answers by what became of them."""
    summary: Mapping[str, Any] = field(default_factory=dict)
    """What else there is to say of the scores; it becomes a part of ``scores.json``."""


def evaluate_scores(
    plan: PointwisePlan,
    scored: PointwiseScores,
    benchmark: Benchmark,
    items: Sequence[BenchmarkItem],
    passed_over: dict[str, int],
) -> Evaluation:
    """Compare the scores and write the output folder."""
    groups: dict[GroupKey, list[BenchmarkItem]] = {}
    for item in items:
        groups.setdefault(GroupKey(item.subset, scored.name), []).append(item)
    tables = {
        key: (tabulate_items(members, scored.values, scored.samples), _cost(members, scored))
        for key, members in groups.items()
    }
    report = score_tables(tables, plan.bootstrap)
    evaluation = Evaluation(
        benchmark=benchmark,
        report=report,
        sections=score_all_sections(benchmark.sections_of_scores, report, plan.bootstrap),
        provenance=scored.provenance,
        counts=dict(scored.counts),
        passed_over=passed_over,
        num_missing=0,
        prior=plan.prior,
        scoring=scored.summary,
        ranking=_rank(scored, items, plan.bootstrap),
    )
    write_evaluation(plan.output, evaluation)

    return evaluation


def _cost(items: Sequence[BenchmarkItem], scored: PointwiseScores) -> Cost:
    names = [name for item in items for name in item.answer_ids]
    taken = [scored.tokens[name] for name in names if name in scored.tokens]

    return Cost(
        prompt_tokens=sum(prompt for prompt, _ in taken),
        completion_tokens=sum(generated for _, generated in taken),
    )


def _rank(
    scored: PointwiseScores, items: Sequence[BenchmarkItem], bootstrap: Bootstrap
) -> RankingReport | None:
    """Compare with the ranks that people gave, where they did."""
    ranked = [
        RankedScores(item.ranks, [scored.values.get(name) for name in item.answer_ids])
        for item in items
        if item.ranks
    ]

    return score_ranking(ranked, bootstrap, top=scored.top) if ranked else None
