"""Instructions out of files of every shape; WildChat's schema through the real loading code."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ste_fairseq2.errors import InputError, MissingPathError, RowError, UnfinishedStageError
from ste_fairseq2.instructions import sources
from ste_fairseq2.instructions.sources import Candidate, InstructionSource
from ste_fairseq2.records import Instruction, content_id

Sample = dict[str, Any]


def read(path: Path, **options: Any) -> tuple[list[Candidate], list[RowError]]:
    source = InstructionSource(str(path), **options)
    errors: list[RowError] = []
    found = [c for part in source.parts for c in source.candidates(part, on_error=errors.append)]

    return found, errors


class TestRows:
    @pytest.mark.parametrize(
        ("row", "text", "record_id"),
        [
            ({"id": "a", "instruction": "x", "prompt": "y"}, "x", "a"),
            ({"id": 7, "prompt": "y", "input": "z"}, "y", "7"),
            ({"input": "z", "question": "q", "prompt_id": "p"}, "z", "p"),
            ({"question": "q", "pair_id": "p", "conversation_hash": "h"}, "q", "h"),
            ({"instruction": None, "question": "q", "id": None}, "q", content_id("q")),
            ({"instruction": "", "id": "a"}, "", "a"),
        ],
    )
    def test_text_and_id_are_the_first_there_are(
        self, write_lines: Callable[..., Path], row: Sample, text: str, record_id: str
    ) -> None:
        [found], errors = read(write_lines("in.jsonl", row))

        assert not errors
        assert (found.instruction.instruction, found.instruction.id) == (text, record_id)

    def test_other_fields_are_kept(self, write_lines: Callable[..., Path]) -> None:
        rows = [{"id": "a", "prompt": "x", "source": "mine", "tags": ["t"]}, {"prompt": "y", "n": 0.5}]

        found, _ = read(write_lines("set/in.jsonl", *rows))

        assert found[0].instruction == Instruction("a", "x", {"source": "mine", "tags": ["t"]})
        assert found[1].instruction.extra == {"source": "in.jsonl", "n": 0.5}

    def test_a_field_of_ones_own(self, write_lines: Callable[..., Path]) -> None:
        path = write_lines("in.jsonl", {"id": "a", "instruction": "no", "ask": "yes"}, {"id": "b"})

        [found], [error] = read(path, text_field="ask")

        assert found.instruction == Instruction("a", "yes", {"source": "in.jsonl"})
        assert (error.line, error.field) == (2, "ask")

    def test_what_is_broken_is_reported_and_passed_over(self, write_lines: Callable[..., Path]) -> None:
        path = write_lines(
            "in.jsonl",
            "{",
            {"answer": "x"},
            {"prompt": ["x"]},
            {"prompt": "x", "id": ""},
            {"prompt": "x", "id": True},
            {"prompt": "x", "language": 5},
            {"conversation": [{"content": "x"}]},
            {"prompt": "good"},
        )

        [found], errors = read(path)

        assert found.instruction.instruction == "good"
        assert [(e.line, e.field) for e in errors] == [
            (1, None),
            (2, None),
            (3, "prompt"),
            (4, "id"),
            (5, "id"),
            (6, "language"),
            (7, "conversation"),
        ]
        assert "none of instruction, prompt, input" in str(errors[1])

    def test_language_and_mark_of_toxicity(self, write_lines: Callable[..., Path]) -> None:
        row = {"prompt": "x", "language": "French", "toxic": True}

        [found], _ = read(write_lines("in.jsonl", row))

        assert (found.language, found.is_toxic) == ("French", True)
        assert found.instruction.extra["language"] == "French"


class TestWildChat:
    @pytest.fixture
    def rows(self, conversation: Callable[..., Sample]) -> list[Sample]:
        return [
            conversation(1, "only", "answer"),
            conversation(2, "first", "answer", "second", "answer"),
            conversation(3, "bad", "answer", flagged=True),
            conversation(4, "ancora", language="Italian"),
            conversation(5, "short", turn=2),
            conversation(6, " ", "answer"),
        ]

    def check(self, found: list[Candidate], errors: list[RowError], name: str) -> None:
        texts = [candidate.instruction.instruction for candidate in found]
        assert texts == ["only", "second", "bad", "ancora", " "]
        assert [candidate.is_toxic for candidate in found] == [False, False, True, False, False]
        assert found[3].language == "Italian"
        assert found[1].instruction.id == f"{2:032x}"
        assert found[1].instruction.extra == {"turn": 2, "language": "English", "source": name}
        [error] = errors
        assert error.field == "conversation"

    def test_parquet(self, rows: list[Sample], tmp_path: Path) -> None:
        folder = tmp_path / "wildchat" / "data"
        folder.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows[:3]), folder / "train-0.parquet", row_group_size=2)
        pq.write_table(pa.Table.from_pylist(rows[3:]), folder / "train-1.parquet")

        self.check(*read(tmp_path / "wildchat"), "wildchat")

    def test_jsonl(self, rows: list[Sample], write_lines: Callable[..., Path]) -> None:
        path = write_lines("in.jsonl", *({k: v for k, v in r.items() if k != "timestamp"} for r in rows))

        self.check(*read(path), "in.jsonl")

    @pytest.fixture
    def write_lines(self, tmp_path: Path) -> Callable[..., Path]:
        def write(name: str, *rows: Any) -> Path:
            path = tmp_path / name
            path.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))

            return path

        return write

    def test_without_a_mark_the_moderation_tells(self, rows: list[Sample], tmp_path: Path) -> None:
        unmarked = [{k: v for k, v in row.items() if k != "toxic"} for row in rows[:3]]
        pq.write_table(pa.Table.from_pylist(unmarked), tmp_path / "in.parquet")

        found, _ = read(tmp_path / "in.parquet")

        assert [candidate.is_toxic for candidate in found] == [False, False, True]

    def test_only_what_is_needed_is_read(
        self, rows: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
        asked: list[Any] = []
        stream = sources.stream_rows

        def spy(source: str, *, columns: Any) -> Any:
            asked.append(columns)
            return stream(source, columns=columns)

        monkeypatch.setattr(sources, "stream_rows", spy)
        read(tmp_path / "in.parquet")

        assert asked == [["conversation_hash", "turn", "conversation", "language", "toxic"]]


class TestFiles:
    def test_a_folder_may_mix_kinds(self, write_lines: Callable[..., Path], tmp_path: Path) -> None:
        write_lines("set/b.jsonl", {"prompt": "b"})
        with gzip.open(tmp_path / "set" / "c.jsonl.gz", "wt") as stream:
            stream.write('{"prompt": "c"}\n')
        # Neither times nor bytes go into JSON.
        row = {"prompt": "a", "when": pa.scalar(0, pa.timestamp("us")).as_py(), "raw": b"x", "n": [1]}
        pq.write_table(pa.Table.from_pylist([row]), tmp_path / "set" / "a.parquet")

        found, errors = read(tmp_path / "set")

        assert not errors
        assert [c.instruction.instruction for c in found] == ["a", "b", "c"]
        assert [c.instruction.extra for c in found] == [
            {"n": [1], "source": "set"},
            *[{"source": "set"}] * 2,
        ]

    def test_names_and_places_do_not_change_the_digest(self, write_lines: Callable[..., Path]) -> None:
        first = write_lines("a/1.jsonl", {"prompt": "x"}).parent
        write_lines("a/2.jsonl", {"prompt": "y"})
        second = write_lines("b/2.jsonl", {"prompt": "x"}).parent
        write_lines("b/1.jsonl", {"prompt": "y"})
        third = write_lines("c/1.jsonl", {"prompt": "z"}).parent

        digests = [InstructionSource(str(folder)).digest for folder in (first, second, third)]

        assert digests[0] == digests[1] != digests[2]

    def test_what_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(MissingPathError, match=r"nowhere.* does not exist"):
            InstructionSource(str(tmp_path / "nowhere"))
        (tmp_path / "empty").mkdir()
        with pytest.raises(MissingPathError, match=r"\*.parquet"):
            InstructionSource(str(tmp_path / "empty"))

    def test_a_stage_that_has_not_ended_is_refused(self, write_lines: Callable[..., Path]) -> None:
        folder = write_lines("set/config.json", {"stage": "select"}).parent
        write_lines("set/records-00000.jsonl", {"id": "a", "instruction": "x"})

        with pytest.raises(UnfinishedStageError):
            InstructionSource(str(folder))

    def test_a_file_that_is_no_parquet_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "in.parquet").write_text("no")

        with pytest.raises(InputError, match=r"in.parquet` cannot be loaded"):
            read(tmp_path / "in.parquet")

    def test_a_data_set_that_cannot_be_loaded_is_named(self) -> None:
        source = InstructionSource("hg://nobody/nothing")

        with pytest.raises(InputError, match=r"`hg://nobody/nothing` cannot be loaded"):
            _ = source.digest
