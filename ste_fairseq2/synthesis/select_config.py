"""What `ste select` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.instructions.benchmarks import check_benchmark
from ste_fairseq2.instructions.filters import Filters
from ste_fairseq2.instructions.labels import (
    CATEGORIES,
    MAX_COMPLEXITY,
    ExpectedLength,
    LabelRule,
    find_category,
    find_length,
)
from ste_fairseq2.instructions.pool import PoolSettings
from ste_fairseq2.synthesis.config import StageConfig

NO_MODEL: Final = "none"
ANY_CATEGORY: Final = "any"

_DEFAULT_CATEGORY: Final = "Knowledge and Reasoning"
_RULE_FIELDS: Final = ("categories", "min_complexity", "max_complexity", "expected_lengths")
_POOL_FIELDS: Final = (
    "text_field",
    "languages",
    "keep_toxic",
    "min_chars",
    "max_chars",
    "near_duplicates",
    "benchmarks",
    "ngram",
    "limit",
)


@dataclass(kw_only=True)
class SelectConfig(StageConfig):
    """`ste select`."""

    inputs: str
    """instructions: JSONL or parquet (a file or a folder), or a data set such as
    hg://allenai/WildChat-1M"""
    model: str = NO_MODEL
    """model that labels the candidates: a folder, or with `--engine endpoint` its name there; with none
    nothing is labelled"""
    text_field: str | None = None
    """field that holds the instruction; where absent the first there is of instruction, prompt, input,
    question and conversation (of which it is the last question)"""
    languages: tuple[str, ...] = ()
    """languages to keep, such as English, of rows that name theirs; where absent, all"""
    keep_toxic: bool = False
    """keep what the source marks as toxic"""
    min_chars: int = 1
    """shortest instruction, in characters"""
    max_chars: int | None = 8000
    """longest instruction, in characters"""
    near_duplicates: float = 0.8
    """share of common runs of three words (Jaccard index, 0.5 to 1) from which on only one of two
    instructions is kept; at 1 only those that differ in case, spacing and punctuation alone"""
    benchmarks: tuple[str, ...] = ()
    """benchmarks whose prompts are taken out, by name (rewardbench, judgebench, helpsteer2 …) or as
    files or folders"""
    ngram: int = 13
    """words in a row that an instruction must not share with a benchmark"""
    prompt: str = "label"
    """prompt that asks for the labels, by name or path"""
    attempts: int = 3
    """replies drawn for an instruction until its labels can be read"""
    temperature: float = 0.3
    """0 is greedy"""
    max_tokens: int = 512
    """longest reply of the model"""
    categories: tuple[str, ...] | None = None
    """categories to keep, or any; where absent and there is a model, Knowledge and Reasoning (the paper
    says only "reasoning"; whether that took in Mathematical reasoning is not disclosed)"""
    min_complexity: int | None = None
    """least complexity to keep, 1 to 10"""
    max_complexity: int | None = None
    """greatest complexity to keep, 1 to 10"""
    expected_lengths: tuple[str, ...] | None = None
    """expected lengths to keep: a (1 sentence), b (1-3 sentences), c (1 paragraph), d (2 paragraphs),
    e (3 or more)"""
    count: int | None = None
    """instructions wanted; of more that qualify, a choice by the seed. Where absent, all"""

    @property
    def has_model(self) -> bool:
        return self.model != NO_MODEL

    def validate(self) -> None:
        super().validate()
        for name in ("min_chars", "max_chars", "ngram", "attempts", "count"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(name, f"must be at least 1, but is {value}.")
        if self.max_chars is not None and self.max_chars < self.min_chars:
            raise ConfigError("max_chars", f"must be at least `min_chars` ({self.min_chars}).")
        if not 0.5 <= self.near_duplicates <= 1.0:
            raise ConfigError("near_duplicates", f"must be 0.5 to 1, but is {self.near_duplicates}.")
        self.check_varied("attempts")
        for name in self.benchmarks:
            check_benchmark(name)
        self._validate_rule()

    def rule(self) -> LabelRule:
        """Return what the labels of an instruction must be."""
        names = self.categories if self.categories is not None else (_DEFAULT_CATEGORY,)
        lengths = self.expected_lengths

        return LabelRule(
            categories=None if names == (ANY_CATEGORY,) else tuple(map(_read_category, names)),
            min_complexity=self.min_complexity,
            max_complexity=self.max_complexity,
            expected_lengths=None if lengths is None else tuple(map(_read_length, lengths)),
        )

    def rule_identity(self) -> dict[str, Any]:
        rule = self.rule()

        return {
            "categories": None if rule.categories is None else sorted(rule.categories),
            "min_complexity": rule.min_complexity,
            "max_complexity": rule.max_complexity,
            "expected_lengths": (
                None
                if rule.expected_lengths is None
                else sorted(length.value for length in rule.expected_lengths)
            ),
            "attempts": self.attempts,
        }

    def pool_settings(self) -> PoolSettings:
        return PoolSettings(
            filters=Filters(
                languages=self.languages,
                keep_toxic=self.keep_toxic,
                min_chars=self.min_chars,
                max_chars=self.max_chars,
            ),
            near_duplicates=self.near_duplicates,
            benchmarks=self.benchmarks,
            ngram=self.ngram,
            limit=self.limit,
        )

    def pool_identity(self) -> dict[str, Any]:
        """Return what the candidates depend on, beside the source."""
        values = {name: getattr(self, name) for name in _POOL_FIELDS}

        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    def _validate_rule(self) -> None:
        if not self.has_model:
            for name in _RULE_FIELDS:
                if getattr(self, name) is not None:
                    raise ConfigError(name, "needs labels; name the `model` that gives them.")
            if self.engine == "endpoint":
                raise ConfigError("model", "must be the name that the endpoint has for it.")
        for name in ("min_complexity", "max_complexity"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= MAX_COMPLEXITY:
                raise ConfigError(name, f"must be 1 to {MAX_COMPLEXITY}, but is {value}.")
        if (self.min_complexity or 1) > (self.max_complexity or MAX_COMPLEXITY):
            raise ConfigError("max_complexity", f"must be at least {self.min_complexity}, the least.")
        self.rule()


def _read_category(name: str) -> str:
    category = find_category(name)
    if category is None:
        raise ConfigError(
            "categories", f"must be of {'; '.join(CATEGORIES)}; or {ANY_CATEGORY}; but has {name!r}."
        )

    return category


def _read_length(name: str) -> ExpectedLength:
    length = find_length(name)
    if length is None:
        raise ConfigError("expected_lengths", f"must be letters from a to e, but has {name!r}.")

    return length
