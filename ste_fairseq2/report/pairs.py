"""Reads pairs once: how long their responses are, and the texts of those that are shown."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ste_fairseq2.curation.lengths import LengthTally
from ste_fairseq2.errors import MissingPathError, UnfinishedStageError
from ste_fairseq2.records import ResponsePair
from ste_fairseq2.report.facts import PairFacts
from ste_fairseq2.report.judgements import ShownPair
from ste_fairseq2.synthesis.inputs import StageInputs, ignore


def read_pairs(
    name: str, place: str, wanted: Collection[str]
) -> tuple[PairFacts | None, dict[str, ShownPair]]:
    """Return the lengths of all pairs, and the texts of those whose ids are wanted.

    :param place: a file or a stage's folder. Of a data set nothing is read, which might need a network.
    """
    better, worse = LengthTally(), LengthTally()
    num_pairs = better_longer = worse_longer = 0
    shown: dict[str, ShownPair] = {}
    if not Path(place).exists():
        return None, shown
    try:
        for record in StageInputs(place, ResponsePair.from_row).records(on_error=ignore):
            pair = record.content
            num_pairs += 1
            better.merge(LengthTally([pair.baseline]))
            worse.merge(LengthTally([pair.worse]))
            gap = len(pair.baseline.split()) - len(pair.worse.split())
            better_longer += gap > 0
            worse_longer += gap < 0
            if record.id in wanted:
                shown[record.id] = ShownPair(pair.instruction, pair.baseline, pair.worse)
    except (MissingPathError, UnfinishedStageError):
        return None, shown
    if not num_pairs:
        return None, shown

    return (
        PairFacts(
            name=name,
            pairs=num_pairs,
            better=better.report(),
            worse=worse.report(),
            better_longer=better_longer,
            worse_longer=worse_longer,
        ),
        shown,
    )
