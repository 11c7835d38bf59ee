"""From scores of human-ranked answers to examples of judging: those that agree with the ranks.

Evaluation fine-tuning (EFT) of Self-Rewarding Language Models (arXiv 2401.10020, 2.1 and 3.1.1): a model
scores answers that people ranked, and where the order of its scores agrees with theirs, its judgements
teach it to judge. Of the most frequent score, of which there are far too many, some are left out.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.chat import defuse_control_tokens
from ste_fairseq2.curation.lengths import LengthTally
from ste_fairseq2.curation.output import OutputFolder, resolve_config
from ste_fairseq2.curation.ranked import IFT_NAME
from ste_fairseq2.curation.ranked_config import PrepareEftConfig
from ste_fairseq2.curation.ranked_scores import RankedScore, read_ranked_scores
from ste_fairseq2.digest import digest_file, digest_json
from ste_fairseq2.errors import EmptyDataError, MissingPathError, RowError
from ste_fairseq2.jsonl import read_rows, write_rows
from ste_fairseq2.records import SftExample, content_id
from ste_fairseq2.rng import draw_key
from ste_fairseq2.scores import MAX_SCORE, same_score, whole_points
from ste_fairseq2.store import Manifest, Quarantine, find_record_files

_STAGE: Final = "prepare-eft"

EFT_NAME: Final = "eft.jsonl"


class Agreement(str, Enum):
    """How the scores of the answers to one instruction compare with their ranks."""

    AGREES = "kept"
    """Some better answer scores higher, and none lower."""
    DISAGREES = "disagrees"
    """A better answer scores lower or, where that is asked for, no higher."""
    ALL_EQUAL = "all_equal"
    """All score the same, so the scores have no order."""
    TOO_FEW_SCORED = "too_few_scored"
    """No two answers of different rank have a score."""


def agrees(ranks: Sequence[float], scores: Sequence[float | None], *, strict: bool = False) -> Agreement:
    """Compare human ranks (0 is the best) with scores (5 is), answer by answer.

    Answers of one rank are not compared. One without a score is left out, since a judge's failure says
    nothing of the answer.

    :param strict: equal scores of different ranks are a disagreement.
    """
    scored = [(rank, s) for rank, s in zip(ranks, scores, strict=True) if s is not None]
    pairs = [
        (better, worse)
        for (rank, better), (other, worse) in itertools.permutations(scored, 2)
        if rank < other
    ]
    if not pairs:
        return Agreement.TOO_FEW_SCORED
    ties = sum(same_score(better, worse) for better, worse in pairs)
    if ties == len(pairs):
        return Agreement.ALL_EQUAL
    wrong = sum(better < worse and not same_score(better, worse) for better, worse in pairs)

    return Agreement.DISAGREES if wrong or (strict and ties) else Agreement.AGREES


def thin_most_frequent(points: Mapping[str, int], *, seed: int) -> set[str]:
    """Return the ids to keep: of the most frequent points as many as there are of the second.

    In the paper nearly all answers scored 4, so that a model would have learned to say 4.

    :param points: whole points by the id of an example.
    """
    counts = Counter(points.values())
    if len(counts) < 2:
        return set(points)
    (most, number), (_, limit) = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:2]
    of_most = sorted(
        (name for name in points if points[name] == most),
        key=lambda name: draw_key(seed, f"{_STAGE}/thin", name),
    )

    return points.keys() - set(of_most[min(limit, number) :])


def prepare_eft(config: PrepareEftConfig) -> Manifest:
    """Write ``{id, src, tgt}`` of judgements that agree with human ranks, and IFT examples beside them.

    :raises InputError: an input is missing or malformed.
    :raises EmptyDataError: no instruction gives an example.
    """
    inputs = [file for folder in config.scores_dir for file in find_record_files(folder)]
    ift_files = [] if config.ift is None else [config.ift]
    for file in ift_files:
        if not file.is_file():
            raise MissingPathError("file of IFT examples", file)
    resolved = resolve_config(_STAGE, config)

    with OutputFolder(config.output_dir, resolved, [*inputs, *ift_files]) as output:
        finished = output.finished()
        if finished is not None:
            return finished
        quarantine = Quarantine(output.path, limit=config.quarantine_limit)
        groups = _read_groups(inputs, quarantine)
        ift = [row for file in ift_files for row in _read_ift(file, quarantine)]
        quarantine.check(sum(map(len, groups.values())) + len(ift) + quarantine.count)
        if ift_files and not ift:
            raise EmptyDataError(f"`{config.ift}`")

        found = _Found(groups, strict=config.strict, seed=config.seed)
        counts = {"malformed": quarantine.count, **dict(sorted(found.fates.items()))}
        if not found.examples:
            raise EmptyDataError("the input", Counter(counts) + found.answers)
        rows = {EFT_NAME: [example.to_row() for example in found.kept]}
        if ift_files:
            rows[IFT_NAME] = ift
        for name, content in rows.items():
            write_rows(output.staged / name, content)
        manifest = Manifest(
            stage=_STAGE,
            config=resolved,
            counts=counts,
            digests={
                name: digest_json(sorted(map(digest_file, files)))
                for name, files in (("scores", inputs), ("ift", ift_files))
                if files
            },
            details={
                **found.report(),
                "examples": {
                    "eft": len(found.kept),
                    "ift": len(ift),
                    "written": len(found.kept) + len(ift),
                },
                "files": output.describe_staged(rows),
            },
        )
        output.commit(manifest)

    return manifest


class _Found:
    """The examples of all instructions, and what became of everything."""

    def __init__(self, groups: Mapping[str, Sequence[RankedScore]], *, strict: bool, seed: int) -> None:
        self.fates: Counter[str] = Counter()
        """Of instructions."""
        self.answers: Counter[str] = Counter()
        """Their fates."""
        self.examples: list[SftExample] = []
        for name in sorted(groups):
            group = sorted(groups[name], key=lambda scored: scored.answer.id)
            ranks, scores = zip(*((scored.answer.rank, scored.score) for scored in group), strict=True)
            fate = agrees(ranks, scores, strict=strict)
            self.fates[fate.value] += 1
            for scored in group:
                example = (
                    _to_example(scored, seed) if fate is Agreement.AGREES else "instruction_left_out"
                )
                if isinstance(example, str):
                    self.answers[example] += 1
                else:
                    self.examples.append(example)
        self._points = {example.id: whole_points(example.extra["score"]) for example in self.examples}
        names = thin_most_frequent(self._points, seed=seed)
        self.kept = [example for example in self.examples if example.id in names]
        self.answers.update(kept=len(self.kept), thinned_out=len(self.examples) - len(self.kept))

    def report(self) -> dict[str, Any]:
        return {
            "answers": dict(sorted(self.answers.items())),
            "points": {"before": self._count(self.examples), "after": self._count(self.kept)},
            "lengths": {"eft": LengthTally([example.tgt for example in self.kept]).report()},
        }

    def _count(self, examples: Sequence[SftExample]) -> dict[str, int]:
        counts = Counter(self._points[example.id] for example in examples)

        return {str(number): counts[number] for number in range(MAX_SCORE + 1)}


def _read_groups(files: Sequence[Path], quarantine: Quarantine) -> dict[str, list[RankedScore]]:
    groups: dict[str, list[RankedScore]] = defaultdict(list)
    for scored in read_ranked_scores(files, on_error=quarantine.add):
        groups[scored.answer.instruction_id].append(scored)

    return groups


def _read_ift(file: Path, quarantine: Quarantine) -> Iterator[dict[str, Any]]:
    """Yield the rows as they are, once they are known to be examples."""
    for row in read_rows(file, on_error=quarantine.add):
        try:
            SftExample.from_row(row)
        except RowError as ex:
            quarantine.add(ex)
        else:
            yield dict(row.data)


def _to_example(scored: RankedScore, seed: int) -> SftExample | str:
    """Return the example, or why the answer gives none."""
    answer = scored.answer
    if scored.score is None:
        return "unscored"
    # `src` is text that is tokenised with its control tokens; what somebody typed must not be one.
    if any(defuse_control_tokens(text) != text for text in (answer.input, answer.response)):
        return "control_tokens"
    sample = scored.draw_sample(seed, f"{_STAGE}/sample")
    if sample is None:
        return "no_finished_sample"

    return SftExample(
        id=content_id(answer.id, scored.prompt, sample.output),
        src=scored.prompt,
        tgt=sample.output,
        extra={
            "instruction_id": answer.instruction_id,
            "answer_id": answer.id,
            "score": sample.score,
            "mean_score": scored.score,
        },
    )
