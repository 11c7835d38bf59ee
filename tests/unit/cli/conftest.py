"""Reward models, and pairs for them as a benchmark of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reward_model_folders import write_classifier, write_language_model
from tests.rows import read, write


@pytest.fixture(scope="module")
def classifier(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classifier(tmp_path_factory.mktemp("reward") / "tiny-rm", tiny_model)


@pytest.fixture(scope="module")
def policy(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_language_model(tmp_path_factory.mktemp("policy") / "tiny-dpo", tiny_model)


@pytest.fixture
def sample_pairs(sample: Path, tmp_path: Path) -> Path:
    """The pairs of the shipped sample as a benchmark of one's own."""
    rows = []
    for row in read(sample / "pairs.jsonl"):
        answers = (row["response_a"], row["response_b"])
        chosen, rejected = answers if row["label"] == "A" else answers[::-1]
        rows.append({"id": row["id"], "prompt": row["input"], "chosen": chosen, "rejected": rejected})

    return write(tmp_path / "sample.jsonl", rows)


@pytest.fixture(params=["sample", "llmbar"])
def pairs(request: pytest.FixtureRequest) -> Path:
    if request.param == "sample":
        path: Path = request.getfixturevalue("sample_pairs")
        return path
    shared: Path = request.getfixturevalue("shared_data")

    return shared / "llmbar" / "pairs.jsonl"
