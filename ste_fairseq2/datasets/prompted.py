"""What both data set families do: index the rows, measure them in tokens, plan and read batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Generic, Literal, TypeAlias, TypeVar

import torch
from fairseq2.gang import Gangs, ReduceOperation
from fairseq2.logging import log

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.datasets.plan import PlannedRow, Step
from ste_fairseq2.datasets.reader import PlannedDataReader, StepsOfEpoch
from ste_fairseq2.datasets.sources import RowSource, SourceConfig, iter_refs, open_source
from ste_fairseq2.digest import digest_json
from ste_fairseq2.errors import ConfigError, EmptyDataError
from ste_fairseq2.jsonl import Row
from ste_fairseq2.records import Message

SourceEncodeMode: TypeAlias = Literal["as_is", "chat"]
"""``as_is``: ``src`` already carries the chat template. ``chat``: it is a bare user message."""

ExampleT = TypeVar("ExampleT")

BatchT = TypeVar("BatchT")


@dataclass(frozen=True)
class EncodedRow:
    """The token ids of a row."""

    prompt: list[int]
    answers: tuple[list[int], ...]


class PromptedDataset(ABC, Generic[ExampleT, BatchT]):
    """Rows that are a prompt with one or more answers; :meth:`measure` must come before reading."""

    def __init__(self, name: str, sources: Sequence[SourceConfig]) -> None:
        """
        :raises EmptyDataError: there is no source, or one holds no row.
        :raises RowError: a row is malformed.
        """
        if not sources:
            raise ConfigError(
                f"dataset.config_overrides.{name}", "must name at least one source to read."
            )
        self._name = name
        self._sources: list[RowSource] = [open_source(source) for source in sources]
        self._weights = [source.weight for source in sources]
        self._refs = list(iter_refs(self._sources))
        self._prompt_numbers, self._digest = self._index()
        self._rows: list[PlannedRow] = []
        self._kept: list[int] = []

    @abstractmethod
    def parse(self, row: Row) -> ExampleT: ...

    @abstractmethod
    def answers(self, example: ExampleT) -> tuple[str, ...]: ...

    @abstractmethod
    def prompt(self, example: ExampleT) -> tuple[Message, ...] | str:
        """Return the conversation, or the text of ``src`` where the example has no messages."""

    @abstractmethod
    def content(self, example: ExampleT) -> object:
        """Return what the digest of the data covers."""

    @abstractmethod
    def collate(self, step: Step, numbers: Sequence[int], *, is_filler: bool) -> BatchT: ...

    @property
    def digest(self) -> str:
        """A digest of all rows that does not depend on their order or files."""
        return self._digest

    @property
    def num_rows(self) -> int:
        """Rows that are short enough to train on."""
        return len(self._kept)

    @property
    def num_dropped(self) -> int:
        """Rows left out because they are too long."""
        return len(self._refs) - len(self._kept)

    @property
    def planned_rows(self) -> list[PlannedRow]:
        """The rows that are kept, measured in tokens."""
        return self._rows

    @property
    def weights(self) -> list[float]:
        return self._weights

    def example(self, number: int) -> ExampleT:
        """Return a kept row."""
        return self._example_at(self._kept[number])

    def encode(self, number: int) -> EncodedRow:
        """Return the token ids of a kept row."""
        example = self.example(number)

        return self._encode(example, self.answers(example))

    def encode_with(self, number: int, answers: Sequence[str]) -> EncodedRow:
        """Return the token ids of a kept row's prompt with other answers than its own."""
        return self._encode(self.example(number), answers)

    def measure(
        self,
        renderer: ChatRenderer,
        gangs: Gangs,
        *,
        max_seq_len: int,
        source_encode_mode: SourceEncodeMode,
    ) -> None:
        """Tokenise every row once to know its length, and leave out those that are too long.

        The data-parallel ranks share the work. A row is left out whole: of a pair, both sides.

        :raises EmptyDataError: no row is short enough.
        """
        self._renderer = renderer
        self._mode = source_encode_mode
        num_answers = len(self.answers(self._example_at(0)))
        lens = torch.zeros((len(self._refs), 1 + num_answers), dtype=torch.int64)
        for number in range(gangs.dp.rank, len(self._refs), gangs.dp.size):
            example = self._example_at(number)
            encoded = self._encode(example, self.answers(example))
            lens[number] = torch.tensor([len(encoded.prompt), *map(len, encoded.answers)])
        if gangs.dp.size > 1:
            on_device = lens.to(gangs.device)
            gangs.dp.all_reduce(on_device, ReduceOperation.SUM)
            lens = on_device.cpu()

        self._kept, self._rows = [], []
        for number, (prompt_len, *answer_lens) in enumerate(lens.tolist()):
            row = PlannedRow(
                self._prompt_numbers[number],
                prompt_len,
                tuple(answer_lens),
                self._refs[number].source,
            )
            if row.longest <= max_seq_len:
                self._kept.append(number)
                self._rows.append(row)
        counts = {"kept": self.num_rows, f"longer than {max_seq_len} tokens": self.num_dropped}
        if not self._kept:
            raise EmptyDataError(f"the data set (`{self._name}`)", counts)
        log.info(
            "{} rows of `{}` kept, {} dropped (longer than {} tokens), {} prompts.",
            self.num_rows, self._name, self.num_dropped, max_seq_len,
            len({(row.source, row.prompt) for row in self._rows}),
        )  # fmt: skip

    def create_reader(
        self, steps_of_epoch: StepsOfEpoch, gangs: Gangs, *, num_accumulate: int = 1
    ) -> PlannedDataReader[BatchT]:
        """Return a reader of this rank's batches.

        :param steps_of_epoch: gives the optimiser steps of an epoch; see ``plan``.
        """
        return PlannedDataReader(
            steps_of_epoch, self.collate, rank=gangs.dp.rank, num_accumulate=num_accumulate
        )

    def _index(self) -> tuple[list[int], str]:
        """Parse every row; return the number of each row's prompt and the digest of the data."""
        numbers: dict[str, int] = {}
        of_row, digests = [], []
        for number in range(len(self._refs)):
            example = self._example_at(number)
            prompt = self.prompt(example)
            key = digest_json(prompt if isinstance(prompt, str) else [m.to_row() for m in prompt])
            of_row.append(numbers.setdefault(key, len(numbers)))
            digests.append(digest_json(self.content(example)))
        whole = sha256("\n".join(sorted(digests)).encode()).hexdigest()

        return of_row, whole

    def _example_at(self, number: int) -> ExampleT:
        ref = self._refs[number]

        return self.parse(self._sources[ref.source][ref.index])

    def _encode(self, example: ExampleT, answers: Sequence[str]) -> EncodedRow:
        prompt = self.prompt(example)
        if not isinstance(prompt, str):
            ids = self._renderer.render_prompt(prompt)
        elif self._mode == "chat":
            ids = self._renderer.render_prompt([Message("user", prompt)])
        else:
            ids = self._renderer.encode_rendered(prompt)

        return EncodedRow(ids, tuple(self._renderer.encode_answer(a) for a in answers))
