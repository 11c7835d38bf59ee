"""A stage that is killed and resumed ends with the same records as one that was not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.errors import FolderBusyError, InputError, ResumeMismatchError
from ste_fairseq2.store import StageStore, read_manifest

CONFIG: dict[str, Any] = {"model": "m", "seed": 2}

# Writes what is missing of 400 records in shards of a few records each; it takes at least 0.2 s.
WORKER = """
import sys, time
from pathlib import Path
from ste_fairseq2.store import StageStore

with StageStore(Path(sys.argv[1]), "test", {"seed": 2}, shard_bytes=2000) as store:
    print("begun", flush=True)
    for index in range(400):
        if f"r{index}" not in store:
            store.append({"id": f"r{index}", "text": "x" * (index % 97) + "ü"})
            if index % 4 == 0:
                time.sleep(0.002)
    store.finish({"kept": store.num_records})
"""


def start(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", WORKER, folder], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()

    return process


def ids(folder: Path) -> list[str]:
    with StageStore(folder, "test", {"seed": 2}, shard_bytes=2000) as store:
        return [row.text("id") for row in store.records()]


def test_killed_at_any_moment(tmp_path: Path) -> None:
    generator = random.Random(2)
    kills = 0
    for _ in range(8):
        process = start(tmp_path)
        time.sleep(generator.random() * 0.06)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    start(tmp_path).communicate()

    assert kills > 1
    assert ids(tmp_path) == [f"r{i}" for i in range(400)]
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    assert manifest.counts == {"kept": 400}
    assert len(list(tmp_path.glob("records-*.jsonl"))) > 5


@pytest.mark.parametrize("cut", range(1, 31))
def test_half_written_line_is_repaired(tmp_path: Path, cut: int) -> None:
    """Whatever length the last line was cut to, its record is missing and is written again."""
    with StageStore(tmp_path, "test", CONFIG) as store:
        for name in ("a", "b"):
            store.append({"id": name, "text": "some text"})
    shard = tmp_path / "records-00000.jsonl"
    with shard.open("rb+") as stream:
        stream.truncate(shard.stat().st_size - cut)

    with StageStore(tmp_path, "test", CONFIG) as store:
        assert "a" in store
        assert "b" not in store
        store.append({"id": "b", "text": "some text"})
        assert [r.text("id") for r in store.records()] == ["a", "b"]


def test_half_written_first_line(tmp_path: Path) -> None:
    with StageStore(tmp_path, "test", CONFIG):
        (tmp_path / "records-00000.jsonl").write_text('{"id": "a", "te')

    with StageStore(tmp_path, "test", CONFIG) as store:
        assert store.num_records == 0
        assert list(store.records()) == []


def test_half_written_line_longer_than_a_block(tmp_path: Path) -> None:
    with StageStore(tmp_path, "test", CONFIG) as store:
        store.append({"id": "a"})
    with (tmp_path / "records-00000.jsonl").open("a") as stream:
        stream.write('{"id": "b", "text": "' + "x" * 200_000)

    with StageStore(tmp_path, "test", CONFIG) as store:
        assert [r.text("id") for r in store.records()] == ["a"]


def test_shards_have_a_size(tmp_path: Path) -> None:
    for begin in (0, 50):
        with StageStore(tmp_path, "test", CONFIG, shard_bytes=100) as store:
            for index in range(begin, begin + 50):
                store.append({"id": str(index)})

    with StageStore(tmp_path, "test", CONFIG, shard_bytes=100) as store:
        assert [r.text("id") for r in store.records()] == [str(i) for i in range(100)]
    assert max(p.stat().st_size for p in tmp_path.glob("records-*")) < 130


def test_record_is_stored_once(tmp_path: Path) -> None:
    with StageStore(tmp_path, "test", CONFIG) as store:
        store.append({"id": "a"})
        with pytest.raises(ValueError, match="already stored"):
            store.append({"id": "a"})


def test_record_is_there_before_the_store_is_closed(tmp_path: Path) -> None:
    with StageStore(tmp_path, "test", CONFIG) as store:
        store.append({"id": "a"})
        assert (tmp_path / "records-00000.jsonl").read_text() == '{"id": "a"}\n'


def test_other_configuration_is_refused(tmp_path: Path) -> None:
    with StageStore(tmp_path, "test", CONFIG) as store:
        store.append({"id": "a"})

    with pytest.raises(ResumeMismatchError) as caught:
        StageStore(tmp_path, "other", {"model": "n", "seed": 2, "top_p": 0.9})

    assert caught.value.differences == (
        "`model` ('m' then, 'n' now)",
        "`stage` ('test' then, 'other' now)",
        "`top_p` (None then, 0.9 now)",
    )
    with StageStore(tmp_path, "test", CONFIG) as store:
        assert "a" in store


def test_configuration_compares_as_json(tmp_path: Path) -> None:
    with StageStore(tmp_path, "test", {"sizes": (1, 2), "b": 1, "a": 1}):
        pass
    with StageStore(tmp_path, "test", {"a": 1, "b": 1, "sizes": [1, 2]}):
        pass


def test_records_of_unknown_origin_are_refused(tmp_path: Path) -> None:
    (tmp_path / "records-00000.jsonl").write_text('{"id": "a"}\n')

    with pytest.raises(InputError, match="holds records but no config.json"):
        StageStore(tmp_path, "test", CONFIG)


def test_folder_has_one_writer(tmp_path: Path) -> None:
    with StageStore(tmp_path, "test", CONFIG), pytest.raises(FolderBusyError):
        StageStore(tmp_path, "test", CONFIG)
    with StageStore(tmp_path, "test", CONFIG):
        pass


def test_other_process_is_a_writer_until_it_ends(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ste_fairseq2.store import StageStore\n"
        "with StageStore(Path(sys.argv[1]), 'test', {'model': 'm', 'seed': 2}):\n"
        "    print(flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(FolderBusyError):
        StageStore(tmp_path, "test", CONFIG)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    with StageStore(tmp_path, "test", CONFIG):
        pass


def test_refused_folder_is_not_left_locked(tmp_path: Path) -> None:
    with StageStore(tmp_path, "test", CONFIG):
        pass
    with pytest.raises(ResumeMismatchError):
        StageStore(tmp_path, "test", CONFIG | {"seed": 3})
    with StageStore(tmp_path, "test", CONFIG):
        pass


def test_manifest_completes_the_stage(tmp_path: Path) -> None:
    with StageStore(tmp_path, "test", CONFIG) as store:
        store.append({"id": "a"})
        assert not store.is_complete
        written = store.finish({"kept": 1, "too_long": 2}, digests={"model": "abc"}, details={"s": 1.5})
        assert store.is_complete

    assert read_manifest(tmp_path) == written
    assert written.config == CONFIG
    assert written.stage == "test"


def test_file_that_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": "another tool\'s"}')

    with pytest.raises(InputError, match="is not a manifest of this project"):
        read_manifest(tmp_path)


def test_what_is_dropped_counts_as_done_and_by_reason(tmp_path: Path) -> None:
    for _ in range(2):
        with StageStore(tmp_path, "test", CONFIG) as store:
            for number in range(6):
                name, cost = f"r{number}", {"num_prompt_tokens": 10, "num_output_tokens": number}
                if name in store:
                    continue
                if number % 3:
                    store.append({"id": name} | cost)
                else:
                    store.drop(name, "empty" if number else "truncated", {"reply": "", **cost})

            assert [row.text("id") for row in store.records()] == ["r1", "r2", "r4", "r5"]
            assert (store.num_done, store.num_records) == (6, 4)
            assert store.dropped == {"truncated": 1, "empty": 1}
            assert store.tokens == {"num_prompt_tokens": 60, "num_output_tokens": 15}
            with pytest.raises(ValueError, match="already stored"):
                store.append({"id": "r0"})


def test_a_half_written_drop_is_done_again(tmp_path: Path) -> None:
    with StageStore(tmp_path, "test", CONFIG) as store:
        store.drop("a", "empty", {})
        store.drop("b", "empty", {})
    shard = tmp_path / "dropped-00000.jsonl"
    shard.write_bytes(shard.read_bytes()[:-4])

    with StageStore(tmp_path, "test", CONFIG) as store:
        assert "a" in store
        assert "b" not in store
        assert store.dropped == {"empty": 1}
