"""What a benchmark is: a small declaration of where its pairs come from and how they are scored.

To add one, write a function that maps rows to :class:`BenchmarkPair` and put a :class:`Benchmark` into
``catalogue.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ste_fairseq2.evaluation.items import BenchmarkItem, ShownAnswer
from ste_fairseq2.evaluation.judgements import Judgement
from ste_fairseq2.jsonl import Row
from ste_fairseq2.records import Message
from ste_fairseq2.reward_models.protocol import Conversation
from ste_fairseq2.verdicts import Verdict


@dataclass(frozen=True)
class BenchmarkPair:
    """Two answers to a prompt, as the benchmark stores them, and the better one."""

    id: str
    """Unique within its subset."""
    prompt: str
    answers: tuple[str, str]
    better: Verdict
    """``A`` where the first answer is the better one, else ``B``."""
    subset: str | None = None
    conversations: tuple[Conversation, Conversation] | None = None
    """The conversations that end with each answer, where they are more than prompt and answer."""

    @property
    def key(self) -> str:
        """Unique within the benchmark."""
        return f"{self.subset}/{self.id}" if self.subset is not None else self.id

    def to_judge_input(self) -> dict[str, Any]:
        """Return the row that `ste judge` reads."""
        row = {
            "id": self.key,
            "input": self.prompt,
            "response_a": self.answers[0],
            "response_b": self.answers[1],
            "label": self.better.value,
        }
        if self.subset is not None:
            row["subset"] = self.subset

        return row

    def to_item(self) -> BenchmarkItem:
        """Return what is scored one answer at a time: the better answer, then the other."""
        prompt = Message("user", self.prompt)
        answers = self.conversations or tuple((prompt, Message("assistant", a)) for a in self.answers)
        shown = tuple(ShownAnswer(self.prompt, answer) for answer in self.answers)
        if self.better is Verdict.B:
            answers, shown = answers[::-1], shown[::-1]

        return BenchmarkItem(self.key, answers, subset=self.subset, written_out=shown)


@dataclass(frozen=True)
class HubSource:
    """A data set of the Hugging Face Hub."""

    path: str
    splits: tuple[str, ...]
    config: str | None = None
    revision: str | None = None


PairReader: TypeAlias = Callable[[str, Iterable[Row], Counter[str]], Iterator[BenchmarkPair]]
"""Maps the rows of one split to pairs; counts the rows it passes over by their reason.

The split's name is empty where the rows come from a single file.
"""

ItemReader: TypeAlias = Callable[[str, Iterable[Row], Counter[str]], Iterator[BenchmarkItem]]
"""The same for what is scored one answer at a time."""

Sections: TypeAlias = Mapping[str, Mapping[str, float]]
"""The subsets of each section with their weights."""


@dataclass(frozen=True)
class ScoredForm:
    """A benchmark as its answers are scored one at a time, where that is not by its pairs."""

    read: ItemReader
    sections: Sections | None = None


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """The declaration of a benchmark."""

    name: str
    summary: str
    read: PairReader
    source: HubSource | None = None
    """``None`` where the data is always the user's own file."""
    headline: Mapping[str, str] = field(default_factory=lambda: {"accuracy, mean of orders": "mean"})
    """The figures that are its metric: the name it is known by, and its name in ``figures.py``."""
    combine: Callable[[Sequence[Judgement]], list[Judgement]] | None = None
    """Turns judgements on pairs into judgements on items, where an item has several pairs."""
    sections: Sections | None = None
    """A section's score is the weighted mean over its subsets, the final score the plain mean of the
    sections."""
    scored: ScoredForm | None = None
    """``None`` where reward models and scoring judges too are asked about the pairs."""

    @property
    def read_items(self) -> ItemReader:
        """What maps rows to the answers that are scored one at a time."""
        if self.scored is not None:
            return self.scored.read

        return lambda split, rows, passed: (pair.to_item() for pair in self.read(split, rows, passed))

    @property
    def sections_of_scores(self) -> Sections | None:
        """The sections of scores."""
        return self.scored.sections if self.scored is not None else self.sections
