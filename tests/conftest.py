"""Fixtures for all tests; nothing here or below reaches for the network."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Set before any test imports a library that reads them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

# Any example may be slow on a busy machine; where changes are checked, the same ones are tried.
settings.register_profile("project", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("project")

REPOSITORY = Path(__file__).resolve().parent.parent

_LONGEST = ("test_small_world_loop.py", "test_equality.py", "test_checkpoint_choice.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that no worker is left alone with one of them at the end."""
    items.sort(key=lambda item: item.path.name not in _LONGEST)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def sample() -> Path:
    """The shipped sample data."""
    return REPOSITORY / "data" / "sample"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Path:
    """A small, untrained Llama as a Hugging Face folder; do not write into it."""
    from ste_fairseq2.tiny import TinyModelConfig, build_tiny_model

    return build_tiny_model(
        TinyModelConfig(output=tmp_path_factory.mktemp("tiny") / "model", texts=(sample,))
    )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Files of the upstream project that developers may have beside their checkout."""
    path = REPOSITORY.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("../shared/data is not there")

    return path
