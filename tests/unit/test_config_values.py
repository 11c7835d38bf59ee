"""Configurations within configurations are built from plain values; errors name the path of a field."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.config_values import build_config, to_plain
from ste_fairseq2.errors import ConfigError, MissingFieldError


@dataclass(kw_only=True)
class Inner:
    size: int
    where: Path | None = None

    def validate(self) -> None:
        if self.size < 1:
            raise ConfigError("size", "must be at least 1.")


@dataclass(kw_only=True)
class Outer:
    inner: Inner | None = None
    named: dict[str, Inner] = field(default_factory=dict)
    free: dict[str, Any] = field(default_factory=dict)


def test_sections() -> None:
    built = build_config(
        Outer,
        {
            "inner": {"size": 2, "where": "a"},
            "named": {"x": {"size": 1}},
            "free": {"any": [1, {"deep": None}]},
        },
    )

    assert built == Outer(
        inner=Inner(size=2, where=Path("a")),
        named={"x": Inner(size=1)},
        free={"any": [1, {"deep": None}]},
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"inner": {"size": "many"}}, "`inner.size` must be a whole number"),
        ({"inner": {"size": 0}}, "`inner.size` must be at least 1"),
        ({"inner": {}}, "`inner.size` must be given"),
        ({"inner": {"size": 1, "seize": 2}}, "`inner.seize` is not a field"),
        ({"inner": 3}, "`inner` must hold field: value lines, but is 3"),
        ({"named": {"x": {"size": 0}}}, "`named.x.size` must be at least 1"),
        ({"named": ["x"]}, "`named` must be given as NAME=VALUE"),
    ],
)
def test_errors_name_the_path(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_config(Outer, values)
    assert message in str(caught.value)


def test_a_missing_field_is_an_error_of_its_own() -> None:
    with pytest.raises(MissingFieldError, match="`size` must be given"):
        build_config(Inner, {})


def test_plain_values() -> None:
    assert to_plain({"a": Path("b"), "c": (1, Path("d"))}) == {"a": "b", "c": [1, "d"]}
