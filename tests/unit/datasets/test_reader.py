"""A reader goes on exactly where its state says."""

from __future__ import annotations

from collections.abc import Sequence

from ste_fairseq2.datasets.plan import Step
from ste_fairseq2.datasets.reader import PlannedDataReader


def make_reader() -> PlannedDataReader[str]:
    """Epochs of three steps; the last accumulates one batch instead of two."""

    def steps(epoch: int) -> list[Step]:
        return [Step((((0,), (1,)),)), Step((((2,), (3,)),)), Step((((4,),),))]

    def collate(step: Step, numbers: Sequence[int], *, is_filler: bool) -> str:
        return f"{numbers}"

    return PlannedDataReader(steps, collate, rank=0, num_accumulate=2)


def test_an_epoch_ends_and_the_next_begins() -> None:
    reader = make_reader()

    assert [len(batches) for batches in reader] == [2, 2, 1]
    reader.reset()
    assert next(reader) == ["(0,)", "(1,)"]
    assert reader.state_dict() == {"epoch": 2, "next_step": 1}


def test_state_round_trip() -> None:
    reader = make_reader()
    next(reader)
    state = reader.state_dict()
    expected = list(reader)

    resumed = make_reader()
    resumed.load_state_dict(state)
    assert list(resumed) == expected
