"""What `ste select` can be asked for, and what not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.instructions.labels import ExpectedLength
from ste_fairseq2.synthesis.select_config import SelectConfig


@pytest.fixture
def configure() -> Callable[..., SelectConfig]:
    def make(**fields: Any) -> SelectConfig:
        return SelectConfig(inputs="in.jsonl", output=Path("out"), **fields)

    return make


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"categories": ("Coding",)}, "`categories` needs labels; name the `model`"),
        ({"min_complexity": 3}, "`min_complexity` needs labels"),
        ({"expected_lengths": ("a",)}, "`expected_lengths` needs labels"),
        ({"engine": "endpoint", "endpoint": "http://x/v1"}, "`model` must be the name"),
        ({"model": "m", "categories": ("Poetry",)}, "Coding; .* or any; but has 'Poetry'"),
        ({"model": "m", "expected_lengths": ("f",)}, "from a to e, but has 'f'"),
        ({"model": "m", "min_complexity": 0}, "must be 1 to 10, but is 0"),
        ({"model": "m", "max_complexity": 11}, "must be 1 to 10, but is 11"),
        ({"model": "m", "min_complexity": 7, "max_complexity": 6}, "must be at least 7"),
        ({"model": "m", "attempts": 0}, "`attempts` must be at least 1"),
        ({"model": "m", "temperature": 0.0}, "are all the same at temperature 0"),
        ({"count": 0}, "`count` must be at least 1"),
        ({"min_chars": 0}, "`min_chars` must be at least 1"),
        ({"min_chars": 9, "max_chars": 8}, "`max_chars` must be at least `min_chars`"),
        ({"ngram": 0}, "`ngram` must be at least 1"),
        ({"near_duplicates": 0.4}, "must be 0.5 to 1, but is 0.4"),
        ({"benchmarks": ("rewardbemch",)}, "but has 'rewardbemch'"),
    ],
)
def test_what_cannot_be_meant_is_refused(configure: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        configure(**fields).validate()


def test_the_papers_category_is_the_default(configure: Any) -> None:
    configure().validate()
    assert configure(model="m").rule().categories == ("Knowledge and Reasoning",)
    assert configure(model="m", categories=("any",)).rule().categories is None
    rule = configure(model="m", categories=("coding", "mathematical REASONING")).rule()
    assert rule.categories == ("Coding", "Mathematical reasoning")


def test_lengths_are_named_by_letter_or_word(configure: Any) -> None:
    rule = configure(model="m", expected_lengths=("a", "(C)", "2 paragraphs")).rule()

    assert rule.expected_lengths == (
        ExpectedLength.ONE_SENTENCE,
        ExpectedLength.ONE_PARAGRAPH,
        ExpectedLength.TWO_PARAGRAPHS,
    )
