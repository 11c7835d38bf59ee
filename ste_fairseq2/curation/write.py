"""Reads the drawn samples again, each at its offset, and writes the training files."""

from __future__ import annotations

import functools
import hashlib
import itertools
import operator
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from ste_fairseq2.curation.files import InputFile
from ste_fairseq2.curation.lengths import LengthTally
from ste_fairseq2.curation.outcomes import Outcome
from ste_fairseq2.curation.parallel import Workers
from ste_fairseq2.curation.rows import MessageRow, SampleRow, read_sample
from ste_fairseq2.curation.scan import hash_line
from ste_fairseq2.errors import InputError
from ste_fairseq2.records import content_id

_BATCH_ROWS: Final = 512
_encoder: Final = msgspec.json.Encoder()


_Row: TypeAlias = tuple[Any, ...]
"""A drawn example as :meth:`~ste_fairseq2.curation.selection.Selection.batches` names it."""


class Place(NamedTuple):
    """Where a sample stands, and the hash of the line that stood there when it was indexed."""

    file: int
    start: int
    length: int
    line: int


class _SftExample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The fields in the order in which they are written; what a sample does not have is left out."""

    id: str
    src: str
    tgt: str
    messages: tuple[MessageRow, ...] | None = None
    pair_id: str | None = None
    order: str | None = None
    gold: str
    sample_id: str


class _DpoExample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The fields in the order in which they are written; what a sample does not have is left out."""

    id: str
    src: str
    tgt_chosen: str
    tgt_rejected: str
    messages: tuple[MessageRow, ...] | None = None
    pair_id: str | None = None
    order: str | None = None
    gold: str
    chosen_sample_id: str
    rejected_sample_id: str
    rejected_reason: str


class Written(NamedTuple):
    """One finished training file."""

    path: Path
    num_rows: int
    sha256: str


class _Formatted(NamedTuple):
    data: bytes
    num_rows: int
    chosen: LengthTally
    rejected: LengthTally


class ExampleWriter:
    """Writes shards into a folder and tallies the lengths of their texts."""

    def __init__(self, folder: Path, files: Sequence[InputFile], workers: Workers) -> None:
        self._folder = folder
        self._files = tuple(files)
        self._workers = workers
        self.chosen = LengthTally()
        self.rejected = LengthTally()

    def write(self, rows: Iterable[list[_Row]], *, in_parts: bool) -> list[Written]:
        """Write the rows of :meth:`~ste_fairseq2.curation.selection.Selection.batches`.

        :raises InputError: an input file changed since it was indexed.
        """
        shards: list[Written] = []
        tasks, names = itertools.tee(_cut(itertools.chain.from_iterable(rows)))
        call = functools.partial(_format_batch, self._files)
        results = self._workers.map(call, (batch for _, batch in tasks))
        named = zip((name for name, _ in names), results, strict=True)
        for (part, shard), group in itertools.groupby(named, key=lambda item: item[0]):
            name = f"train-{shard:05d}.jsonl"
            path = Path(f"iter_{part}", name) if in_parts else Path(name)
            shards.append(self._write_shard(path, (formatted for _, formatted in group)))

        return shards

    def _write_shard(self, path: Path, batches: Iterator[_Formatted]) -> Written:
        hasher = hashlib.sha256()
        num_rows = 0
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as stream:
            for batch in batches:
                stream.write(batch.data)
                hasher.update(batch.data)
                num_rows += batch.num_rows
                self.chosen.merge(batch.chosen)
                self.rejected.merge(batch.rejected)
            stream.flush()
            os.fsync(stream.fileno())

        return Written(path, num_rows, hasher.hexdigest())


def _cut(rows: Iterable[_Row]) -> Iterator[tuple[tuple[int, int], list[_Row]]]:
    """Yield part and shard with some of their rows, none of them in two shards."""
    for key, group in itertools.groupby(rows, key=operator.itemgetter(0, 1)):
        while batch := list(itertools.islice(group, _BATCH_ROWS)):
            yield key, batch


def _format_batch(files: Sequence[InputFile], rows: Sequence[_Row]) -> _Formatted:
    """Runs in a worker process."""
    drawn = [(row[2], Place(*row[3:7]), None if row[7] is None else Place(*row[7:])) for row in rows]
    samples = _read_places(files, {place for _, *places in drawn for place in places if place})
    examples: list[_SftExample | _DpoExample] = []
    for reason, chosen, rejected in drawn:
        target = samples[chosen]
        if rejected is None:
            examples.append(_sft_example(target))
        else:
            examples.append(_dpo_example(target, samples[rejected], Outcome(reason)))
    lengths = LengthTally([samples[chosen].vllm_output.output for _, chosen, _ in drawn])
    others = LengthTally([samples[place].vllm_output.output for _, _, place in drawn if place])

    return _Formatted(_encoder.encode_lines(examples), len(rows), lengths, others)


def _read_places(files: Sequence[InputFile], places: Iterable[Place]) -> dict[Place, SampleRow]:
    by_file: dict[int, list[Place]] = defaultdict(list)
    for place in places:
        by_file[place.file].append(place)

    samples = {}
    for number, wanted in by_file.items():
        file = files[number]
        with file.path.open("rb", buffering=0) as stream:
            for place in sorted(wanted):
                raw = os.pread(stream.fileno(), place.length, place.start)
                if hash_line(raw) != place.line:
                    raise InputError(
                        f"`{file.source}` changed while it was read; run the command again."
                    )
                samples[place] = read_sample(raw, file.source, 0)

    return samples


def _sft_example(sample: SampleRow) -> _SftExample:
    output = sample.vllm_output.output

    return _SftExample(
        id=content_id(sample.sample_id, sample.text, output),
        src=sample.text,
        tgt=output,
        messages=sample.messages,
        pair_id=sample.metadata.pair_id,
        order=sample.metadata.order,
        gold=sample.gold.value,
        sample_id=sample.sample_id,
    )


def _dpo_example(chosen: SampleRow, rejected: SampleRow, reason: Outcome) -> _DpoExample:
    if rejected.text != chosen.text:
        raise InputError("two prompts share a 64-bit hash; try again with one of them removed.")
    texts = (chosen.text, chosen.vllm_output.output, rejected.vllm_output.output)

    return _DpoExample(
        id=content_id(chosen.sample_id, rejected.sample_id, *texts),
        src=texts[0],
        tgt_chosen=texts[1],
        tgt_rejected=texts[2],
        messages=chosen.messages,
        pair_id=chosen.metadata.pair_id,
        order=chosen.metadata.order,
        gold=chosen.gold.value,
        chosen_sample_id=chosen.sample_id,
        rejected_sample_id=rejected.sample_id,
        rejected_reason=reason.name.lower(),
    )
