"""What an evaluation found, and the row of JSON that says all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ste_fairseq2 import __version__
from ste_fairseq2.evaluation.benchmark import Benchmark
from ste_fairseq2.evaluation.provenance import Provenance
from ste_fairseq2.evaluation.ranking import RankingReport
from ste_fairseq2.evaluation.report import Report
from ste_fairseq2.evaluation.rewardbench import leaderboard_score
from ste_fairseq2.evaluation.sections import SectionReport

SCORES_NAME: Final = "scores.json"

_HEADLINE_OF_SCORES: Final = {"accuracy": "accuracy", "accuracy in upstream's way": "upstream"}


@dataclass(frozen=True)
class Evaluation:
    """Everything that an evaluation found."""

    benchmark: Benchmark | None
    report: Report
    sections: tuple[SectionReport, ...]
    """One for each judge; empty where the benchmark has no sections."""
    provenance: Provenance
    counts: dict[str, int]
    """Rows by what became of them."""
    passed_over: dict[str, int]
    """Rows of the benchmark that are no pairs, by reason."""
    num_missing: int | None
    """Pairs of the benchmark that have no judgement; ``None`` without a benchmark."""
    prior: float | None
    """The score of the prior sets, where they were run too."""
    scoring: Mapping[str, Any] = field(default_factory=dict)
    """What a scoring judge's answers and samples came to, each counted once."""
    ranking: RankingReport | None = None
    """How far scores agree with the ranks that people gave, where there are ranks."""

    @property
    def is_of_scores(self) -> bool:
        """Whether scores of single answers were compared; else these are a judge's verdicts."""
        return any(judge.is_of_scores for judge in self.report.judges)

    @property
    def is_graded(self) -> bool:
        """Whether the scores are a judge's; else a reward model's, or there are none."""
        return any(judge.is_graded for judge in self.report.judges)

    @property
    def headline(self) -> Mapping[str, str]:
        """The figures that are the benchmark's metric, by the names it is known by."""
        if self.benchmark is None:
            return {}

        return _HEADLINE_OF_SCORES if self.is_of_scores else self.benchmark.headline

    def leaderboard_score(self, section: SectionReport) -> float | None:
        """Return RewardBench's final score with the prior sets at half weight."""
        if self.prior is None:
            return None

        return leaderboard_score(section.upstream, self.prior)

    def to_row(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "version": __version__,
            "judge": self.provenance.judge,
            "digests": self.provenance.digests,
            "judged_with": self.provenance.details,
            "judging_is_complete": self.provenance.is_complete,
            "seconds": self.provenance.seconds,
            "rows": self.counts,
        }
        if self.benchmark is not None:
            row["benchmark"] = {
                "name": self.benchmark.name,
                "headline": dict(self.headline),
                "pairs_missing": self.num_missing,
                "rows_passed_over": self.passed_over,
                "sections": [
                    section.to_row() | {"with_prior_sets": self.leaderboard_score(section)}
                    for section in self.sections
                ],
            }
        if self.scoring:
            row["scoring"] = dict(self.scoring)
        if self.ranking is not None:
            row["ranking"] = self.ranking.to_row()

        return row | self.report.to_row()
