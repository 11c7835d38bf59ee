"""Implicit rewards against log-probabilities computed plainly, one answer at a time."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.errors import ConfigError
from ste_fairseq2.reward_models.config import RewardKind, RewardModelConfig
from ste_fairseq2.reward_models.protocol import Candidate
from ste_fairseq2.reward_models.start import start_reward_model
from tests.plain_rewards import answer_logps


def plain_logps(folder: Path, candidates: list[Candidate]) -> list[list[float]]:
    renderer = ChatRenderer.from_folder(folder)

    return answer_logps(
        folder,
        [
            (
                renderer.render_prompt(candidate.conversation[:-1]),
                renderer.encode_answer(candidate.conversation[-1].content),
            )
            for candidate in candidates
        ],
    )


def rewards(
    kind: RewardKind, policy: Path, candidates: list[Candidate], reference: Path | None = None
) -> list[float]:
    config = RewardModelConfig(model=policy, output=policy, kind=kind, reference=reference)
    model = start_reward_model(config)

    return model.score([model.encode(candidate.conversation) for candidate in candidates])


def test_the_reward_of_dpo(policy: Path, tiny_model: Path, candidates: list[Candidate]) -> None:
    trained, before = plain_logps(policy, candidates), plain_logps(tiny_model, candidates)
    expected = [sum(new) - sum(old) for new, old in zip(trained, before, strict=True)]

    # Sums of some hundred float32 log-probabilities near -7.6.
    assert rewards("dpo", policy, candidates, tiny_model) == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_the_forms_without_a_reference(policy: Path, candidates: list[Candidate]) -> None:
    answers = plain_logps(policy, candidates)

    assert rewards("ref-free-sum", policy, candidates) == pytest.approx(
        [sum(logps) for logps in answers], rel=1e-5
    )
    assert rewards("ref-free-avg", policy, candidates) == pytest.approx(
        [sum(logps) / len(logps) for logps in answers], rel=1e-5
    )
    assert rewards("ref-free-norm", policy, candidates) == pytest.approx(
        [-math.sqrt(sum(logp * logp for logp in logps)) for logps in answers], rel=1e-5
    )


def test_a_reference_of_another_vocabulary_is_refused(policy: Path, tmp_path: Path) -> None:
    from ste_fairseq2.tiny import TinyModelConfig, build_tiny_model

    other = build_tiny_model(TinyModelConfig(output=tmp_path / "other", vocab_size=1024))

    with pytest.raises(ConfigError, match="must have the vocabulary of the model"):
        rewards("dpo", policy, [], other)
