"""Scores the sections of a benchmark for one judge, with intervals that resample within each subset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ste_fairseq2.evaluation.benchmark import Sections
from ste_fairseq2.evaluation.bootstrap import Bootstrap, Interval
from ste_fairseq2.evaluation.figures import compute_figures
from ste_fairseq2.evaluation.pairs import FloatArray
from ste_fairseq2.evaluation.report import GroupReport
from ste_fairseq2.evaluation.rewardbench import final_score, missing_sections, section_scores
from ste_fairseq2.evaluation.scores import optional

FINAL: Final = "final"
SECTION_FIGURES: Final = ("upstream", "accuracy", "mean", "both_right", "agreement")


@dataclass(frozen=True)
class SectionScores:
    """One figure over the sections of a benchmark; ``final`` is their plain mean."""

    values: Mapping[str, float | None]
    intervals: Mapping[str, Interval | None]


@dataclass(frozen=True)
class SectionReport:
    """The figures of :data:`SECTION_FIGURES` that a judge has, over the sections."""

    judge: str | None
    of: Literal["judgements", "votes", "scores"]
    """What was scored."""
    missing: tuple[str, ...]
    """Sections without any subset, which score 0."""
    unused: tuple[str, ...]
    """Subsets that no section names."""
    figures: Mapping[str, SectionScores]

    @property
    def upstream(self) -> dict[str, float]:
        """Each section's score in upstream's way, without the final one."""
        values = self.figures["upstream"].values

        return {name: value or 0.0 for name, value in values.items() if name != FINAL}

    def to_row(self) -> dict[str, Any]:
        return {
            "judge": self.judge,
            "of": self.of,
            "missing_sections": list(self.missing),
            "subsets_in_no_section": list(self.unused),
        } | {
            name: {**scores.values, "intervals": dict(scores.intervals)}
            for name, scores in self.figures.items()
        }


def score_sections(
    sections: Sections, groups: Sequence[GroupReport], bootstrap: Bootstrap
) -> SectionReport:
    """Score the groups of one judge, one for each subset."""
    tables = {group.key.subset or "": group.scored_table for group in groups}
    points = {subset: compute_figures(table.sums) for subset, table in tables.items()}
    resampled = {
        subset: compute_figures(bootstrap.resample(table.values, f"section {subset}"))
        for subset, table in tables.items()
    }
    figures = {}
    for name in (name for name in SECTION_FIGURES if all(name in f for f in points.values())):
        values = _with_final(sections, {subset: f[name] for subset, f in points.items()})
        samples = _with_final(sections, {subset: f[name] for subset, f in resampled.items()})
        figures[name] = SectionScores(
            {section: optional(float(value)) for section, value in values.items()},
            {section: _interval(bootstrap, sample) for section, sample in samples.items()},
        )
    named = {subset for weights in sections.values() for subset in weights}

    return SectionReport(
        judge=groups[0].key.judge,
        of=_source(groups),
        missing=tuple(missing_sections(sections, tables)),
        unused=tuple(sorted(tables.keys() - named)),
        figures=figures,
    )


def _source(groups: Sequence[GroupReport]) -> Literal["judgements", "votes", "scores"]:
    if any(group.is_of_scores for group in groups):
        return "scores"

    return "votes" if any(group.voted is not None for group in groups) else "judgements"


def _with_final(
    sections: Sections, accuracies: Mapping[str, FloatArray]
) -> dict[str, FloatArray | float]:
    scores = section_scores(sections, accuracies)

    return scores | {FINAL: final_score(scores)}


def _interval(bootstrap: Bootstrap, samples: FloatArray | float) -> Interval | None:
    """Return the interval; a section that is missing scores 0 in every resample."""
    return (samples, samples) if isinstance(samples, float) else bootstrap.interval(samples)
