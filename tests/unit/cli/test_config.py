"""Flags, YAML files and defaults make one configuration; what cannot be meant is told by its name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from ste_fairseq2.cli.config import attribute_docs, parse_config
from ste_fairseq2.config_values import build_config
from ste_fairseq2.errors import ConfigError, MissingPathError


@dataclass(kw_only=True)
class Base:
    output: Path
    """where to write"""


@dataclass(kw_only=True)
class Example(Base):
    name: str = "judge"
    """a name, 50% of it
    on a second line"""
    max_tokens: int = 2048
    top_p: float = 1.0
    both_orders: bool = False
    mode: Literal["fast", "exact"] = "fast"
    inputs: tuple[Path, ...] = ()
    limit: int | None = None
    weights: dict[str, float] = field(default_factory=dict)

    def validate(self) -> None:
        if self.max_tokens < 1:
            raise ConfigError("max_tokens", f"must be positive, but is {self.max_tokens}.")


def parse(*argv: str) -> Example:
    return parse_config(Example, argv, prog="test", description="A test.")


def test_defaults() -> None:
    assert parse("--output", "out") == Example(output=Path("out"))


def test_flags() -> None:
    config = parse(
        *("--output", "out", "--max-tokens", "5", "--top-p", "0.5", "--both-orders"),
        *("--mode", "exact", "--inputs", "a", "b", "--limit", "3", "--weights", "x=1", "y=0.5"),
    )

    assert config == Example(
        output=Path("out"),
        max_tokens=5,
        top_p=0.5,
        both_orders=True,
        mode="exact",
        inputs=(Path("a"), Path("b")),
        limit=3,
        weights={"x": 1.0, "y": 0.5},
    )


def test_flag_wins_over_file_and_file_over_default(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("output: from_file\nmax-tokens: 7\nboth_orders: true\ninputs: a\nweights: {x: 2}\n")

    config = parse("--config", str(path), "--max-tokens", "8", "--no-both-orders")

    assert config.output == Path("from_file")
    assert config.max_tokens == 8
    assert config.both_orders is False
    assert config.inputs == (Path("a"),)
    assert config.weights == {"x": 2.0}
    assert config.top_p == 1.0


def test_null_clears_an_optional_field() -> None:
    assert build_config(Example, {"output": "o", "limit": None}).limit is None


def test_large_seeds_are_whole_numbers() -> None:
    assert build_config(Example, {"output": "o", "limit": 2**62 + 1}).limit == 2**62 + 1
    assert parse("--output", "o", "--limit", str(2**62 + 1)).limit == 2**62 + 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "`output` must be given"),
        ({"output": None}, "`output` must not be empty"),
        ({"output": True}, "`output` must be text, but is True"),
        ({"output": ["a"]}, "`output` must be text, but is ['a']"),
        ({"outptu": "x"}, "`outptu` is not a field of this command; it has output, name,"),
        ({"max_tokens": "many"}, "`max_tokens` must be a whole number, but is 'many'"),
        ({"max_tokens": 1.5}, "`max_tokens` must be a whole number, but is 1.5"),
        ({"max_tokens": float("inf")}, "`max_tokens` must be a whole number, but is inf"),
        ({"max_tokens": True}, "`max_tokens` must be a whole number, but is True"),
        ({"max_tokens": None}, "`max_tokens` must not be empty"),
        ({"max_tokens": 0}, "`max_tokens` must be positive, but is 0"),
        ({"top_p": "high"}, "`top_p` must be a number, but is 'high'"),
        ({"both_orders": "maybe"}, "`both_orders` must be true or false, but is 'maybe'"),
        ({"mode": "slow"}, "`mode` must be one of fast, exact, but is 'slow'"),
        ({"weights": ["x"]}, "`weights` must be given as NAME=VALUE, but is ['x']"),
        ({"weights": "x"}, "`weights` must be a mapping, but is 'x'"),
        ({"weights": {"x": "y"}}, "`weights.x` must be a number, but is 'y'"),
    ],
)
def test_wrong_value_is_named(values: dict[str, Any], message: str) -> None:
    complete = values if message.startswith("`output`") else {"output": "o", **values}

    with pytest.raises(ConfigError) as caught:
        build_config(Example, complete)

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1", "is not valid YAML"),
        (b"a: \xff", "is not valid YAML"),
        (b"- a\n- b\n", "must hold field: value lines"),
        (b"just words", "must hold field: value lines"),
    ],
)
def test_broken_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(content)

    with pytest.raises(ConfigError, match=message):
        parse("--config", str(path))


def test_missing_file() -> None:
    with pytest.raises(MissingPathError, match="configuration file: `nowhere.yaml` does not exist"):
        parse("--config", "nowhere.yaml")


def test_empty_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("# nothing\n")

    assert parse("--config", str(tmp_path / "c.yaml"), "--output", "o") == Example(output=Path("o"))


def test_flags_are_not_abbreviated() -> None:
    with pytest.raises(SystemExit) as caught:
        parse("--output", "o", "--max", "3")

    assert caught.value.code == 2


def test_help_comes_from_the_docstrings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse("--help")

    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "where to write (required)" in text
    assert "a name, 50% of it on a second line (default: judge)" in text


def test_docstrings_of_base_classes_are_found() -> None:
    assert attribute_docs(Example)["output"] == "where to write"


def test_a_missing_flag_is_named() -> None:
    with pytest.raises(ConfigError, match="`output` must be given; pass `--output` or set it"):
        parse()
