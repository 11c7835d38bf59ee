"""The metrics of the verdict unit, and the runs that it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fairseq2.device import CPU
from fairseq2.gang import create_fake_gangs
from fairseq2.metrics import Mean, MetricBag, Sum
from torch import Tensor
from torch.nn import Identity

from recipes.common.verdict_unit import BothOrdersRight, VerdictEvalUnit, find_verdicts
from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.datasets import SourceConfig
from ste_fairseq2.datasets.batch import AnswerBatch
from ste_fairseq2.datasets.sft import SftExamples
from ste_fairseq2.datasets.verdict import NO_CELL, VerdictBatch
from ste_fairseq2.errors import UnscorableValidationError
from ste_fairseq2.jsonl import write_rows

CELLS = torch.tensor([0, 1, 2, 3, 3, NO_CELL])
RIGHT = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0, 1.0])


def test_both_orders_right_is_a_share_of_pairs() -> None:
    """The first pair is right in both orders; of the second, one of two judgements in order 1_0."""
    metric = BothOrdersRight(2)
    metric.update(CELLS, RIGHT)

    assert metric.compute().item() == pytest.approx((1 + 1 * 0.5) / 2)


@pytest.mark.parametrize("on_first", [[], [0], [0, 3], [1, 2, 5], [0, 1, 2, 3, 4, 5]])
def test_it_does_not_matter_which_rank_saw_which_row(on_first: list[int]) -> None:
    first, second = BothOrdersRight(2), BothOrdersRight(2)
    rest = [k for k in range(len(CELLS)) if k not in on_first]
    first.update(CELLS[on_first], RIGHT[on_first])
    second.update(CELLS[rest], RIGHT[rest])

    assert first.merge_state([second]).compute().item() == pytest.approx(0.75)


def evaluated(logps: list[float], *, num_pairs: int, is_filler: bool = False) -> MetricBag:
    """Return what the unit counts of one batch whose answers have these log-probabilities."""

    def scorer(model: object, batch: AnswerBatch) -> Tensor:
        return torch.tensor(logps)

    unit = VerdictEvalUnit(Identity(), scorer, num_pairs)  # type: ignore[arg-type]
    bag = MetricBag(CPU)
    unit.prepare_metric_bag(bag)
    cells = torch.arange(len(logps) // 2)
    unit.process_batch(VerdictBatch(AnswerBatch([]), cells, is_filler), bag)

    return bag


def test_the_right_mark_must_be_the_likelier_one() -> None:
    bag = evaluated([-1.0, -2.0, -2.0, -1.0, -3.0, -3.0, -1.0, -9.0], num_pairs=2)

    assert bag.get("verdict_accuracy", Mean).compute() == 0.5
    assert bag.get("both_orders_right", BothOrdersRight).compute() == 0.0
    assert bag.get("num_examples", Sum).compute() == 4


def test_a_filler_does_not_count() -> None:
    bag = evaluated([-1.0, -2.0], num_pairs=1, is_filler=True)

    assert bag.get("num_examples", Sum).compute() == 0
    assert bag.get("both_orders_right", BothOrdersRight).seen.tolist() == [0, 0]


def test_without_pairs_there_is_no_figure_of_both_orders() -> None:
    assert "both_orders_right" not in evaluated([-1.0, -2.0], num_pairs=0).metrics


def examples(tgt: str, renderer: ChatRenderer, folder: Path) -> Any:
    write_rows(folder / "rows.jsonl", [{"id": "a", "src": "Judge.", "tgt": tgt, "pair_id": "p"}])
    dataset = SftExamples("valid_sources", [SourceConfig(path=str(folder / "rows.jsonl"))])
    dataset.measure(renderer, create_fake_gangs(CPU), max_seq_len=100, source_encode_mode="chat")

    return dataset


def test_a_score_that_the_rows_do_not_tell_is_refused(renderer: ChatRenderer, tmp_path: Path) -> None:
    decided, other = examples("[[A]]", renderer, tmp_path), None
    for dataset, metric in ((decided, "both_orders_right"), (other, "verdict_accuracy")):
        with pytest.raises(UnscorableValidationError, match=f"`{metric}`, but no row of"):
            find_verdicts(dataset, metric)
    undecided = examples("no mark", renderer, tmp_path)
    with pytest.raises(UnscorableValidationError):
        find_verdicts(undecided, "verdict_accuracy")

    assert find_verdicts(undecided, "nll_loss") is None
    assert find_verdicts(None, None) is None
