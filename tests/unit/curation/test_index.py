"""The index and the selection go to disk where memory ends, and come to the same."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np
import pytest

from ste_fairseq2.curation import index as index_module
from ste_fairseq2.curation.index import SampleIndex
from ste_fairseq2.curation.outcomes import REJECTED, Outcome
from ste_fairseq2.curation.scan import COLUMNS
from ste_fairseq2.curation.selection import Selection, SelectionRules

NUM_PROMPTS, NUM_BLOCKS, BLOCK_ROWS = 50_000, 100, 10_000


def test_a_million_samples_fit_into_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The columns take 51 MB, the tables made of them more; many cores must not ask for more memory."""
    monkeypatch.setattr(index_module, "_MEMORY_LIMIT", "96MB")
    generator = np.random.default_rng(0)
    size = NUM_BLOCKS * BLOCK_ROWS
    prompt = generator.integers(1, NUM_PROMPTS + 1, size, np.uint64)
    outcome = generator.choice([Outcome.CORRECT, Outcome.WRONG, Outcome.TIE], size, p=[0.1, 0.8, 0.1])
    columns = {
        "prompt": prompt,
        "pair": prompt,
        "gold_b": prompt % 2,
        "outcome": outcome,
        "draw": generator.integers(0, 2**63, size, np.uint64),
        "line": generator.integers(0, 2**63, size, np.uint64),
        "start": np.arange(size),
        "length": np.full(size, 9),
    }
    index = SampleIndex(tmp_path, COLUMNS, threads=64)
    for first in range(0, size, BLOCK_ROWS):
        rows = slice(first, first + BLOCK_ROWS)
        index.add(0, 0, {name: array(kind, columns[name][rows]) for name, kind in COLUMNS.items()})
    index.flush()
    rules = SelectionRules(
        rejected=REJECTED,
        limits={},
        num_examples=2,
        num_parts=1,
        num_shards=1,
        majority_voting=None,
        min_agreement=0,
        balance=False,
        mix=(),
        salt=7,
    )
    selection = Selection(index, rules, num_sets=1)
    selection.run()
    spilled = list((tmp_path / "spill").iterdir())
    starts = [(row[4], row[8]) for batch in selection.batches() for row in batch]
    index.close()

    right = np.bincount(prompt[outcome == Outcome.CORRECT].astype(int), minlength=NUM_PROMPTS + 1)
    failed = np.bincount(prompt[outcome != Outcome.CORRECT].astype(int), minlength=NUM_PROMPTS + 1)
    chosen, rejected = np.array(starts).T
    assert spilled
    assert len(starts) == np.minimum(2, right * failed).sum() > 50_000
    assert len(set(starts)) == len(starts)
    assert (outcome[chosen] == Outcome.CORRECT).all()
    assert (outcome[rejected] != Outcome.CORRECT).all()
    assert (prompt[chosen] == prompt[rejected]).all()
