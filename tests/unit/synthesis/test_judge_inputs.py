from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from ste_fairseq2.errors import InputError, MissingPathError, RowError
from ste_fairseq2.records import JudgeInput
from ste_fairseq2.synthesis.judge_inputs import JudgeTask, RenderedInput, judge_inputs
from ste_fairseq2.verdicts import Verdict


def _pair(number: int, **fields: Any) -> dict[str, Any]:
    return {"input": f"q{number}", "response_a": "a", "response_b": "b"} | fields


def _write(path: Path, *rows: Any) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(line + "\n" for line in lines))
    return path


def _read(location: Path | str, **options: Any) -> tuple[list[JudgeTask], list[RowError]]:
    errors: list[RowError] = []
    return list(judge_inputs(str(location), **options).records(on_error=errors.append)), errors


class TestPairs:
    def test_fields_beside_the_pair_are_kept(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "x.jsonl", _pair(0, id="p", label="model_b", subset="chat"))

        [task], _ = _read(path)

        assert isinstance(task.content, JudgeInput)
        assert (task.id, task.index, task.content.label) == ("p", 0, Verdict.B)
        assert task.content.extra == {"subset": "chat"}

    def test_a_malformed_row_is_reported_and_keeps_its_place(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "x.jsonl", _pair(0), "{", {"input": "q"}, _pair(3))

        tasks, errors = _read(path)

        assert [task.index for task in tasks] == [0, 3]
        assert [str(error).partition(": ")[0] for error in errors] == [f"{path}:2", f"{path}:3"]
        assert errors[1].field == "response_a"

    def test_folders_are_read_file_by_file(self, tmp_path: Path) -> None:
        _write(tmp_path / "b.jsonl", _pair(1))
        _write(tmp_path / "a.jsonl", _pair(0))

        tasks, _ = _read(tmp_path)

        assert [task.index for task in tasks] == [0, 1]
        assert [task.content.input for task in tasks if isinstance(task.content, JudgeInput)] == [
            "q0",
            "q1",
        ]

    def test_the_limit_counts_usable_rows(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "x.jsonl", "{", _pair(0), _pair(1), _pair(2), "{")

        tasks, errors = _read(path, limit=2)

        assert [task.index for task in tasks] == [1, 2]
        assert len(errors) == 1

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(MissingPathError):
            judge_inputs(str(tmp_path / "x.jsonl"))


class TestIdentity:
    def test_an_id_given_twice_is_malformed(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "x.jsonl", _pair(0, id="p"), _pair(1, id="p"))

        tasks, [error] = _read(path)

        assert len(tasks) == 1
        assert error.field == "id"
        assert f"{path}:1" in str(error)

    def test_the_same_content_twice_is_judged_twice(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "x.jsonl", _pair(0), _pair(0))

        tasks, errors = _read(path)

        assert not errors
        assert tasks[1].id == f"{tasks[0].id}-1"

    def test_the_digest_follows_the_content_and_not_the_place(self, tmp_path: Path) -> None:
        first = judge_inputs(str(_write(tmp_path / "x.jsonl", _pair(0))))
        moved = judge_inputs(str(_write(tmp_path / "y.jsonl", _pair(0))))
        changed = judge_inputs(str(_write(tmp_path / "z.jsonl", _pair(1))))

        assert first.digest == moved.digest != changed.digest


class TestRenderedPrompts:
    def test_the_named_field_is_the_prompt(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "x.jsonl", {"text": "<|begin_of_text|>Judge!", "is_shuffled": True})

        [task], _ = _read(path, prompt_key="text")

        assert isinstance(task.content, RenderedInput)
        assert task.content.text == "<|begin_of_text|>Judge!"
        assert task.content.extra == {"is_shuffled": True}

    def test_fields_of_a_pair_beside_it_are_kept(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "x.jsonl", _pair(0, text="Judge!", id=5, label="A"))

        [task], _ = _read(path, prompt_key="text")

        assert (task.id, task.content.label) == ("5", Verdict.A)
        assert task.content.extra == _pair(0)

    def test_a_row_without_it_is_malformed(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "x.jsonl", _pair(0))

        _, [error] = _read(path, prompt_key="text")

        assert error.field == "text"


class TestHub:
    def test_rows_come_from_the_split(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def load(name: str, *, split: str) -> datasets.Dataset:
            assert (name, split) == ("owner/pairs", "test")
            return datasets.Dataset.from_list([_pair(0), _pair(1)])

        monkeypatch.setattr(datasets, "load_dataset", load)

        tasks, _ = _read("hg://owner/pairs", split="test")

        assert [(task.index, task.source, task.line) for task in tasks] == [
            (0, "hg://owner/pairs", 1),
            (1, "hg://owner/pairs", 2),
        ]

    def test_a_set_that_cannot_be_loaded_is_one_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def load(name: str, *, split: str) -> datasets.Dataset:
            raise FileNotFoundError("no such set")

        monkeypatch.setattr(datasets, "load_dataset", load)

        with pytest.raises(InputError, match=r"`hg://owner/pairs` \(split `train`\) cannot be loaded"):
            judge_inputs("hg://owner/pairs")
