"""Folders that do not hold the model that is asked for are refused; no pickle or code of theirs runs."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.errors import MissingPathError, ModelFolderError, RemoteCodeError
from ste_fairseq2.reward_models.loading import AutoClass, load_model
from tests.reward_model_folders import write_classifier


def load(folder: Path, kind: AutoClass = "AutoModelForSequenceClassification") -> Any:
    return load_model(folder, kind, dtype="auto", trust_remote_code=False)


def test_a_language_model_is_no_classifier(tiny_model: Path) -> None:
    with pytest.raises(ModelFolderError, match="no weights for `score.weight` .* check `kind`"):
        load(tiny_model)


def test_a_classifier_is_no_language_model(classifier: Path) -> None:
    with pytest.raises(ModelFolderError, match="no weights for `lm_head.weight`"):
        load(classifier, "AutoModelForCausalLM")


def test_older_weights_are_read_without_pickle(tiny_model: Path, tmp_path: Path) -> None:
    import torch

    folder = write_classifier(tmp_path / "model", tiny_model, safetensors=False)
    same = write_classifier(tmp_path / "same", tiny_model)

    assert not list(folder.glob("*.safetensors"))
    assert torch.equal(load(folder).score.weight, load(same).score.weight)


def test_a_pickle_does_not_run(tiny_model: Path, tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "harm",)

    folder = write_classifier(tmp_path / "model", tiny_model, safetensors=False)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"score.weight": Harm()}, protocol=2))

    with pytest.raises(ModelFolderError, match="cannot be loaded"):
        load(folder)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "declared",
    [
        {"auto_map": {"AutoModelForSequenceClassification": "head.Head"}},
        {"auto_map": {"AutoConfig": "head.Config"}, "model_type": "unheard-of"},
    ],
)
def test_code_runs_only_where_that_is_allowed(
    declared: dict[str, Any], classifier: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(classifier, folder)
    config = json.loads((folder / "config.json").read_text()) | declared
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "head.py").write_text("raise SystemExit('ran')")

    with pytest.raises(RemoteCodeError, match="trust_remote_code"):
        load(folder)


def test_a_language_model_that_transformers_knows_needs_no_code(
    tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "llama.Mine"}
    (folder / "config.json").write_text(json.dumps(config))

    assert type(load(folder, "AutoModelForCausalLM")).__name__ == "LlamaForCausalLM"


def test_folders_that_hold_no_model(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError):
        load(tmp_path / "nowhere")
    with pytest.raises(ModelFolderError, match="no `config.json`"):
        load(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ModelFolderError, match="not a JSON object"):
        load(tmp_path)
