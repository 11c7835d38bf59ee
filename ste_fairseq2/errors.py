"""Every error a user can cause, one class per condition.

The command lines map :class:`InputError` to exit status 2 and print its message as one sentence;
any other :class:`SteError` ends with status 1. A message says where (field or file:line), what was
expected, what was found and what to do next. To add a condition: subclass :class:`InputError` here,
keep what was found as attributes, and compose the sentence in ``__init__``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class SteError(Exception):
    """Base of all errors this project raises on purpose.

    An error may be raised in a worker process, so it can be pickled whatever its ``__init__`` takes.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.args, self.__dict__))


class InputError(SteError):
    """The user's input or configuration is wrong; exit status 2."""


class MissingPathError(InputError):
    """A file or folder that was named does not exist."""

    def __init__(self, what: str, path: Path | str) -> None:
        super().__init__(f"{what}: `{path}` does not exist; check the path.")
        self.path = path


class RowError(InputError):
    """A line of a data file does not hold the record that was expected.

    :param field: the field that is wrong, or ``None`` where the line itself is.
    """

    def __init__(self, source: str, line: int, field: str | None, reason: str) -> None:
        where = f"{source}:{line}"
        super().__init__(f"{where}: `{field}` {reason}" if field else f"{where}: {reason}")
        self.source = source
        self.line = line
        self.field = field
        self.reason = reason


class EmptyDataError(InputError):
    """Nothing is left to work on."""

    def __init__(self, what: str, counts: Mapping[str, int] | None = None) -> None:
        detail = ""
        if counts:
            detail = " (" + ", ".join(f"{k}: {v}" for k, v in sorted(counts.items())) + ")"
        super().__init__(f"{what} holds no usable record{detail}.")


class QuarantineLimitError(InputError):
    """More malformed rows than the limit allows."""

    def __init__(
        self, bad: int, total: int, limit: float, path: Path, first: RowError | None = None
    ) -> None:
        example = f"the first is {str(first).rstrip('.')}; " if first is not None else ""
        super().__init__(
            f"{bad} of {total} rows are malformed, more than the limit of {limit:.2%}; {example}"
            f"see `{path}` for file:line and reason, mend them or raise `--quarantine-limit`."
        )


class ResumeMismatchError(InputError):
    """An output folder was begun under another configuration."""

    def __init__(self, folder: Path, differences: Sequence[str]) -> None:
        super().__init__(
            f"`{folder}` was begun with another configuration; it differs in "
            + "; ".join(differences)
            + ". Use the same configuration to go on, or another output folder."
        )
        self.differences = tuple(differences)


class UnfinishedStageError(InputError):
    """The output folder of a stage that has not ended is to be read."""

    def __init__(self, folder: Path, stage: str) -> None:
        super().__init__(
            f"`{folder}` is the output of `ste {stage}`, which has not ended; run that again first."
        )


class FolderBusyError(InputError):
    """Another process writes to the output folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"`{folder}` is being written by another process; wait for it or stop it.")


class ConfigError(InputError):
    """A configuration value cannot be meant."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"`{field}` {reason}")
        self.field = field
        self.reason = reason

    def within(self, section: str) -> ConfigError:
        """Return the same error of a field that lies in a section."""
        return ConfigError(f"{section}.{self.field}", self.reason)


class MissingFieldError(ConfigError):
    """A configuration lacks a value that has no default."""

    def __init__(self, field: str) -> None:
        super().__init__(field, "must be given.")


class NoCheckpointError(InputError):
    """A training run has left no checkpoint."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"`{folder}` holds no checkpoint (step_N); name the output folder of a training run that "
            "has written one."
        )


class UnscorableValidationError(InputError):
    """The validation rows do not tell what a run is to be scored by."""

    def __init__(self, metric: str, needed: str) -> None:
        super().__init__(
            f"`regime.score_metric` is `{metric}`, but no row of `valid_sources` {needed}; validate on "
            "rows of `ste prepare-sft` or `ste prepare-dpo`, or score by another metric."
        )


class ModelFolderError(InputError):
    """A folder does not hold a Hugging Face model that can be used."""

    def __init__(self, folder: Path | str, reason: str) -> None:
        super().__init__(f"`{folder}` is not a usable model folder: {reason}")


class RemoteCodeError(InputError):
    """A model folder brings code that it cannot be loaded without, and that nobody has allowed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"`{folder}` brings Python code of its own, which would run with your rights; read it, and "
            "set `trust_remote_code` if you trust it."
        )


class ChatTemplateError(InputError):
    """The chat template of a model cannot render a conversation faithfully."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"chat template: {reason}")


class PromptFileError(InputError):
    """A prompt is not known, or does not hold the fields it must."""


class PromptDigestError(InputError):
    """A fetched prompt is not the one that was released."""

    def __init__(self, name: str, expected: str, found: str) -> None:
        super().__init__(
            f"prompt `{name}`: expected the SHA-256 {expected}, but the fetched bytes have {found}; "
            "nothing was kept. Check the network (a proxy page?) and try again."
        )


class EndpointAccessError(InputError):
    """An endpoint does not let us in.

    :param key_name: the environment variable that the key is read from.
    """

    def __init__(self, url: str, key_name: str, *, has_key: bool) -> None:
        what = (
            f"refused the key in the environment variable {key_name}; put a valid one there that may "
            "use the model"
            if has_key
            else f"asks for a key: set the environment variable {key_name} (`api_key_env` names it)"
        )
        super().__init__(f"the endpoint `{url}` {what}.")


class TokenBudgetError(InputError):
    """What is left of the token budget does not cover the next request."""

    def __init__(self, spent: int, budget: int, needed: int) -> None:
        super().__init__(
            f"the token budget of {budget} does not cover the next request: {spent} are spent, and it "
            f"may take up to {needed}. What is finished is kept; raise `--token-budget` and run the "
            "same command again to go on."
        )
        self.spent = spent
        self.budget = budget


class LoopStepError(SteError):
    """A step of a loop failed; started again, the loop goes on with it."""

    def __init__(self, step: str, status: int, log: Path) -> None:
        how = f"ended with status {status}" if status >= 0 else f"was killed by signal {-status}"
        super().__init__(
            f"step `{step}` {how}; see `{log}`, mend what it says there and run the same command again "
            "to go on."
        )
        self.step = step
        self.status = status


class QueueError(SteError):
    """SLURM's queue cannot be looked at."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"{reason} Whether a job of an earlier run is still under way is not known, so nothing was "
            "submitted; run the same command again to go on."
        )


class DemoError(SteError):
    """A loop of the demonstration failed; its own error stands above."""

    def __init__(self, loop: str, status: int) -> None:
        super().__init__(
            f"the loop `{loop}` ended with status {status}; mend what it says above and run the same "
            "command again to go on."
        )


class EngineError(SteError):
    """An inference engine failed for a reason that is not the user's input."""


def _rebuild(kls: type[SteError], args: tuple[Any, ...], state: dict[str, Any]) -> SteError:
    """Make a pickled error again without composing its message a second time."""
    error = kls.__new__(kls, *args)
    error.__dict__.update(state)

    return error
