"""What the page tells, as it was read from a loop's folder: typed, and without a word of layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ste_fairseq2.evaluation.bootstrap import Interval
from ste_fairseq2.loop.config import LoopConfig, Phase
from ste_fairseq2.loop.rounds import AnswerScores, RoundSummary
from ste_fairseq2.report.judgements import Judgements


@dataclass(frozen=True, kw_only=True)
class Votes:
    """The samples of one pair, shown with the better answer in one place."""

    prompt: str
    """Names the pair, after its source."""
    is_pair: bool
    """Whether the samples name their pair, so that both orders of it can be told to belong together."""
    better_first: bool
    right: int
    total: int

    @property
    def share(self) -> float:
        return self.right / self.total


@dataclass(frozen=True, kw_only=True)
class SampleFacts:
    """Judgement samples that one model drew."""

    samples: int
    malformed: int
    decided: int
    """Samples that name one answer."""
    named_first: int
    """Of these, those that name the answer shown first."""
    votes: Sequence[Votes]
    is_complete: bool
    """Whether all that were asked for are there."""

    def right_share(self, *, better_first: bool) -> float | None:
        """Return the share of right samples where the better answer is shown first, or last."""
        votes = [vote for vote in self.votes if vote.better_first is better_first]
        total = sum(vote.total for vote in votes)

        return sum(vote.right for vote in votes) / total if total else None

    @property
    def first_share(self) -> float | None:
        """Samples that name the answer shown first, among those that name one."""
        return self.named_first / self.decided if self.decided else None


@dataclass(frozen=True, kw_only=True)
class CurationFacts:
    """What became of the samples: the manifest of a training set."""

    outcomes: Mapping[str, int]
    fates: Mapping[str, int]
    lengths: Mapping[str, Mapping[str, Any]]
    """By side and unit, as :meth:`~ste_fairseq2.curation.lengths.LengthTally.report` has them."""
    min_agreement: float


@dataclass(frozen=True, kw_only=True)
class JudgingFacts:
    """One training of a round: the judgements drawn for it, and the training set made of them."""

    label: str
    """Such as ``2 SFT``; the round's number alone where rounds have one training."""
    round: int
    phase: Phase
    samples: SampleFacts | None
    curation: CurationFacts | None


@dataclass(frozen=True, kw_only=True)
class DropFacts:
    """A finished stage: records by what became of them."""

    step: str
    counts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class PairFacts:
    """Lengths of the responses of a source's pairs."""

    name: str
    pairs: int
    better: Mapping[str, Any]
    worse: Mapping[str, Any]
    """Lengths, as :meth:`~ste_fairseq2.curation.lengths.LengthTally.report` has them."""
    better_longer: int
    worse_longer: int
    """Pairs by the response with more words."""


@dataclass(frozen=True, kw_only=True)
class ScoringFacts:
    """A round that learns from scores of single answers."""

    label: str
    """The round's name."""
    phase: Phase
    """The training that its examples are for."""
    scores: AnswerScores | None
    """The scores, and the examples made of them."""
    lengths: Mapping[str, Mapping[str, Any]]
    """Of the examples, by side and unit; empty where there are none yet."""
    taught: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Examples of judging by score, before and after the most frequent score is thinned out."""


@dataclass(frozen=True, kw_only=True)
class RankingFacts:
    """How far the scores of a judge agree with human ranks, by the names that `scores.json` has."""

    figures: Mapping[str, float | None]
    intervals: Mapping[str, Interval | None]


@dataclass(frozen=True, kw_only=True)
class CurveFacts:
    """Metrics of one training, by their name in fairseq2's file: (step, value)."""

    label: str
    round: int
    phase: Phase
    metrics: Mapping[str, Sequence[tuple[int, float]]]


@dataclass(kw_only=True)
class Cost:
    """What the steps of one kind took in one round."""

    prompt_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another loop, drawn beside this one."""

    name: str
    summaries: Sequence[RoundSummary]


@dataclass(frozen=True, kw_only=True)
class LoopFacts:
    """Everything the page tells of a loop; what is not there yet, or is another method's, is empty or
    ``None``."""

    name: str
    config: LoopConfig
    version: str
    summaries: Sequence[RoundSummary]
    rounds_table: Sequence[Sequence[str]]
    """As `ste loop status` prints it, the header first."""
    progress: str
    curves: Sequence[CurveFacts] = ()
    costs: Mapping[int, Mapping[str, Cost]] = field(default_factory=dict)
    """By round and kind of step."""
    peers: Sequence[Peer] = ()
    judgements: Judgements = field(default_factory=Judgements)
    drops: Sequence[DropFacts] = ()
    """Of the stages that make what training data come of."""

    # Of Self-Taught Evaluators:
    judging: Sequence[JudgingFacts] = ()
    pairs: Sequence[PairFacts] = ()
    are_pairs_given: bool = False
    """Whether the user gave all pairs, so that no stage makes any."""

    # Of Self-Rewarding Language Models:
    tests: Sequence[str] = ()
    """Tests of following, whether or not a model has been put to them."""
    rankings: Mapping[str, Sequence[RankingFacts | None]] = field(default_factory=dict)
    """Agreement with human ranks by benchmark, one for each round."""
    scoring: Sequence[ScoringFacts] = ()
    sampling: str = ""
    """How the answers that are scored were drawn."""


def round_title(summary: RoundSummary) -> str:
    """Return what a sentence calls a round."""
    if summary.round == 0:
        return "the seed model"

    return f"round {summary.name}" if summary.name.isdigit() else summary.name
