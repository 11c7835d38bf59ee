"""Best of N: scores several responses to each prompt with a reward model and says which is best.

A row has a ``prompt`` (text, or messages) and ``responses``. It is written again with ``scores`` in the
order of the responses (null for one that could not be scored), ``best``, the place of the highest (the
first of several, counted from 0), and ``num_best``, how many share it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.errors import EmptyDataError, RowError
from ste_fairseq2.evaluation.mappings import read_prompt, read_texts
from ste_fairseq2.jsonl import Row, find_data_files, read_rows, write_rows
from ste_fairseq2.records import Message
from ste_fairseq2.reward_models.config import RewardModelConfig
from ste_fairseq2.reward_models.protocol import Candidate
from ste_fairseq2.reward_models.scoring import Score, score_candidates
from ste_fairseq2.store import Quarantine

RANKINGS_NAME: Final = "rankings.jsonl"


@dataclass(frozen=True)
class RankingSummary:
    """What a ranking came to."""

    num_rows: int
    num_tied: int
    """Rows in which several responses share the highest score."""
    num_unranked: int
    """Rows in which no response could be scored."""
    counts: Mapping[str, int]
    """Responses by what became of them, and malformed rows."""


@dataclass(frozen=True)
class _Asked:
    """A row and its responses."""

    data: Mapping[str, Any]
    candidates: Sequence[Candidate]

    def ranked(self, scores: Mapping[str, Score]) -> dict[str, Any]:
        found = [scores[c.id].value if c.id in scores else None for c in self.candidates]
        known = [score for score in found if score is not None]
        best = found.index(max(known)) if known else None

        return {
            **self.data,
            "scores": found,
            "best": best,
            "num_best": found.count(found[best]) if best is not None else 0,
        }


def rank_responses(
    config: RewardModelConfig, inputs: Path, output: Path, *, quarantine_limit: float
) -> RankingSummary:
    """Rank the responses of a file, or of every data file below a folder, and write the rankings.

    :param config: its ``output`` is the folder of the scores.
    :raises InputError: input, model or configuration is wrong.
    :raises EngineError: the GPU's memory is too small; what is finished is kept.
    """
    quarantine = Quarantine(output, limit=quarantine_limit)
    asked = list(_read(inputs, quarantine))
    quarantine.check(len(asked) + quarantine.count)
    if not asked:
        raise EmptyDataError(f"`{inputs}`", {"malformed": quarantine.count})
    scored = score_candidates(config, [c for row in asked for c in row.candidates])
    rows = [row.ranked(scored.scores) for row in asked]
    write_rows(output / RANKINGS_NAME, rows)

    return RankingSummary(
        num_rows=len(rows),
        num_tied=sum(row["num_best"] > 1 for row in rows),
        num_unranked=sum(row["best"] is None for row in rows),
        counts={**scored.manifest.counts, "malformed_rows": quarantine.count},
    )


def _read(path: Path, quarantine: Quarantine) -> Iterator[_Asked]:
    seen: Counter[str] = Counter()
    for file in find_data_files(path):
        for row in read_rows(file, on_error=quarantine.add):
            try:
                yield _asked(row, seen)
            except RowError as ex:
                quarantine.add(ex)


def _asked(row: Row, seen: Counter[str]) -> _Asked:
    prompt, responses = read_prompt(row), read_texts(row, "responses")
    if not responses:
        row.fail("responses", "must hold at least one response.")
    # The place in the input tells rows without an id, and rows that share one, apart.
    name = str(row.data.get("id", "row"))
    seen[name] += 1
    number = f"{name}#{seen[name]}"

    return _Asked(
        row.data,
        [
            Candidate(f"{number}#{place}", (*prompt, Message("assistant", response)))
            for place, response in enumerate(responses)
        ],
    )
