"""What `ste prepare-ranked` and `ste prepare-eft` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ste_fairseq2.curation.config import check_apart, check_share
from ste_fairseq2.errors import ConfigError


@dataclass(kw_only=True)
class PrepareRankedConfig:
    """`ste prepare-ranked`."""

    inputs: tuple[str, ...]
    """ranked answers: files or folders (JSONL, plain or gzip, or parquet) or data sets of the Hub such
    as hg://OpenAssistant/oasst1, whose splits train and validation are read; rows are OpenAssistant's
    messages, its trees, or {instruction, response, rank}, where rank 0 is the best"""
    output_dir: Path
    """folder to write: ift.jsonl, train.jsonl, held_out.jsonl, manifest and quarantine"""
    languages: tuple[str, ...] = ("en",)
    """languages of prompts to keep, as the rows name them; `any` keeps every one; plain rows have none
    and are kept"""
    ift_examples: int = 3200
    """most examples of ift.jsonl, drawn from the prompts that are not held out; 0 writes none"""
    held_out_share: float = 0.25
    """share of the prompts with ranked answers that go to held_out.jsonl; 0 holds none out"""
    seed: int = 2
    """seed of every random choice"""
    quarantine_limit: float = 0.01
    """share of malformed rows above which nothing is written"""

    def validate(self) -> None:
        if not self.inputs:
            raise ConfigError("inputs", "must name at least one file, folder or data set.")
        check_apart(self.output_dir, tuple(Path(name) for name in self.inputs if Path(name).exists()))
        if self.ift_examples < 0:
            raise ConfigError("ift_examples", f"must be 0 or more, but is {self.ift_examples}.")
        if not 0 <= self.held_out_share < 1:
            raise ConfigError(
                "held_out_share", f"must be at least 0 and below 1, but is {self.held_out_share}."
            )
        check_share("quarantine_limit", self.quarantine_limit)

    def wanted_languages(self) -> frozenset[str]:
        """Return the languages to keep; none where all are."""
        return frozenset() if "any" in self.languages else frozenset(self.languages)


@dataclass(kw_only=True)
class PrepareEftConfig:
    """`ste prepare-eft`."""

    scores_dir: tuple[Path, ...]
    """folders of `ste judge --mode score` over train.jsonl of `ste prepare-ranked`, or their files"""
    output_dir: Path
    """folder to write: eft.jsonl, ift.jsonl where given, manifest and quarantine; a source of SFT"""
    ift: Path | None = None
    """ift.jsonl of `ste prepare-ranked`, or other SFT examples, to copy beside the new ones"""
    strict: bool = False
    """take equal scores of answers of different rank for a disagreement"""
    seed: int = 2
    """seed of every random choice"""
    quarantine_limit: float = 0.01
    """share of malformed rows above which nothing is written"""

    def validate(self) -> None:
        if not self.scores_dir:
            raise ConfigError("scores_dir", "must name at least one file or folder.")
        ift = () if self.ift is None else (self.ift,)
        check_apart(self.output_dir, (*self.scores_dir, *ift))
        check_share("quarantine_limit", self.quarantine_limit)
