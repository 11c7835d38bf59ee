"""Byte ranges hold every line once, however they cut the file."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ste_fairseq2.curation import files
from ste_fairseq2.curation.files import NEGATIVES, Block, InputFile, collect_files, read_batches
from ste_fairseq2.errors import RowError


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def blocks_of(path: Path, step: int) -> list[Block]:
    size = path.stat().st_size
    file = InputFile(path, path.name, 0)

    return [Block(file, 0, start, min(start + step, size)) for start in range(0, size, step)]


def lines_of(path: Path, step: int) -> list[tuple[int, bytes]]:
    """Return the lines of a file that is cut into blocks, each with its offset."""
    found: list[tuple[int, bytes]] = []
    for block in blocks_of(path, step):
        for offset, lines in read_batches(block):
            starts = itertools.accumulate(map(len, lines), initial=offset)
            found += zip(starts, lines, strict=False)

    return found


class TestReadBatches:
    @settings(deadline=None)
    @given(
        st.lists(st.binary(max_size=12), max_size=12),
        st.integers(1, 40),
        st.sampled_from([1, 7, 20, 1000]),
    )
    def test_every_line_is_in_one_block(
        self, scratch: Path, parts: list[bytes], step: int, batch_bytes: int
    ) -> None:
        path = scratch / "lines"
        content = b"\n".join(parts)
        path.write_bytes(content)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files, "_BATCH_BYTES", batch_bytes)
            found = lines_of(path, step)

        assert b"".join(raw for _, raw in found) == content
        assert [offset for offset, _ in found] == [
            sum(len(raw) for _, raw in found[:number]) for number in range(len(found))
        ]
        assert all(raw.count(b"\n") <= 1 for _, raw in found)

    @pytest.mark.parametrize("batch_bytes", [8, 30, 51, 5000])
    def test_a_huge_line_is_cut_and_passed_over(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_bytes: int
    ) -> None:
        monkeypatch.setattr(files, "MAX_LINE_BYTES", 50)
        monkeypatch.setattr(files, "_COPY_BYTES", 16)
        monkeypatch.setattr(files, "_BATCH_BYTES", batch_bytes)
        path = tmp_path / "lines"
        longest = b"y" * 49 + b"\n"
        path.write_bytes(b"a\n" + b"x" * 1000 + b"\nb\n" + longest + b"z" * 50 + b"\n" + b"x" * 999)

        assert lines_of(path, 100) == [
            (0, b"a\n"),
            (2, b"x" * 51),
            (1003, b"b\n"),
            (1005, longest),
            (1055, b"z" * 50 + b"\n"),
            (1106, b"x" * 51),
        ]


def unexpected(_: int, error: RowError) -> None:
    raise error


class TestCollectFiles:
    def test_names_sets_and_unpacks(self, tmp_path: Path) -> None:
        (tmp_path / "a" / "deep").mkdir(parents=True)
        (tmp_path / "a" / "deep" / "x.jsonl").write_bytes(b"{}\n")
        (tmp_path / "a" / "y.jsonl.gz").write_bytes(gzip.compress(b"{}\n{}\n"))
        (tmp_path / "n.jsonl").write_bytes(b"{}\n")
        found = collect_files([tmp_path / "a"], tmp_path / "n.jsonl", tmp_path, unexpected)

        assert [(Path(f.source).name, f.set_number) for f in found] == [
            ("x.jsonl", 0),
            ("y.jsonl.gz", 0),
            ("n.jsonl", NEGATIVES),
        ]
        assert found[1].path.read_bytes() == b"{}\n{}\n"

    def test_a_damaged_archive_loses_the_damaged_line(self, tmp_path: Path) -> None:
        lines = b"".join(b'{"n": %d}\n' % number for number in range(5000))
        packed = gzip.compress(lines)
        (tmp_path / "x.jsonl.gz").write_bytes(packed[: len(packed) // 2])
        errors: list[RowError] = []
        [found] = collect_files([tmp_path], None, tmp_path, lambda _, error: errors.append(error))
        kept = found.path.read_bytes()

        assert lines.startswith(kept)
        assert kept.endswith(b"\n")
        assert errors[0].line == kept.count(b"\n") + 1
        assert "cannot be read" in errors[0].reason
