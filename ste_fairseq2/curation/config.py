"""What `ste prepare-sft`, `prepare-dpo`, `prepare-preferences` and `fetch-dpo-data` can be asked for."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ste_fairseq2.curation.outcomes import REJECTED, Outcome
from ste_fairseq2.errors import ConfigError

_REASONS: Final = tuple(outcome.name.lower() for outcome in REJECTED)


@dataclass(kw_only=True)
class CurationConfig:
    """What both kinds of training set have in common."""

    generation_dir: tuple[Path, ...]
    """files or folders of judgement samples (searched for *.jsonl and *.jsonl.gz); several are several
    sets, each curated by itself"""
    output_dir: Path
    """folder to write: training files, manifest and quarantine"""
    mix: tuple[float, ...] = ()
    """weights of the sets in the result, in the order of `generation_dir`; where absent, all of each"""
    num_shards: int = 1
    """files to write (with `num_iter`: in each part)"""
    majority_voting: float | None = None
    """keep a prompt only where at least this share of its samples was judged right"""
    min_agreement: float = 0.0
    """keep a pair of prompts only where both orders were judged right by at least this share of the
    samples in each; 0 keeps orders on their own"""
    balance: bool = True
    """as many examples whose better answer is A as examples whose better answer is B"""
    seed: int = 0
    """seed of every random choice"""
    quarantine_limit: float = 0.01
    """share of malformed rows above which nothing is written"""
    workers: int = 0
    """processes that read and write; 0 for one on each core"""

    def validate(self) -> None:
        if not self.generation_dir:
            raise ConfigError("generation_dir", "must name at least one file or folder.")
        check_apart(self.output_dir, self.generation_dir)
        for one, other in itertools.permutations(self.generation_dir, 2):
            if _is_within(one, other):
                raise ConfigError("generation_dir", f"names samples twice: `{one}` lies in `{other}`.")
        if self.mix and len(self.mix) != len(self.generation_dir):
            raise ConfigError(
                "mix",
                f"must hold one weight for each of the {len(self.generation_dir)} sets of "
                f"`generation_dir`, but has {len(self.mix)}.",
            )
        if any(not math.isfinite(weight) or weight <= 0 for weight in self.mix):
            raise ConfigError("mix", f"must hold weights above 0, but is {self.mix}.")
        if self.num_shards < 1:
            raise ConfigError("num_shards", f"must be at least 1, but is {self.num_shards}.")
        if self.majority_voting is not None and not 0 < self.majority_voting <= 1:
            raise ConfigError(
                "majority_voting", f"must be above 0 and at most 1, but is {self.majority_voting}."
            )
        check_share("min_agreement", self.min_agreement)
        check_share("quarantine_limit", self.quarantine_limit)
        if self.workers < 0:
            raise ConfigError("workers", f"must be 0 or more, but is {self.workers}.")


@dataclass(kw_only=True)
class PrepareSftConfig(CurationConfig):
    """`ste prepare-sft`."""


@dataclass(kw_only=True)
class PrepareDpoConfig(CurationConfig):
    """`ste prepare-dpo`."""

    num_pairs: int = 1
    """pairs drawn for each prompt"""
    num_iter: int = 1
    """disjoint parts (`iter_0`, `iter_1` …) to deal the prompts to; both orders of a pair go to one"""
    negative_generation_dir: Path | None = None
    """further samples (often of a higher temperature) that serve as rejected judgements only"""
    rejected_share: dict[str, float] = field(
        default_factory=lambda: {"unparseable": 0.1, "truncated": 0.1}
    )
    """largest share of the pairs whose rejected judgement may be wrong, tie, unparseable or truncated,
    as REASON=SHARE; a reason that is not named has no limit (default: unparseable=0.1 truncated=0.1, so
    that training does not learn to write short)"""

    def validate(self) -> None:
        super().validate()
        if self.num_pairs < 1:
            raise ConfigError("num_pairs", f"must be at least 1, but is {self.num_pairs}.")
        if self.num_iter < 1:
            raise ConfigError("num_iter", f"must be at least 1, but is {self.num_iter}.")
        if self.negative_generation_dir is not None:
            check_apart(self.output_dir, (self.negative_generation_dir,))
            for folder in self.generation_dir:
                if _is_within(self.negative_generation_dir, folder):
                    raise ConfigError(
                        "negative_generation_dir",
                        f"must lie outside of `{folder}`, where its samples would count as votes, but "
                        f"is `{self.negative_generation_dir}`.",
                    )
        for reason, share in self.rejected_share.items():
            if reason not in _REASONS:
                raise ConfigError(
                    "rejected_share", f"must name {', '.join(_REASONS)}, but names {reason!r}."
                )
            check_share(f"rejected_share.{reason}", share)

    def limits(self) -> dict[Outcome, float]:
        """Return the shares of the reasons that are limited."""
        shares = {outcome: self.rejected_share.get(outcome.name.lower(), 1.0) for outcome in REJECTED}

        return {outcome: share for outcome, share in shares.items() if share < 1}


@dataclass(kw_only=True)
class PreparePreferencesConfig:
    """`ste prepare-preferences`."""

    scores_dir: tuple[Path, ...]
    """folders of `ste judge --mode score`, or JSONL with id, input, response, score and, where known,
    instruction_id"""
    output_dir: Path
    """folder to write: training file, manifest and quarantine"""
    min_gap: float = 0.0
    """least difference of the best and the worst score; at 0 they must differ"""
    seed: int = 0
    """seed of the choice among equals"""
    quarantine_limit: float = 0.01
    """share of malformed rows above which nothing is written"""

    def validate(self) -> None:
        if not self.scores_dir:
            raise ConfigError("scores_dir", "must name at least one file or folder.")
        check_apart(self.output_dir, self.scores_dir)
        if self.min_gap < 0.0:
            raise ConfigError("min_gap", f"must not be negative, but is {self.min_gap}.")
        check_share("quarantine_limit", self.quarantine_limit)


@dataclass(kw_only=True)
class FetchDpoDataConfig:
    """`ste fetch-dpo-data`."""

    output_dir: Path
    """folder to write: training file, manifest and quarantine"""
    dpo_data: str = "facebook/Self-taught-evaluator-DPO-data"
    """the released pairs: a data set of the Hub (gated: accept its terms and log in), or a local file or
    folder of the same fields"""
    conversations: str = "allenai/WildChat-1M"
    """the conversations whose instructions the pairs name: a data set of the Hub, or a local copy"""
    quarantine_limit: float = 0.01
    """share of malformed rows above which nothing is written"""

    def validate(self) -> None:
        check_share("quarantine_limit", self.quarantine_limit)
        sources = (("dpo_data", self.dpo_data), ("conversations", self.conversations))
        for name, source in sources:
            if not source:
                raise ConfigError(name, "must name a data set, a file or a folder.")
        local = tuple(Path(source) for _, source in sources if Path(source).exists())
        check_apart(self.output_dir, local)


def check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigError(name, f"must be from 0 to 1, but is {value}.")


def _is_within(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def check_apart(output: Path, inputs: tuple[Path, ...]) -> None:
    """Refuse an output folder that the next run would read as input."""
    for path in inputs:
        if _is_within(output, path):
            raise ConfigError(
                "output_dir", f"must lie outside of the input `{path}`, but is `{output}`."
            )
