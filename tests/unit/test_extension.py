"""The extension through its entry point: fairseq2 only warns where loading it fails."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest
from fairseq2.assets import AssetStore
from fairseq2.composition import _register_library
from fairseq2.data.tokenizers import TokenizerFamily
from fairseq2.datasets import DatasetFamily
from fairseq2.metrics.recorders import MetricDescriptor
from fairseq2.runtime.dependency import DependencyContainer

from ste_fairseq2 import metrics


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> DependencyContainer:
    """What every fairseq2 process has; with this variable a failing extension raises."""
    monkeypatch.setenv("FAIRSEQ2_EXTENSION_TRACE", "1")
    container = DependencyContainer()
    _register_library(container, no_progress=True)

    return container


def test_the_entry_point_is_declared() -> None:
    (ours,) = (p for p in entry_points(group="fairseq2.extension") if p.name == "ste_fairseq2")

    assert ours.value == "ste_fairseq2.extension:setup_fairseq2_extension"


def test_families_and_metrics_are_registered(container: DependencyContainer) -> None:
    assert container.maybe_resolve(DatasetFamily, key="ste_sft") is not None
    assert container.maybe_resolve(DatasetFamily, key="ste_preference") is not None
    assert container.maybe_resolve(TokenizerFamily, key="ste_chat") is not None
    descriptors = {d.name: d for d in container.collection.resolve(MetricDescriptor)}
    for name in (metrics.REWARD_ACCURACY, metrics.VERDICT_ACCURACY, metrics.BOTH_ORDERS_RIGHT):
        assert descriptors[name].higher_better is True
    assert descriptors[metrics.DPO_LOSS].higher_better is False


def test_a_model_folder_is_a_card(container: DependencyContainer, tiny_model: Path) -> None:
    store = container.resolve(AssetStore)
    card = store.retrieve_card(str(tiny_model))

    assert card.field("model_family").as_(str) == "llama"
    assert card.field("tokenizer_family").as_(str) == "ste_chat"
    assert store.maybe_retrieve_card(str(tiny_model / "missing")) is None
