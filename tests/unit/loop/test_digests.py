from __future__ import annotations

import hashlib
from pathlib import Path

from ste_fairseq2.loop.digests import digest_inputs, digest_place
from ste_fairseq2.loop.plan import Step
from tests.loops import leave_manifest


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_model(folder: Path, weights: bytes = b"w") -> None:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)


def test_a_file_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}\n")

    assert digest_place(tmp_path / "a.jsonl") == sha256(tmp_path / "a.jsonl")


def test_a_stage_by_its_manifest(tmp_path: Path) -> None:
    leave_manifest(tmp_path, {"kept": 1})
    # A stage's folder has a file of this name, as a model's has.
    (tmp_path / "config.json").write_text("{}")

    assert digest_place(tmp_path) == sha256(tmp_path / "manifest.json")


def test_a_model_by_its_files(tmp_path: Path) -> None:
    write_model(tmp_path / "one")
    write_model(tmp_path / "same")
    write_model(tmp_path / "other", b"v")

    one, same, other = (digest_place(tmp_path / name) for name in ("one", "same", "other"))

    assert one == same is not None
    assert other not in (one, None)


def test_what_is_not_here_has_none(tmp_path: Path) -> None:
    assert digest_place(tmp_path) is None
    assert digest_place(tmp_path / "nowhere") is None
    assert digest_place(Path("hg://allenai/WildChat-1M")) is None


def test_inputs_of_a_step_are_its_data_model_and_settings(tmp_path: Path) -> None:
    leave_manifest(tmp_path / "data", {"kept": 1})
    write_model(tmp_path / "model")
    (tmp_path / "sft.yaml").touch()
    step = Step(
        name="s",
        kind="sft",
        round=1,
        argv=(),
        output=tmp_path / "out",
        reads=(str(tmp_path / "data"), "hg://not/here"),
        model=str(tmp_path / "model"),
        settings=tmp_path / "sft.yaml",
    )

    assert digest_inputs(step) == {
        str(tmp_path / "data"): sha256(tmp_path / "data" / "manifest.json"),
        str(tmp_path / "model"): digest_place(tmp_path / "model"),
        str(tmp_path / "sft.yaml"): hashlib.sha256(b"").hexdigest(),
    }
