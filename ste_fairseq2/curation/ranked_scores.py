"""Reads ranked answers with their scores, and draws the sample that each can teach with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ste_fairseq2.errors import RowError
from ste_fairseq2.jsonl import OnError, Row, read_rows
from ste_fairseq2.records.ranked import RankedAnswer
from ste_fairseq2.rng import derived_generator
from ste_fairseq2.scores import comparable


@dataclass(frozen=True)
class ScoreSample:
    """One judgement of an answer."""

    output: str
    score: float | None
    finish_reason: str | None


@dataclass(frozen=True)
class RankedScore:
    """An answer with its human rank and its score, which is ``None`` where no sample has one."""

    answer: RankedAnswer
    score: float | None
    """The mean of the samples that have one."""
    prompt: str
    """What the judge was asked, as text."""
    samples: tuple[ScoreSample, ...]

    @staticmethod
    def from_row(row: Row) -> RankedScore:
        """Read a row of `ste judge --mode score` over ranked answers."""
        if row.data.get("rank") is None:
            row.fail("rank", "is missing; score the ranked rows of `ste prepare-ranked`.")
        answer = RankedAnswer.from_row(row)
        row.require("score")
        samples = row.require("samples")
        if not isinstance(samples, list):
            row.fail("samples", "must be a list of samples.")

        return RankedScore(
            answer=answer,
            score=row.optional_number("score"),
            prompt=row.non_empty_text("prompt"),
            samples=tuple(_read_sample(row, number, sample) for number, sample in enumerate(samples)),
        )

    def draw_sample(self, seed: int, stage: str) -> ScoreSample | None:
        """Return the sample that stands for the score: of those nearest to the mean, one is drawn.

        One that was cut never serves, whatever it says, since it would teach not to end; among the
        nearest those that are known to have ended by themselves go first. ``None`` where none is left.
        """
        if self.score is None:
            return None
        mean = self.score
        usable = [
            (comparable(abs(sample.score - mean)), sample.finish_reason != "stop", sample)
            for sample in self.samples
            if sample.score is not None and sample.finish_reason != "length" and sample.output.strip()
        ]
        if not usable:
            return None
        best = min(key for *key, _ in usable)
        generator = derived_generator(seed, stage, self.answer.id)

        return generator.choice([sample for *key, sample in usable if key == best])


def read_ranked_scores(files: Sequence[Path], *, on_error: OnError) -> Iterator[RankedScore]:
    """Yield the rows of all files; ``on_error`` receives what is malformed.

    An answer that is there twice is malformed, and so are two instructions of one id.
    """
    answers: dict[str, str] = {}
    instructions: dict[str, tuple[str, str]] = {}
    for file in files:
        for row in read_rows(file, on_error=on_error):
            try:
                found = RankedScore.from_row(row)
                answer, place = found.answer, f"{row.source}:{row.line}"
                if answer.id in answers:
                    row.fail("id", f"{answer.id!r} is that of {answers[answer.id]} too; score it once.")
                text, at = instructions.setdefault(answer.instruction_id, (answer.input, place))
                if text != answer.input:
                    row.fail("instruction_id", f"is that of another `input` at {at}.")
            except RowError as ex:
                on_error(ex)
            else:
                answers[answer.id] = place
                yield found


def _read_sample(row: Row, number: int, data: object) -> ScoreSample:
    where = f"samples[{number}]"
    if not isinstance(data, dict):
        row.fail(where, "must be an object with `generated_output`, `score` and `finish_reason`.")
    item = Row(row.source, row.line, data)
    try:
        return ScoreSample(
            output=item.text("generated_output"),
            score=item.optional_number("score"),
            finish_reason=item.optional_text("finish_reason"),
        )
    except RowError as ex:
        row.fail(f"{where}.{ex.field}", ex.reason)
