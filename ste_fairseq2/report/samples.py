"""Reads judgement samples once, file by file: tallies of all of them, and a few to show."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ste_fairseq2.curation.outcomes import VOTED_RIGHT, judge_outcome
from ste_fairseq2.curation.rows import SampleRow, read_sample, read_samples
from ste_fairseq2.digest import digest_text
from ste_fairseq2.errors import RowError
from ste_fairseq2.report.facts import SampleFacts, Votes
from ste_fairseq2.report.judgements import VERDICTS, Choice, ShownJudgement, Stratum
from ste_fairseq2.store.manifest import MANIFEST_NAME
from ste_fairseq2.store.stage import RECORDS_PREFIX
from ste_fairseq2.verdicts import Verdict, parse_verdict

_LINES_AT_ONCE: Final = 256


@dataclass(frozen=True)
class SampleSource:
    """A folder of samples, and what they were drawn for."""

    folder: Path
    name: str
    """The source of the pairs."""
    pairs: str
    """Where the pairs are."""


@dataclass
class _Tally:
    samples: int = 0
    malformed: int = 0
    decided: int = 0
    named_first: int = 0
    votes: dict[tuple[str, str, bool, bool], list[int]] = field(default_factory=dict)
    """By source, pair (or prompt), whether it is a pair, and whether the better answer was first:
    right ones and all."""


def read_sample_facts(
    sources: Sequence[SampleSource], kind: str, round_number: int, choice: Choice[ShownJudgement]
) -> SampleFacts | None:
    """Return the tallies of what one model drew; ``None`` where it has drawn nothing yet.

    :param choice: is offered every sample.
    """
    tally = _Tally()
    for source in sources:
        for sample in _read(source.folder, tally):
            _add(tally, source, sample, kind, round_number, choice)
    if not tally.samples:
        return None

    return SampleFacts(
        samples=tally.samples,
        malformed=tally.malformed,
        decided=tally.decided,
        named_first=tally.named_first,
        votes=[
            Votes(
                prompt=f"{name}/{prompt}",
                is_pair=is_pair,
                better_first=better_first,
                right=right,
                total=total,
            )
            for (name, prompt, is_pair, better_first), (right, total) in tally.votes.items()
        ],
        is_complete=all((source.folder / MANIFEST_NAME).is_file() for source in sources),
    )


def _add(
    tally: _Tally,
    source: SampleSource,
    sample: SampleRow,
    kind: str,
    round_number: int,
    choice: Choice[ShownJudgement],
) -> None:
    output, finish_reason = sample.vllm_output.output, sample.vllm_output.finish_reason
    gold, pair_id = sample.gold, sample.metadata.pair_id
    verdict = parse_verdict(output, finish_reason)
    outcome = judge_outcome(verdict, gold, finish_reason)
    better_first = gold is Verdict.A
    tally.samples += 1
    if verdict.is_decided:
        tally.decided += 1
        tally.named_first += verdict is Verdict.A
    prompt = digest_text(sample.text) if pair_id is None else pair_id
    votes = tally.votes.setdefault((source.name, prompt, pair_id is not None, better_first), [0, 0])
    votes[0] += outcome in VOTED_RIGHT
    votes[1] += 1

    name = VERDICTS[outcome]
    choice.offer(
        Stratum(kind, round_number, better_first),
        name,
        f"{source.name}/{sample.sample_id}",
        lambda: ShownJudgement(
            id=sample.sample_id,
            kind=kind,
            round=round_number,
            verdict=name,
            named=verdict.value,
            better_first=better_first,
            group=source.name,
            text=output,
            cut=finish_reason == "length",
            pair=None if pair_id is None else f"{source.pairs}#{pair_id}",
            # Of a pair that is stored, the first answer is the better one.
            is_swapped=not better_first,
            prompt=sample.text,
            voted_on=f"{source.name}/{prompt}",
        ),
    )


def _read(folder: Path, tally: _Tally) -> Iterator[SampleRow]:
    """Yield the samples that are there, whether or not the stage has ended."""
    for path in sorted(folder.glob(f"{RECORDS_PREFIX}-*.jsonl")):
        with path.open("rb") as stream:
            for number in itertools.count(step=_LINES_AT_ONCE):
                lines = list(itertools.islice(stream, _LINES_AT_ONCE))
                if not lines:
                    break
                samples = read_samples(lines)
                if samples is not None:
                    yield from samples
                    continue
                for index, raw in enumerate(lines, start=number + 1):
                    if raw.isspace():
                        continue
                    try:
                        yield read_sample(raw, str(path), index)
                    except RowError:
                        tally.malformed += 1
