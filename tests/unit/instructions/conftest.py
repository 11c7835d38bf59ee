"""Rows of WildChat's schema, and files of rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

Sample = dict[str, Any]


@pytest.fixture(scope="session")
def conversation() -> Callable[..., Sample]:
    """Return a function that makes a row of WildChat-1M: user and assistant take turns."""

    def make(number: int, *contents: str, flagged: bool = False, **fields: Any) -> Sample:
        stamp = datetime(2023, 4, 9, tzinfo=timezone.utc)
        turns = [
            {
                "content": content,
                "country": "France",
                "hashed_ip": "secret",
                "header": {"accept-language": "fr", "user-agent": "x"},
                "language": "English",
                "redacted": False,
                "role": ("user", "assistant")[index % 2],
                "state": None,
                "timestamp": stamp,
                "toxic": False,
                "turn_identifier": index,
            }
            for index, content in enumerate(contents)
        ]
        moderation = {"categories": {"hate": flagged}, "category_scores": {"hate": 0.1}}

        return {
            "conversation_hash": f"{number:032x}",
            "model": "m",
            "timestamp": stamp,
            "conversation": turns,
            "turn": (len(contents) + 1) // 2,
            "language": "English",
            "openai_moderation": [moderation | {"flagged": flagged}],
            "detoxify_moderation": [{"toxicity": 0.1}],
            "toxic": flagged,
            "redacted": False,
            "state": None,
            "country": "France",
            "hashed_ip": "secret",
            "header": {"accept-language": "fr", "user-agent": "x"},
        } | fields

    return make


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[..., Path]:
    """Write rows, or lines as they are, to a file below the test's folder."""

    def write(name: str, *rows: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")

        return path

    return write
