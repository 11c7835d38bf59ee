"""`ste report`: reads a loop's folder and writes the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.jsonl import write_text
from ste_fairseq2.report.judgements import NAMES

REPORT_NAME: Final = "report.html"

DEFAULT_JUDGEMENTS: Final = 40


@dataclass(kw_only=True)
class ReportConfig:
    """What to report on, and where to."""

    folder: Path
    """output folder of `ste loop`"""
    output: Path | None = None
    """file to write; report.html in the folder where absent"""
    compare: Sequence[Path] = ()
    """folders of other loops of the same method, drawn beside this one in the figures of accuracy and of
    following"""
    judgements: int = DEFAULT_JUDGEMENTS
    """most judgements to read in the page, of each round, kind and order, and most scored answers of
    each round; 0 for none"""

    def validate(self) -> None:
        """
        :raises ConfigError:
        """
        if self.judgements and self.judgements < len(NAMES):
            raise ConfigError(
                "judgements",
                f"must be 0, or at least {len(NAMES)} so that each verdict can be shown, "
                f"but is {self.judgements}.",
            )


@dataclass(frozen=True)
class ReportOutcome:
    """What was written."""

    path: Path
    embedded: int
    total: int
    """Judgements, and scored answers with theirs, that the page lets one read; and those there are."""


def write_report(config: ReportConfig) -> ReportOutcome:
    """Write the page of a loop, finished or not.

    :raises ConfigError: a value is wrong, or a loop to compare with is of another method.
    :raises MissingPathError: a folder holds no loop.
    """
    from ste_fairseq2.report.page import make_page
    from ste_fairseq2.report.read import read_loop

    config.validate()
    facts = read_loop(config.folder, compare=config.compare, limit=config.judgements)
    path = config.output or config.folder / REPORT_NAME
    write_text(path, make_page(facts))

    read = facts.judgements

    return ReportOutcome(path, len(read.chosen) + len(read.answers), read.total + read.total_answers)
