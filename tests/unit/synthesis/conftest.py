"""Fixtures for the stages: files of rows, and what a stage left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.jsonl import read_rows

WriteRows = Callable[..., str]


@pytest.fixture
def write_rows(tmp_path: Path) -> WriteRows:
    """Write rows, or lines as they are, to a file and return its path."""

    def write(*rows: Any, name: str = "in.jsonl") -> str:
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (tmp_path / name).write_text("".join(line + "\n" for line in lines))

        return str(tmp_path / name)

    return write


@pytest.fixture
def read_folder() -> Callable[..., dict[str, dict[str, Any]]]:
    """Read the records of a stage's folder, or what it dropped, by id."""

    def read(folder: Path, prefix: str = "records") -> dict[str, dict[str, Any]]:
        rows = [dict(r.data) for path in folder.glob(f"{prefix}-*.jsonl") for r in read_rows(path)]
        assert len({row["id"] for row in rows}) == len(rows)

        return {row["id"]: row for row in rows}

    return read
