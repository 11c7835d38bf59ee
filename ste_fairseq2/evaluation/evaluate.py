"""The evaluation behind `ste evaluate`: judgements in, scores and card out.

The output folder holds ``scores.json`` (everything), ``card.md`` (the same to read) and ``pairs.npz``
(one row of sums for each pair, for ``--compare``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.evaluation.benchmark import Benchmark, BenchmarkPair, Sections
from ste_fairseq2.evaluation.bootstrap import Bootstrap
from ste_fairseq2.evaluation.card import render_card
from ste_fairseq2.evaluation.frozen import match_by_order, read_shuffled
from ste_fairseq2.evaluation.pair_store import write_pairs
from ste_fairseq2.evaluation.prior import read_prior
from ste_fairseq2.evaluation.provenance import Provenance, find_provenance
from ste_fairseq2.evaluation.reading import JudgementSet, read_judgements
from ste_fairseq2.evaluation.report import Report, score_all
from ste_fairseq2.evaluation.result import SCORES_NAME, Evaluation
from ste_fairseq2.evaluation.sections import SectionReport, score_sections
from ste_fairseq2.jsonl import write_text
from ste_fairseq2.store import Quarantine

CARD_NAME: Final = "card.md"


@dataclass(frozen=True, kw_only=True)
class EvaluationPlan:
    """What to score, and how."""

    judgements: Path
    output: Path
    judge: str | None = None
    """The judge of judgements that name none; that of the judging run where this is ``None``."""
    frozen_inputs: Path | None = None
    prior: Path | None = None
    """Output folder of an evaluation of the prior sets, for RewardBench's leaderboard score."""
    quarantine_limit: float = 0.01
    bootstrap: Bootstrap


def evaluate(
    plan: EvaluationPlan,
    benchmark: Benchmark | None = None,
    pairs: Sequence[BenchmarkPair] = (),
    passed_over: dict[str, int] | None = None,
) -> Evaluation:
    """Score judgements and write the output folder.

    :param benchmark: the benchmark that the judgements are of; it names the metric and the sections.
    :param pairs: its pairs, in its own order.
    :raises InputError: judgements or configuration are wrong.
    """
    if plan.output.resolve() == plan.judgements.resolve():
        raise ConfigError("output", "must be another folder than the judgements'.")
    provenance = find_provenance(plan.judgements)
    found = _read(plan, provenance, pairs)
    if benchmark is not None and benchmark.combine is not None:
        found.groups = {key: benchmark.combine(group) for key, group in found.groups.items()}
    report = score_all(found.groups, plan.bootstrap)

    evaluation = Evaluation(
        benchmark=benchmark,
        report=report,
        sections=score_all_sections(
            benchmark.sections if benchmark is not None else None, report, plan.bootstrap
        ),
        provenance=provenance,
        counts=dict(found.counts),
        passed_over=passed_over or {},
        num_missing=_count_missing(benchmark, pairs, report),
        prior=read_prior(plan.prior) if plan.prior is not None else None,
    )
    write_evaluation(plan.output, evaluation)

    return evaluation


def write_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write scores, card and pair tables."""
    write_text(folder / SCORES_NAME, json.dumps(evaluation.to_row(), indent=2) + "\n")
    write_text(folder / CARD_NAME, render_card(evaluation))
    groups = evaluation.report.groups
    write_pairs(folder, [(group.key, group.scored_table) for group in groups])


def score_all_sections(
    sections: Sections | None, report: Report, bootstrap: Bootstrap
) -> tuple[SectionReport, ...]:
    """Score the sections for each judge; there are none where the benchmark has none."""
    if sections is None:
        return ()

    return tuple(
        score_sections(
            sections,
            [group for group in report.groups if group.key.judge == judge.key.judge],
            bootstrap,
        )
        for judge in report.judges
    )


def _read(plan: EvaluationPlan, provenance: Provenance, pairs: Sequence[BenchmarkPair]) -> JudgementSet:
    shuffled = None
    if plan.frozen_inputs is not None:
        shuffled = read_shuffled(plan.frozen_inputs, len(pairs))

    return read_judgements(
        plan.judgements,
        Quarantine(plan.output, limit=plan.quarantine_limit),
        judge=plan.judge if plan.judge is not None else provenance.judge,
        complete=match_by_order(pairs, shuffled) if pairs else None,
    )


def _count_missing(
    benchmark: Benchmark | None, pairs: Sequence[BenchmarkPair], report: Report
) -> int | None:
    """Count pairs (items, where pairs make up items) without a judgement, over the judge with most."""
    if benchmark is None:
        return None
    if benchmark.combine is None:
        total = len(pairs)
    else:
        total = len({(pair.subset, pair.id.rpartition("#")[0]) for pair in pairs})

    return max(total - len(judge.table.ids) for judge in report.judges)
