"""Scores every group of judgements, and each judge over all of its groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ste_fairseq2.evaluation.bootstrap import Bootstrap
from ste_fairseq2.evaluation.calibration import Calibration, VotedAnswer, calibrate
from ste_fairseq2.evaluation.figures import of_graded, of_scores
from ste_fairseq2.evaluation.judgements import GroupKey, Judgement, sum_tokens
from ste_fairseq2.evaluation.pairs import PairTable, concatenate, tabulate
from ste_fairseq2.evaluation.scores import Scores, score_table
from ste_fairseq2.evaluation.voting import vote_per_order


@dataclass(frozen=True)
class Cost:
    """What the judgements took, where the data says it."""

    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True)
class GroupReport:
    """All there is to say about one group of judgements."""

    key: GroupKey
    table: PairTable
    """The judgements as they are."""
    voted: PairTable | None
    """The majority votes; ``None`` where no pair has several samples in one order."""
    answers: tuple[VotedAnswer, ...]
    cost: Cost
    scores: Scores
    vote_scores: Scores | None
    calibration: Calibration | None

    @property
    def is_of_scores(self) -> bool:
        """Whether scores of single answers were compared; else these are a judge's verdicts."""
        return of_scores(self.table.sums)

    @property
    def is_graded(self) -> bool:
        """Whether the scores are a judge's; else a reward model's, or there are none."""
        return of_graded(self.table.sums)

    @property
    def source(self) -> str:
        """What gave the verdicts or the scores, for people."""
        if self.is_graded:
            return "scoring judge"

        return "reward model" if self.is_of_scores else "judge"

    @property
    def scored_table(self) -> PairTable:
        """The votes where there are any, else the judgements as they are."""
        return self.voted if self.voted is not None else self.table

    def to_row(self) -> dict[str, Any]:
        row = {"subset": self.key.subset, "judge": self.key.judge, **self.scores.to_row()}
        row["counts"] |= {
            "prompt_tokens": self.cost.prompt_tokens,
            "completion_tokens": self.cost.completion_tokens,
        }
        if self.vote_scores is not None and self.calibration is not None:
            row["vote"] = self.vote_scores.to_row() | {"calibration": self.calibration.to_row()}

        return row


@dataclass(frozen=True)
class Report:
    """The scores of every group and of every judge."""

    groups: tuple[GroupReport, ...]
    """Sorted by subset, then judge; a name that is missing sorts first."""
    judges: tuple[GroupReport, ...]
    """One entry per judge over all of its subsets; its key has no subset."""
    bootstrap: Bootstrap

    def to_row(self) -> dict[str, Any]:
        return {
            "bootstrap": self.bootstrap.describe(),
            "groups": [group.to_row() for group in self.groups],
            "judges": [judge.to_row() for judge in self.judges],
        }


def score_all(groups: Mapping[GroupKey, Sequence[Judgement]], bootstrap: Bootstrap) -> Report:
    """Score each group, and each judge over all of its groups."""
    return _score_judges(
        [_score_group(key, groups[key], bootstrap) for key in sorted(groups, key=_sort_key)], bootstrap
    )


def score_tables(tables: Mapping[GroupKey, tuple[PairTable, Cost]], bootstrap: Bootstrap) -> Report:
    """Score what is tabulated already: comparisons of scores."""
    return _score_judges(
        [
            _report(key, table, None, (), cost, bootstrap)
            for key, (table, cost) in sorted(tables.items(), key=lambda entry: _sort_key(entry[0]))
        ],
        bootstrap,
    )


def _score_judges(reports: Sequence[GroupReport], bootstrap: Bootstrap) -> Report:
    judges = sorted({report.key.judge for report in reports}, key=lambda judge: judge or "")
    overall = [
        _score_together(judge, [r for r in reports if r.key.judge == judge], bootstrap)
        for judge in judges
    ]

    return Report(tuple(reports), tuple(overall), bootstrap)


def _score_group(key: GroupKey, judgements: Sequence[Judgement], bootstrap: Bootstrap) -> GroupReport:
    voted, answers = vote_per_order(judgements)

    return _report(
        key,
        tabulate(judgements),
        tabulate(voted) if len(voted) < len(judgements) else None,
        answers,
        Cost(
            sum_tokens(j.prompt_tokens for j in judgements),
            sum_tokens(j.completion_tokens for j in judgements),
        ),
        bootstrap,
    )


def _score_together(
    judge: str | None, parts: Sequence[GroupReport], bootstrap: Bootstrap
) -> GroupReport:
    has_votes = any(part.voted is not None for part in parts)
    return _report(
        GroupKey(None, judge),
        concatenate(part.table for part in parts),
        concatenate(part.scored_table for part in parts) if has_votes else None,
        [answer for part in parts for answer in part.answers],
        Cost(
            sum_tokens(part.cost.prompt_tokens for part in parts),
            sum_tokens(part.cost.completion_tokens for part in parts),
        ),
        bootstrap,
    )


def _report(
    key: GroupKey,
    table: PairTable,
    voted: PairTable | None,
    answers: Sequence[VotedAnswer],
    cost: Cost,
    bootstrap: Bootstrap,
) -> GroupReport:
    return GroupReport(
        key=key,
        table=table,
        voted=voted,
        answers=tuple(answers),
        cost=cost,
        scores=score_table(table, bootstrap, key.label),
        vote_scores=None if voted is None else score_table(voted, bootstrap, f"vote of {key.label}"),
        calibration=None if voted is None else calibrate(answers),
    )


def _sort_key(key: GroupKey) -> tuple[str, str]:
    return key.subset or "", key.judge or ""
