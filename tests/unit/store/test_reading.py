"""Which files of an input hold records."""

from __future__ import annotations

from pathlib import Path

import pytest

from ste_fairseq2.errors import MissingPathError, UnfinishedStageError
from ste_fairseq2.store import StageStore, find_record_files, lineage_of


def test_a_finished_stage_is_read_record_by_record(tmp_path: Path) -> None:
    with StageStore(tmp_path, "respond", {}) as store:
        store.append({"id": "a"})
        store.drop("b", "empty", {})
        store.finish({"kept": 1})
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "records-00000.jsonl").write_text('{"id": "x"}\n')

    assert find_record_files(tmp_path) == [tmp_path / "records-00000.jsonl"]
    lineage = lineage_of(tmp_path)
    assert (lineage["path"], lineage["stage"]) == (str(tmp_path), "respond")
    assert len(lineage["manifest"]) == 64


def test_a_stage_that_has_not_ended_is_no_input(tmp_path: Path) -> None:
    with StageStore(tmp_path, "respond", {}) as store:
        store.append({"id": "a"})

    with pytest.raises(UnfinishedStageError, match="run that again first"):
        find_record_files(tmp_path)


def test_files_of_a_users_own_are_all_read(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("z.jsonl", "b/a.jsonl.gz", "quarantine.jsonl", "dropped-00000.jsonl", "x.txt"):
        (tmp_path / name).touch()
    # A model's configuration beside the data makes no stage of the folder.
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')

    assert find_record_files(tmp_path) == [tmp_path / "b/a.jsonl.gz", tmp_path / "z.jsonl"]
    assert lineage_of(tmp_path) == {"path": str(tmp_path)}


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError):
        find_record_files(tmp_path / "x")
