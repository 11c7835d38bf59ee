"""Errors say what is wrong in one sentence, and survive the way out of a worker process."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from ste_fairseq2 import errors
from ste_fairseq2.errors import (
    ChatTemplateError,
    ConfigError,
    DemoError,
    EmptyDataError,
    EndpointAccessError,
    EngineError,
    FolderBusyError,
    InputError,
    LoopStepError,
    MissingFieldError,
    MissingPathError,
    ModelFolderError,
    NoCheckpointError,
    PromptDigestError,
    PromptFileError,
    QuarantineLimitError,
    QueueError,
    RemoteCodeError,
    ResumeMismatchError,
    RowError,
    SteError,
    TokenBudgetError,
    UnfinishedStageError,
    UnscorableValidationError,
)

EXAMPLES = [
    MissingPathError("data file", Path("a.jsonl")),
    RowError("a.jsonl", 3, "tgt", "is missing."),
    EmptyDataError("`a.jsonl`", {"too_long": 2, "kept": 0}),
    QuarantineLimitError(3, 100, 0.01, Path("out/quarantine.jsonl")),
    ResumeMismatchError(Path("out"), ["`seed` (1 then, 2 now)"]),
    UnfinishedStageError(Path("out"), "judge"),
    FolderBusyError(Path("out")),
    ConfigError("seed", "must be a whole number, but is 'x'."),
    MissingFieldError("output"),
    NoCheckpointError(Path("runs/dpo/checkpoints")),
    UnscorableValidationError("verdict_accuracy", "names the better answer by [[A]] or [[B]]"),
    ModelFolderError("model", "it has no weights."),
    RemoteCodeError(Path("model")),
    ChatTemplateError("it leaves out the system message."),
    PromptFileError("prompt `p` holds an empty message."),
    PromptDigestError("p", "aa", "bb"),
    EndpointAccessError("http://localhost:8000/v1", "OPENAI_API_KEY", has_key=False),
    EndpointAccessError("http://localhost:8000/v1", "OPENAI_API_KEY", has_key=True),
    TokenBudgetError(spent=90, budget=100, needed=20),
    LoopStepError("round-1/sft/run", 1, Path("runs/loop/logs/round-1.sft.run.log")),
    QueueError("`squeue` ended with status 1: slurm_load_jobs error"),
    DemoError("both-orders", 1),
    EngineError("the engine died."),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda e: type(e).__name__)
def test_pickle_keeps_message_and_attributes(error: SteError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_examples_cover_every_error() -> None:
    kinds = {k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, SteError)}

    assert kinds - {SteError, InputError} <= {type(e) for e in EXAMPLES} | _later_additions(kinds)


def _later_additions(kinds: set[type]) -> set[type]:
    """Errors with one plain message need no example: they are pickled as any exception is."""
    return {k for k in kinds if k.__init__ in (Exception.__init__, SteError.__init__)}


def test_row_error_names_file_line_and_field() -> None:
    assert str(RowError("a.jsonl", 3, "tgt", "is missing.")) == "a.jsonl:3: `tgt` is missing."
    assert str(RowError("a.jsonl", 3, None, "is not UTF-8.")) == "a.jsonl:3: is not UTF-8."


def test_counts_are_shown_in_a_fixed_order() -> None:
    error = EmptyDataError("`a.jsonl`", {"too_long": 2, "kept": 0})

    assert str(error) == "`a.jsonl` holds no usable record (kept: 0, too_long: 2)."
