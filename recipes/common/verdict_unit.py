"""How often the right verdict is the likelier one behind a held-out judgement, in validation.

It is a unit of its own, with a reader of its own and metrics that no other unit has: fairseq2 adds the
score metric up over the units that publish it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, final

import torch
from fairseq2.logging import log
from fairseq2.metrics import Mean, MetricBag, Sum
from fairseq2.recipe.evaluator import EvalUnit
from torch import Tensor
from torch.nn import Module
from torcheval.metrics import Metric
from typing_extensions import Self, override

from recipes.common.forward import AnswerScorer
from ste_fairseq2.datasets.prompted import PromptedDataset
from ste_fairseq2.datasets.verdict import NO_CELL, VerdictBatch, VerdictRows
from ste_fairseq2.errors import UnscorableValidationError
from ste_fairseq2.metrics import BOTH_ORDERS_RIGHT, VERDICT_ACCURACY

_NUM_EXAMPLES: Final = "num_examples"


class BothOrdersRight(Metric[Tensor]):
    """The share of pairs whose verdict is right in both orders, whichever rank saw which of them.

    Of a pair with several judgements in an order it is what one drawn from each order would have, as in
    `ste evaluate`.
    """

    seen: Tensor
    right: Tensor

    def __init__(self, num_pairs: int) -> None:
        super().__init__()

        self._add_state("seen", torch.zeros(2 * num_pairs))
        self._add_state("right", torch.zeros(2 * num_pairs))

    @torch.inference_mode()
    @override
    def update(self, cells: Tensor, right: Tensor) -> Self:
        """
        :param cells: see :class:`VerdictBatch`.
        :param right: 1 where the verdict is right, else 0. *Shape of both:* (N)
        """
        in_pair = cells != NO_CELL
        self.seen.index_add_(0, cells[in_pair], torch.ones_like(right[in_pair]))
        self.right.index_add_(0, cells[in_pair], right[in_pair])

        return self

    @torch.inference_mode()
    @override
    def compute(self) -> Tensor:
        return (self.right / self.seen).view(-1, 2).prod(dim=1).mean()

    @torch.inference_mode()
    @override
    def merge_state(self, metrics: Iterable[Self]) -> Self:
        for metric in metrics:
            self.seen += metric.seen.to(self.device)
            self.right += metric.right.to(self.device)

        return self


@final
class VerdictEvalUnit(EvalUnit[VerdictBatch]):
    """Compares the log-probabilities of the two marks; the right one must have the higher."""

    def __init__(self, model: Module, scorer: AnswerScorer, num_pairs: int) -> None:
        """
        :param num_pairs: pairs with rows in both orders.
        """
        self._model = model
        self._scorer = scorer
        self._num_pairs = num_pairs

    @property
    @override
    def name(self) -> str:
        return "verdict"

    @torch.inference_mode()
    @override
    def prepare_metric_bag(self, metric_bag: MetricBag) -> None:
        metric_bag.add(VERDICT_ACCURACY, Mean())
        metric_bag.add(_NUM_EXAMPLES, Sum())
        if self._num_pairs:
            metric_bag.add(BOTH_ORDERS_RIGHT, BothOrdersRight(self._num_pairs))

    @override
    def process_batch(self, batch: VerdictBatch, metric_bag: MetricBag) -> None:
        logps = self._scorer(self._model, batch.answers).view(-1, 2)
        if batch.is_filler:
            return
        right = (logps[:, 0] > logps[:, 1]).float()
        metric_bag.get(VERDICT_ACCURACY, Mean).update(right.mean(), weight=batch.num_rows)
        metric_bag.get(_NUM_EXAMPLES, Sum).update(batch.num_rows)
        if self._num_pairs:
            metric_bag.get(BOTH_ORDERS_RIGHT, BothOrdersRight).update(batch.cells, right)


def find_verdicts(
    dataset: PromptedDataset[Any, Any] | None, score_metric: str | None
) -> VerdictRows | None:
    """Return the rows of a measured validation side that have a verdict, or ``None`` where none has.

    :raises UnscorableValidationError: the run is to be scored by what the rows do not tell.
    """
    rows = None if dataset is None else VerdictRows(dataset)
    if score_metric == VERDICT_ACCURACY and (rows is None or not rows.num_rows):
        raise UnscorableValidationError(score_metric, "names the better answer by [[A]] or [[B]]")
    if score_metric == BOTH_ORDERS_RIGHT and (rows is None or not rows.num_pairs):
        raise UnscorableValidationError(
            score_metric, "shares its `pair_id` with one of the other `order` (0_1 and 1_0)"
        )
    if rows is None:
        return None
    left_out = "".join(f", {count} {verdict}" for verdict, count in sorted(rows.left_out.items()))
    log.info(
        "{} validation rows have a verdict, {} pairs of them in both orders; {} are left out{}.",
        rows.num_rows, rows.num_pairs, rows.left_out.total(), left_out,
    )  # fmt: skip

    return rows if rows.num_rows else None
