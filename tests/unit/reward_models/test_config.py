"""Configurations that cannot be meant are refused by the name of the field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.reward_models.config import RewardModelConfig


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "dpo"}, "`reference` must be given"),
        ({"reference": Path("r")}, "`reference` belongs to `kind` dpo, but that is classifier"),
        ({"kind": "dpo", "reference": Path("x/../m")}, "`reference` must be another model"),
        ({"kind": "ref-free-avg", "label_index": 0}, "`label_index` belongs to `kind` classifier"),
        ({"label_index": -1}, "`label_index` must not be negative"),
        ({"batch_tokens": 0}, "`batch_tokens` must be at least 1"),
    ],
)
def test_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RewardModelConfig(model=Path("m"), output=Path("o"), **options).validate()


def test_the_code_that_may_run_is_part_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "head.py").write_text("1")
    config = RewardModelConfig(model=tmp_path, output=tmp_path, trust_remote_code=True)
    before = config.digests()
    (tmp_path / "head.py").write_text("2")

    assert config.digests()["model"] == before["model"]
    assert config.digests()["code"] != before["code"]
