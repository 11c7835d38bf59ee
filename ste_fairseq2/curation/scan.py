"""Reduces a block of judgement samples to index columns; runs in worker processes.

An index entry holds no text. ``draw`` is a hash of the judgement, seeded by the run, the stage and the
prompt: it names the text among those of its prompt and puts them into a random order, the same whatever
files they came in.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from xxhash import xxh3_64_intdigest

from ste_fairseq2.curation.files import Block, read_batches
from ste_fairseq2.curation.outcomes import judge_outcome
from ste_fairseq2.curation.rows import SampleRow, read_sample, read_samples
from ste_fairseq2.errors import RowError
from ste_fairseq2.jsonl import MAX_LINE_BYTES
from ste_fairseq2.verdicts import Verdict, parse_verdict

COLUMNS: Final = {
    "prompt": "Q",  # the prompt; two texts, pairs or orders are two prompts
    "pair": "Q",  # the pair that both orders show; 0 where the sample names none
    "gold_b": "B",  # 1 where the ranks call the second answer better
    "outcome": "B",
    "draw": "Q",
    "line": "Q",  # the line as it stands in the file
    "start": "Q",
    "length": "L",
}
"""The columns and their types as the `array` module names them."""

_B: Final = Verdict.B
"""An enum's members take long to look up, and every line asks for this one."""

_MASK: Final = (1 << 64) - 1
_ORDER_SEEDS: Final = {None: 0, "0_1": 1, "1_0": 2}


class ScannedBlock(NamedTuple):
    block: Block
    columns: dict[str, array[int]]
    errors: list[RowError]
    """Malformed rows; their line numbers count from the beginning of the block."""
    num_lines: int
    """Lines begun in the block, blank ones too."""


def hash_line(raw: bytes) -> int:
    """Return a hash of a line; the last one of a file may lack its newline."""
    return xxh3_64_intdigest(raw if raw.endswith(b"\n") else raw + b"\n")


def scan_block(block: Block, salt: int) -> ScannedBlock:
    """
    :param salt: seeds the draws; see :func:`~ste_fairseq2.rng.derived_seed`.
    """
    columns = {name: array(kind) for name, kind in COLUMNS.items()}
    errors: list[RowError] = []
    num_lines = 0
    for offset, lines in read_batches(block):
        starts = list(itertools.accumulate(map(len, lines[:-1]), initial=offset))
        is_cut = len(lines[-1]) > MAX_LINE_BYTES
        samples = None if is_cut else read_samples(lines)
        if samples is None:
            found = _read_one_by_one(lines, block.file.source, num_lines, errors)
            samples = list(found.values())
            _add(columns, [starts[n] for n in found], [lines[n] for n in found], samples, salt)
        else:
            _add(columns, starts, lines, samples, salt)
        num_lines += len(lines)

    return ScannedBlock(block, columns, errors, num_lines)


def _read_one_by_one(
    lines: Sequence[bytes], source: str, lines_before: int, errors: list[RowError]
) -> dict[int, SampleRow]:
    """Return the samples by index; what is wrong with malformed lines is added to ``errors``."""
    samples = {}
    for index, raw in enumerate(lines):
        number = lines_before + index + 1
        try:
            if len(raw) > MAX_LINE_BYTES:
                raise RowError(source, number, None, f"is longer than {MAX_LINE_BYTES >> 20} MiB.")
            if not raw.isspace():
                samples[index] = read_sample(raw, source, number)
        except RowError as ex:
            errors.append(ex)

    return samples


def _add(
    columns: Mapping[str, array[int]],
    starts: Sequence[int],
    lines: Sequence[bytes],
    samples: Sequence[SampleRow],
    salt: int,
) -> None:
    """Add an index entry of each line; what C does for a whole column is not done line by line."""
    prompts, pairs, golds, outcomes, draws = [], [], [], [], []
    text = pair_id = order = None
    pair = prompt = seed = 0
    for sample in samples:
        metadata, judgement = sample.metadata, sample.vllm_output
        if sample.text != text or metadata.pair_id != pair_id or metadata.order != order:
            # The samples of a prompt tend to follow each other, and long prompts take time to hash.
            text, pair_id, order = sample.text, metadata.pair_id, metadata.order
            pair = 0 if pair_id is None else xxh3_64_intdigest(pair_id.encode()) or 1
            prompt = xxh3_64_intdigest(text.encode(), pair ^ _ORDER_SEEDS[order])
            seed = (prompt + salt) & _MASK
        output, finish_reason = judgement.output, judgement.finish_reason
        gold = sample.gold
        prompts.append(prompt)
        pairs.append(pair)
        golds.append(gold is _B)
        outcomes.append(judge_outcome(parse_verdict(output, finish_reason), gold, finish_reason))
        draws.append(xxh3_64_intdigest(output.encode(), seed))

    columns["prompt"].extend(prompts)
    columns["pair"].extend(pairs)
    columns["gold_b"].extend(golds)
    columns["outcome"].extend(outcomes)
    columns["draw"].extend(draws)
    columns["line"].extend(map(hash_line, lines))
    columns["start"].extend(starts)
    columns["length"].extend(map(len, lines))
