"""What the page of one method has beside what every page has; each method fills it in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Generic, TypeAlias, TypeVar

from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.plan import Plan
from ste_fairseq2.report.facts import LoopFacts
from ste_fairseq2.report.judgements import Choice, ShownJudgement
from ste_fairseq2.report.parts.part import Part

ConfigT = TypeVar("ConfigT", bound=LoopConfig)

MakePart: TypeAlias = Callable[[LoopFacts], Part]


class ReportMethod(ABC, Generic[ConfigT]):
    """A method as its page shows it."""

    PARTS: ClassVar[tuple[MakePart, ...]]
    """In their order on the page."""
    TABLE_NOTE: ClassVar[str]
    """How to read the table of the rounds."""
    READING_NOTE: ClassVar[str]
    """What there is to read in the browser of judgements."""

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @abstractmethod
    def settings(self) -> Mapping[str, str]:
        """Return what was run, by name; an empty value is not shown."""

    @abstractmethod
    def complete(self, facts: LoopFacts, plan: Plan, choice: Choice[ShownJudgement]) -> LoopFacts:
        """Add what only loops of this method leave behind, and the judgements to read.

        :param facts: what all loops leave behind.
        :param choice: of judgements; those on held-out pairs have been offered.
        """


def name_benchmarks(config: LoopConfig) -> str:
    """Return the benchmarks with what they are of."""
    return ", ".join(
        f"{name} ({options.get('data') or options['benchmark']})"
        for name, options in config.evaluate.items()
    )
