"""From scored answers to preference pairs: of each instruction the best answer against the worst.

Self-Rewarding Language Models (arXiv 2401.10020, 2.3): the answer with the highest score is chosen, the
one with the lowest rejected, and an instruction whose answers all score the same is left out. An answer
without a score is on neither side: a judge's failure says nothing of the answer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from ste_fairseq2.curation.config import PreparePreferencesConfig
from ste_fairseq2.curation.lengths import LengthTally
from ste_fairseq2.curation.output import OutputFolder, resolve_config
from ste_fairseq2.digest import digest_file, digest_json, digest_text
from ste_fairseq2.errors import EmptyDataError, RowError
from ste_fairseq2.jsonl import Row, read_rows, write_rows
from ste_fairseq2.records import Message, PreferenceExample, content_id
from ste_fairseq2.rng import derived_generator
from ste_fairseq2.scores import comparable, mean_score
from ste_fairseq2.store import Manifest, Quarantine, find_record_files

_STAGE: Final = "prepare-preferences"
_FILE_NAME: Final = "train-00000.jsonl"

KEPT: Final = "kept"


@dataclass(frozen=True)
class ScoredAnswer:
    """An answer with its score; ``None`` where no sample of its judgements had one."""

    id: str
    instruction_id: str
    instruction: str
    response: str
    score: float | None

    @staticmethod
    def from_row(row: Row) -> ScoredAnswer:
        """Read a row of `ste judge --mode score`; answers to the same text belong together."""
        instruction = row.non_empty_text("input")
        row.require("score")

        return ScoredAnswer(
            id=row.text("id"),
            instruction_id=row.optional_text("instruction_id") or digest_text(instruction)[:32],
            instruction=instruction,
            response=row.non_empty_text("response"),
            score=row.optional_number("score"),
        )


class Pair(NamedTuple):
    chosen: ScoredAnswer
    rejected: ScoredAnswer


def pick_pair(answers: Sequence[ScoredAnswer], *, min_gap: float, seed: int) -> Pair | str:
    """Return the best and the worst answer to one instruction, or the reason why there is no pair.

    Answers of the same text are one answer, whose score is the mean of theirs: what several scorings of
    it differ by is the judge's noise. Of several best (or worst) one is drawn by the seed and the
    instruction's id, whatever their order.

    :param min_gap: least difference of the two scores; at 0 they must differ.
    """
    scored = sorted((a for a in answers if a.score is not None), key=lambda answer: answer.id)
    if len(scored) < 2:
        return "too_few_scored"
    distinct = _merge(scored)
    if len(distinct) < 2:
        return "same_text"
    scores = [answer.score for answer in distinct if answer.score is not None]
    low, high = min(scores), max(scores)
    if low == high:
        return "equal_scores"
    if high - low < min_gap:
        return "small_gap"
    generator = derived_generator(seed, _STAGE, scored[0].instruction_id)
    chosen = generator.choice([answer for answer in distinct if answer.score == high])
    rejected = generator.choice([answer for answer in distinct if answer.score == low])

    return Pair(chosen, rejected)


def _merge(scored: Iterable[ScoredAnswer]) -> list[ScoredAnswer]:
    """Return the first answer of each text, with the mean of the scores that the text has."""
    by_text: dict[str, list[ScoredAnswer]] = {}
    for answer in scored:
        by_text.setdefault(answer.response, []).append(answer)
    merged = []
    for same in by_text.values():
        mean = mean_score(answer.score for answer in same)
        merged.append(replace(same[0], score=None if mean is None else comparable(mean)))

    return merged


def prepare_preferences(config: PreparePreferencesConfig) -> Manifest:
    """Write ``{id, src, tgt_chosen, tgt_rejected, messages}``, with both scores.

    :raises InputError: an input is missing or malformed.
    :raises EmptyDataError: no instruction gives a pair.
    """
    inputs = [file for folder in config.scores_dir for file in find_record_files(folder)]
    resolved = resolve_config(_STAGE, config)

    with OutputFolder(config.output_dir, resolved, inputs) as output:
        finished = output.finished()
        if finished is not None:
            return finished
        quarantine = Quarantine(output.path, limit=config.quarantine_limit)
        groups: dict[str, list[ScoredAnswer]] = defaultdict(list)
        for answer in _read(inputs, quarantine):
            groups[answer.instruction_id].append(answer)
        num_answers = sum(map(len, groups.values()))
        quarantine.check(num_answers + quarantine.count)

        fates: Counter[str] = Counter()
        pairs: list[Pair] = []
        for name in sorted(groups):
            found = pick_pair(groups[name], min_gap=config.min_gap, seed=config.seed)
            fates[found if isinstance(found, str) else KEPT] += 1
            if not isinstance(found, str):
                pairs.append(found)
        if not pairs:
            raise EmptyDataError("the input", fates)
        write_rows(output.staged / _FILE_NAME, map(_to_row, pairs))
        manifest = Manifest(
            stage=_STAGE,
            config=resolved,
            counts={"malformed": quarantine.count, **dict(sorted(fates.items()))},
            digests={"scores": digest_json([digest_file(file) for file in inputs])},
            details=_details(pairs, groups) | {"files": output.describe_staged({_FILE_NAME: pairs})},
        )
        output.commit(manifest)

    return manifest


def _read(inputs: Sequence[Path], quarantine: Quarantine) -> Iterator[ScoredAnswer]:
    for file in inputs:
        for row in read_rows(file, on_error=quarantine.add):
            try:
                yield ScoredAnswer.from_row(row)
            except RowError as ex:
                quarantine.add(ex)


def _to_row(pair: Pair) -> dict[str, Any]:
    chosen, rejected = pair

    return PreferenceExample(
        id=content_id(chosen.id, rejected.id, chosen.response, rejected.response),
        # Training renders from the messages, with the chat template of the model that it trains.
        src="",
        tgt_chosen=chosen.response,
        tgt_rejected=rejected.response,
        messages=(Message("user", chosen.instruction),),
        extra={
            "instruction_id": chosen.instruction_id,
            "chosen_score": chosen.score,
            "rejected_score": rejected.score,
            "chosen_answer_id": chosen.id,
            "rejected_answer_id": rejected.id,
        },
    ).to_row()


def _details(pairs: Sequence[Pair], groups: dict[str, list[ScoredAnswer]]) -> dict[str, Any]:
    answers = [answer for group in groups.values() for answer in group]
    gaps = [(pair.chosen.score or 0.0) - (pair.rejected.score or 0.0) for pair in pairs]

    return {
        "answers": {
            "scored": sum(answer.score is not None for answer in answers),
            "unscored": sum(answer.score is None for answer in answers),
        },
        "examples": {"written": len(pairs)},
        "mean_gap": round(sum(gaps) / len(gaps), 4),
        "chosen_longer": sum(len(p.chosen.response) > len(p.rejected.response) for p in pairs),
        "rejected_longer": sum(len(p.chosen.response) < len(p.rejected.response) for p in pairs),
        "lengths": {
            "chosen": LengthTally([pair.chosen.response for pair in pairs]).report(),
            "rejected": LengthTally([pair.rejected.response for pair in pairs]).report(),
        },
    }
