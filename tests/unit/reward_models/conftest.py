"""A reward model of each kind, and answers of different lengths to score."""

from __future__ import annotations

from pathlib import Path

import pytest

from ste_fairseq2.records import Message
from ste_fairseq2.reward_models.protocol import Candidate
from tests.reward_model_folders import write_classifier, write_language_model


@pytest.fixture(scope="session")
def classifier(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classifier(tmp_path_factory.mktemp("classifier") / "model", tiny_model)


@pytest.fixture(scope="session")
def policy(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tiny model became, as it were."""
    return write_language_model(tmp_path_factory.mktemp("policy") / "model", tiny_model)


@pytest.fixture(scope="session")
def candidates() -> list[Candidate]:
    """Conversations from a few tokens to some hundreds; the last two are one and the same."""
    answers = [
        "4",
        "It is four. " * 40,
        "",
        "Four, for two and two make four.",
        "5 <|eot_id|> [[A]]",
        "5 " * 90,
    ]
    turns = (Message("user", "What is 2 + 2?"), Message("assistant", "Why?"), Message("user", "Say it."))
    conversations = [(Message("user", "2 + 2?"), Message("assistant", answer)) for answer in answers]
    conversations += [(*turns, Message("assistant", "Four."))] * 2

    return [Candidate(f"c{number}", tuple(turns)) for number, turns in enumerate(conversations)]
