"""Scores answers with a reward model, into a folder that survives a kill.

The folder holds one row for each answer: ``id``, ``score`` and ``num_prompt_tokens``, the tokens of its
conversation. What cannot be scored is dropped under its own name: ``too_long`` for the model's context
(never cut), ``not_renderable`` by its template, or ``not_finite`` where the model overflows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ste_fairseq2.digest import digest_json
from ste_fairseq2.errors import ChatTemplateError, EmptyDataError, EngineError
from ste_fairseq2.progress import WorkProgress
from ste_fairseq2.reward_models.batches import plan_batches
from ste_fairseq2.reward_models.config import RewardModelConfig
from ste_fairseq2.reward_models.protocol import Candidate, Encoded, RewardModel
from ste_fairseq2.reward_models.start import start_reward_model
from ste_fairseq2.store import Manifest, StageStore, read_manifest

STAGE: Final = "evaluate"

TOO_LONG: Final = "too_long"
NOT_RENDERABLE: Final = "not_renderable"
NOT_FINITE: Final = "not_finite"


@dataclass(frozen=True)
class Score:
    """The score of one answer."""

    value: float
    num_tokens: int
    """Tokens of the conversation."""


@dataclass(frozen=True)
class ScoredCandidates:
    """What scoring left behind."""

    scores: Mapping[str, Score]
    """By the id of the answer; without those that could not be scored."""
    manifest: Manifest


def score_candidates(config: RewardModelConfig, candidates: Sequence[Candidate]) -> ScoredCandidates:
    """Score what is not scored yet.

    :param candidates: at least one; their ids are distinct.
    :raises InputError: model folder or configuration is wrong; nothing was begun.
    :raises EmptyDataError: no answer could be scored.
    :raises EngineError: the GPU's memory is too small; what is finished is kept.
    """
    # Loaded before the folder is begun, so that a configuration that does not fit leaves no trace.
    model = start_reward_model(config) if read_manifest(config.output) is None else None
    digests = config.digests() | {"data": _digest(candidates)}
    identity = config.identity() | {f"{name}_digest": digest for name, digest in digests.items()}

    with StageStore(config.output, STAGE, identity) as store:
        manifest = read_manifest(config.output)
        if manifest is None:
            assert model is not None
            seconds = _complete(store, model, candidates, config.batch_tokens)
            counts = {"scored": store.num_records, **store.dropped}
            if not store.num_records:
                raise EmptyDataError(f"`{config.output}`", counts)
            details = _details(config) | {
                "tokens": dict(store.tokens),
                "seconds_of_last_run": round(seconds, 3),
            }
            manifest = store.finish(counts, digests=digests, details=details)

        return ScoredCandidates(_read_scores(store), manifest)


def _details(config: RewardModelConfig) -> dict[str, Any]:
    details = {"model": str(config.model), "kind": config.kind, "dtype": config.dtype}
    if config.reference is not None:
        details["reference"] = str(config.reference)

    return details


def _digest(candidates: Sequence[Candidate]) -> str:
    return digest_json([[c.id, *(m.to_row() for m in c.conversation)] for c in candidates])


def _read_scores(store: StageStore) -> dict[str, Score]:
    scores = {}
    for row in store.records():
        value = row.optional_number("score")
        assert value is not None
        scores[row.text("id")] = Score(value, row.require("num_prompt_tokens"))

    return scores


def _complete(
    store: StageStore, model: RewardModel, candidates: Sequence[Candidate], batch_tokens: int
) -> float:
    """Score what is missing and return the seconds it took.

    Batches are made of all answers, whether they are scored already or not: a resumed run then has the
    batches of the first one, and so its numbers to the last bit. Equal conversations are scored once,
    since the same one in two batches might differ by rounding, and be a win where it is a tie.
    """
    with WorkProgress(STAGE, total=len(candidates), done=store.num_done) as progress:
        waiting = _encode(store, model, candidates, progress)
        groups = list(waiting.values())
        lengths = [len(encoded) for encoded, _ in groups]
        for batch in plan_batches(lengths, max_tokens=batch_tokens, pads=model.pads):
            members = [groups[place] for place in batch]
            if all(name in store for _, names in members for name in names):
                continue
            scores = _score(model, [encoded for encoded, _ in members], batch_tokens)
            for (encoded, names), value in zip(members, scores, strict=True):
                missing = [name for name in names if name not in store]
                for name in missing:
                    _put(store, name, value, len(encoded))
                dropped = 0 if math.isfinite(value) else len(missing)
                progress.advance(len(missing), len(encoded), dropped=dropped)

        return progress.seconds


def _encode(
    store: StageStore,
    model: RewardModel,
    candidates: Sequence[Candidate],
    progress: WorkProgress,
) -> dict[tuple[bytes, int], tuple[Encoded, list[str]]]:
    """Return each distinct conversation with the ids of the answers that it is of."""
    found: dict[tuple[bytes, int], tuple[Encoded, list[str]]] = {}

    def drop(name: str, reason: str, sentence: str) -> None:
        if name not in store:
            store.drop(name, reason, {"sentence": sentence})
            progress.advance(1, 0, dropped=1)

    for candidate in candidates:
        try:
            encoded = model.encode(candidate.conversation)
        except ChatTemplateError as ex:
            drop(candidate.id, NOT_RENDERABLE, str(ex))
            continue
        if model.max_len is not None and len(encoded) > model.max_len:
            drop(
                candidate.id,
                TOO_LONG,
                f"has {len(encoded)} tokens, but the model takes {model.max_len}.",
            )
            continue
        _, names = found.setdefault(encoded.key, (encoded, []))
        names.append(candidate.id)

    return found


def _score(model: RewardModel, batch: Sequence[Encoded], batch_tokens: int) -> list[float]:
    import torch

    try:
        return model.score(batch)
    except torch.OutOfMemoryError as ex:
        raise EngineError(
            f"the GPU's memory is too small for batches of {batch_tokens} tokens; lower `batch_tokens` "
            "and run the same command again to go on."
        ) from ex


def _put(store: StageStore, name: str, value: float, num_tokens: int) -> None:
    if math.isfinite(value):
        store.append({"id": name, "score": value, "num_prompt_tokens": num_tokens})
    else:
        store.drop(name, NOT_FINITE, {"sentence": f"the model says {value}."})
