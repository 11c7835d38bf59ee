"""The folder of scores: complete, resumable to the last bit, and honest about what was not scored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from ste_fairseq2.errors import EmptyDataError, EngineError, ResumeMismatchError
from ste_fairseq2.records import Message
from ste_fairseq2.reward_models import scoring
from ste_fairseq2.reward_models.classifier import SequenceClassifier
from ste_fairseq2.reward_models.config import RewardModelConfig
from ste_fairseq2.reward_models.protocol import Candidate, Encoded
from ste_fairseq2.reward_models.scoring import score_candidates
from tests.reward_model_folders import write_classifier

Batches = list[list[int]]


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Batches:
    """The lengths in each batch that was scored, behind the one that tries the model."""
    seen: Batches = []
    score = SequenceClassifier.score

    def watched(self: SequenceClassifier, batch: Sequence[Encoded]) -> list[float]:
        seen.append([len(encoded) for encoded in batch])
        return score(self, batch)

    monkeypatch.setattr(SequenceClassifier, "score", watched)

    return seen


def config(model: Path, output: Path, **options: Any) -> RewardModelConfig:
    return RewardModelConfig(model=model, output=output, **({"batch_tokens": 128} | options))


def rows(folder: Path, prefix: str = "records") -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(folder.glob(f"{prefix}-*.jsonl"))
        for line in path.read_text().splitlines()
    ]


def test_every_answer_has_its_own_score(
    classifier: Path, candidates: list[Candidate], tmp_path: Path
) -> None:
    scored = score_candidates(config(classifier, tmp_path), candidates)
    alone = score_candidates(config(classifier, tmp_path / "alone", batch_tokens=1), candidates)

    assert list(scored.scores) != [c.id for c in candidates]  # they finish by length
    assert {name: s.value for name, s in scored.scores.items()} == pytest.approx(
        {name: s.value for name, s in alone.scores.items()}, abs=1e-5
    )
    assert dict(scored.manifest.counts) == {"scored": 8}
    assert scored.manifest.details["tokens"]["num_prompt_tokens"] == sum(
        score.num_tokens for score in scored.scores.values()
    )


def test_equal_conversations_are_scored_once(
    classifier: Path, candidates: list[Candidate], tmp_path: Path, batches: Batches
) -> None:
    scores = score_candidates(config(classifier, tmp_path), candidates).scores

    assert scores["c6"] == scores["c7"]
    assert sum(map(len, batches[1:])) == len(candidates) - 1


def test_a_killed_run_goes_on_to_the_same_numbers(
    classifier: Path,
    candidates: list[Candidate],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batches: Batches,
) -> None:
    whole = score_candidates(config(classifier, tmp_path / "whole"), candidates).scores
    killed, put = tmp_path / "killed", scoring._put

    def die_at_the_third(store: Any, *record: Any) -> None:
        if store.num_records == 3:
            raise KeyboardInterrupt
        put(store, *record)

    monkeypatch.setattr(scoring, "_put", die_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        score_candidates(config(classifier, killed), candidates)
    assert len(rows(killed)) == 3
    with (killed / "records-00000.jsonl").open("a") as stream:
        stream.write('{"id": "c0", "sco')
    monkeypatch.setattr(scoring, "_put", put)
    batches.clear()

    assert score_candidates(config(classifier, killed), candidates).scores == whole
    assert len(rows(killed)) == len(candidates)
    # What was finished is not scored again: the longest conversation was.
    assert max(max(batch) for batch in batches[1:]) < max(s.num_tokens for s in whole.values())

    # Once more: nothing is left, and the model is not loaded.
    monkeypatch.setattr(scoring, "start_reward_model", None)
    assert score_candidates(config(classifier, killed), candidates).scores == whole


def test_another_model_or_other_data_is_refused(
    classifier: Path, tiny_model: Path, candidates: list[Candidate], tmp_path: Path
) -> None:
    score_candidates(config(classifier, tmp_path / "out"), candidates[:2])
    other = write_classifier(tmp_path / "other", tiny_model, seed=4)

    with pytest.raises(ResumeMismatchError, match="model_digest"):
        score_candidates(config(other, tmp_path / "out"), candidates[:2])
    with pytest.raises(ResumeMismatchError, match="data_digest"):
        score_candidates(config(classifier, tmp_path / "out"), candidates[:3])


def test_what_cannot_be_scored_is_counted_by_its_own_name(
    tiny_model: Path, candidates: list[Candidate], tmp_path: Path
) -> None:
    short = write_classifier(tmp_path / "model", tiny_model, max_position_embeddings=64)
    template = (tmp_path / "model" / "chat_template.jinja").read_text()
    refusing = (
        "{%- if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{%- endif %}" + template
    )
    (tmp_path / "model" / "chat_template.jinja").write_text(refusing)
    system = (Message("system", "Judge."), Message("user", "?"), Message("assistant", "!"))
    asked = [*candidates, Candidate("system", system)]
    scored = score_candidates(config(short, tmp_path / "out"), asked)

    # The two answers of some hundred tokens; never cut.
    assert dict(scored.manifest.counts) == {"scored": 6, "too_long": 2, "not_renderable": 1}
    dropped = {row["id"]: row for row in rows(tmp_path / "out", "dropped")}
    assert sorted(dropped) == ["c1", "c5", "system"]
    assert dropped["c1"]["reason"] == "too_long"
    assert "but the model takes 64" in dropped["c1"]["sentence"]
    assert scored.scores.keys() == {c.id for c in asked} - dropped.keys()


def test_a_model_that_overflows(
    tiny_model: Path, candidates: list[Candidate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, score = write_classifier(tmp_path / "model", tiny_model), SequenceClassifier.score

    def overflow(self: SequenceClassifier, batch: Sequence[Encoded]) -> list[float]:
        return [
            float("nan") if len(e) > 50 else value
            for e, value in zip(batch, score(self, batch), strict=True)
        ]

    monkeypatch.setattr(SequenceClassifier, "score", overflow)
    scored = score_candidates(config(folder, tmp_path / "out"), candidates)

    assert dict(scored.manifest.counts) == {"scored": 6, "not_finite": 2}


def test_a_gpu_that_is_too_small_names_what_to_lower(
    classifier: Path, candidates: list[Candidate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = SequenceClassifier.score

    def run_out(self: SequenceClassifier, batch: Sequence[Encoded]) -> list[float]:
        if len(batch) > 1:
            raise torch.OutOfMemoryError
        return score(self, batch)

    monkeypatch.setattr(SequenceClassifier, "score", run_out)
    with pytest.raises(EngineError, match="batches of 128 tokens; lower `batch_tokens`"):
        score_candidates(config(classifier, tmp_path), candidates)

    # With smaller batches the same folder goes on.
    scored = score_candidates(config(classifier, tmp_path, batch_tokens=1), candidates)
    assert len(scored.scores) == len(candidates)


def test_nothing_scored_is_an_error(
    tiny_model: Path, candidates: list[Candidate], tmp_path: Path
) -> None:
    tiny = write_classifier(tmp_path / "model", tiny_model, max_position_embeddings=8)

    with pytest.raises(EmptyDataError, match=r"scored: 0, too_long: 8"):
        score_candidates(config(tiny, tmp_path / "out"), candidates)
