"""A hand-made loop's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hand_made_loop import write_loop


@pytest.fixture
def loop(tmp_path: Path) -> Path:
    return write_loop(tmp_path / "loop")
