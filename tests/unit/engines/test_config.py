"""Which engine a configuration means, and what it may not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.engines.config import EngineConfig
from ste_fairseq2.errors import ConfigError, MissingPathError


def _endpoint(**fields: Any) -> EngineConfig:
    values = {"model": "m", "engine": "endpoint", "endpoint": "http://127.0.0.1:1/v1"}

    return EngineConfig(**(values | fields))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("127.0.0.1:8000/v1", "must be a URL"),
        ("ftp://host/v1", "must be a URL"),
        ("http://me:secret@host/v1", "must not carry a key"),
        ("https://host/v1?key=secret", "must not carry a key"),
    ],
)
def test_addresses_that_are_refused(url: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        _endpoint(endpoint=url).validate()

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("concurrency", 0), ("max_attempts", 0), ("request_timeout", 0.0), ("token_budget", 0)],
)
def test_numbers_that_cannot_be_meant(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"`{name}` must be"):
        _endpoint(**{name: value}).validate()


def test_a_folder_is_looked_at_only_where_the_model_runs_here(tmp_path: Path) -> None:
    _endpoint().check_model()
    with pytest.raises(MissingPathError):
        EngineConfig(model=str(tmp_path / "x")).check_model()


def test_where_a_model_runs_is_no_part_of_what_it_writes() -> None:
    here = EngineConfig(
        model="a", tensor_parallel_size=8, engine_options={"gpu_memory_utilization": "1"}
    )

    assert here.engine_identity() == EngineConfig(model="b").engine_identity()
    assert EngineConfig(model="a", engine_options={"dtype": "float32"}).engine_identity() == {
        "dtype": "float32"
    }
    # Nothing but its name tells one of an endpoint's models from another.
    assert _endpoint().engine_identity() == {"engine": "endpoint", "model": "m"}
    assert _endpoint().model_digests() == {}


def test_the_tokenizer_of_an_endpoint_is_told_by_its_digest(tiny_model: Path) -> None:
    digests = _endpoint(tokenizer=tiny_model).model_digests()

    assert digests == {"tokenizer": EngineConfig(model=str(tiny_model)).model_digests()["model"]}
