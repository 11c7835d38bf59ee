from __future__ import annotations

import gzip
from pathlib import Path

from ste_fairseq2.loop.sizes import num_records
from tests.loops import leave_manifest


def test_files_are_counted_by_rows(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\nnot json\n{"a": 2}\n')
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as stream:
        stream.write('{"a": 1}\n')

    assert num_records(tmp_path / "a.jsonl") == 2
    assert num_records(tmp_path / "b.jsonl.gz") == 1
    assert num_records(tmp_path) == 3


def test_a_finished_stage_says_it_itself(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "records-00000.jsonl").write_text('{"a": 1}\n')
    assert num_records(tmp_path / "s") == 1

    leave_manifest(tmp_path / "s", {"kept": 7, "malformed": 2, "empty": 1})
    assert num_records(tmp_path / "s") == 7

    leave_manifest(tmp_path / "s", {"kept": 7}, details={"examples": {"written": 4}})
    assert num_records(tmp_path / "s") == 4


def test_what_cannot_be_counted_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "parquet").mkdir()
    (tmp_path / "parquet" / "a.parquet").write_bytes(b"PAR1")

    assert num_records(Path("hg://allenai/WildChat-1M")) is None
    assert num_records(tmp_path / "nowhere") is None
    assert num_records(tmp_path / "nowhere.jsonl") is None
    assert num_records(tmp_path / "parquet" / "a.parquet") is None
    assert num_records(tmp_path / "parquet") is None
