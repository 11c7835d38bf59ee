"""Held-out judgements as questions of one verdict: the right mark or the other, behind the same text.

A row's judgement is cut at the mark that its verdict binds to, and each of the two marks that name an
answer is put there. From the first token that differs on they are two answers to one prompt, so that
prompt and judgement are computed once for both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import torch
from fairseq2.device import Device, SupportsDeviceTransfer
from fairseq2.gang import Gangs
from torch import Tensor
from typing_extensions import override

from ste_fairseq2.datasets.batch import AnswerBatch, PromptGroup
from ste_fairseq2.datasets.plan import PlannedRow, Step
from ste_fairseq2.datasets.prompted import PromptedDataset
from ste_fairseq2.datasets.reader import PlannedDataReader, StepsOfEpoch
from ste_fairseq2.verdicts import Verdict, split_at_verdict

NO_CELL: Final = -1

_ORDERS: Final = ("0_1", "1_0")

_MARK_LEN: Final = 8
"""More tokens than a mark has in any tokenizer we know; only planning looks at it."""


@dataclass
class VerdictBatch(SupportsDeviceTransfer):
    """Judgements, each with the right mark (even numbers) and the other one (odd numbers) behind it."""

    answers: AnswerBatch
    cells: Tensor
    """Which order of which pair each judgement is of: twice the pair's number, and one more for order
    ``1_0``; :data:`NO_CELL` where the pair has no row in the other order. *Shape:* (N)"""
    is_filler: bool = False
    """Whether the batch only keeps a rank in step and must not be counted."""

    @override
    def to(self, device: Device, *, non_blocking: bool = False) -> None:
        self.answers.device = device
        self.cells = self.cells.to(device, non_blocking=non_blocking)

    @property
    def num_rows(self) -> int:
        return self.cells.numel()


@final
class VerdictRows:
    """The rows of a measured data set whose judgement names one answer."""

    def __init__(self, dataset: PromptedDataset[Any, Any]) -> None:
        self._dataset = dataset
        self._numbers: list[int] = []
        self._right: list[Verdict] = []
        self.left_out: Counter[str] = Counter()
        """Rows without such a judgement, by what theirs says instead."""
        keys: list[tuple[int, str, str] | None] = []
        for number in range(dataset.num_rows):
            example = dataset.example(number)
            split = split_at_verdict(dataset.answers(example)[0])
            verdict = Verdict.UNPARSEABLE if split is None else split[1]
            if not verdict.is_decided:
                self.left_out[verdict.value] += 1
                continue
            extra = example.extra
            self._numbers.append(number)
            # What the row calls right counts, even should its judgement say otherwise.
            self._right.append(Verdict(extra["gold"]) if extra.get("gold") in ("A", "B") else verdict)
            keys.append(_pair_key(dataset.planned_rows[number].source, extra))
        self._cells, self.num_pairs = _cells_of(keys)

    @property
    def num_rows(self) -> int:
        return len(self._numbers)

    @property
    def planned_rows(self) -> list[PlannedRow]:
        """The rows as planning sees them; each has a prompt of its own, which its judgement ends."""
        measured = [self._dataset.planned_rows[number] for number in self._numbers]

        return [
            PlannedRow(k, row.prompt_len + row.answer_lens[0], (_MARK_LEN, _MARK_LEN), row.source)
            for k, row in enumerate(measured)
        ]

    def collate(self, step: Step, numbers: Sequence[int], *, is_filler: bool) -> VerdictBatch:
        return VerdictBatch(
            AnswerBatch([self._group(number) for number in numbers]),
            torch.tensor([self._cells[number] for number in numbers]),
            is_filler,
        )

    def create_reader(
        self, steps_of_epoch: StepsOfEpoch, gangs: Gangs
    ) -> PlannedDataReader[VerdictBatch]:
        return PlannedDataReader(steps_of_epoch, self.collate, rank=gangs.dp.rank)

    def _group(self, number: int) -> PromptGroup:
        dataset, own = self._dataset, self._numbers[number]
        right = self._right[number]
        split = split_at_verdict(dataset.answers(dataset.example(own))[0])
        assert split is not None
        before, _ = split
        encoded = dataset.encode_with(own, [f"{before}{v.mark}" for v in (right, right.swap())])
        # What follows a mark is not asked for, an end of turn as little as anything else.
        marked = [ids[:-1] for ids in encoded.answers]
        shared = next(k for k, (one, other) in enumerate(zip(*marked, strict=False)) if one != other)

        return PromptGroup([*encoded.prompt, *marked[0][:shared]], [ids[shared:] for ids in marked])


def _pair_key(source: int, extra: dict[str, Any]) -> tuple[int, str, str] | None:
    """Return source, pair and order of a row, as far as it says them."""
    pair, order = extra.get("pair_id"), extra.get("order")
    if pair is None or order not in _ORDERS:
        return None

    return source, str(pair), order


def _cells_of(keys: Sequence[tuple[int, str, str] | None]) -> tuple[list[int], int]:
    """Return each row's cell (see :class:`VerdictBatch`), and the number of pairs with both orders."""
    orders: dict[tuple[int, str], set[str]] = {}
    for key in keys:
        if key is not None:
            orders.setdefault(key[:2], set()).add(key[2])
    complete = [pair for pair, found in orders.items() if len(found) == len(_ORDERS)]
    pairs = {pair: number for number, pair in enumerate(complete)}
    cells = [
        NO_CELL if key is None or key[:2] not in pairs else 2 * pairs[key[:2]] + _ORDERS.index(key[2])
        for key in keys
    ]

    return cells, len(pairs)
