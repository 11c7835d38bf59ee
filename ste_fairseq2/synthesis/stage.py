"""What the stages that ask a model have in common: resume, drops, quarantine, manifest.

A stage is a :class:`StageWork`: what it reads, which :class:`~ste_fairseq2.synthesis.tasks.RecordTask`
each input record becomes, and what its results depend on. :func:`run_stage` does the rest: it refuses
malformed input beyond the limit, goes on where an earlier run was left, writes each record as it is
finished, notes every record that was dropped with its reason, and ends with the manifest.

A stage whose records are not those of its input, one or several each, is a :class:`StageBase` and says
itself how it goes on; :func:`run_stage_by` does the rest of that.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from ste_fairseq2.engines.prompting import Prompter, make_prompter
from ste_fairseq2.engines.protocol import Engine
from ste_fairseq2.engines.start import running_engine
from ste_fairseq2.errors import EmptyDataError
from ste_fairseq2.progress import WorkProgress
from ste_fairseq2.prompts import PromptTemplate
from ste_fairseq2.records import Message
from ste_fairseq2.store import Manifest, Quarantine, StageStore, read_manifest
from ste_fairseq2.synthesis.config import StageConfig
from ste_fairseq2.synthesis.inputs import Content, InputRecord, InputScan, StageInputs, ignore
from ste_fairseq2.synthesis.tasks import RecordTask, finish_tasks

ContentT = TypeVar("ContentT", bound=Content)

IsDone: TypeAlias = Callable[[str], bool]
"""Tells by its id whether a record is there, or was dropped."""


@dataclass(frozen=True, kw_only=True)
class StageBase(Generic[ContentT]):
    """What a stage reads, and what its results depend on."""

    name: str
    """The command: `respond`, `worsen` …"""
    inputs: StageInputs[ContentT]
    template: PromptTemplate | None = None
    probe: Sequence[Message] | None = (Message("user", "?"),)
    """Messages of the roles that prompts have, where no template tells: a model that cannot render them
    is refused at the start. ``None`` where prompts come rendered."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the configuration that the results depend on."""
    describe: Callable[[StageStore], dict[str, Any]] = lambda store: {}
    """Returns what the manifest says of the finished records."""


@dataclass(frozen=True, kw_only=True)
class StageWork(StageBase[ContentT]):
    """A stage that makes one record, or several, of each of its input."""

    make_tasks: Callable[[InputRecord[ContentT], Prompter, IsDone], Iterable[RecordTask]]
    """Makes the tasks of a record that are not done yet."""
    tasks_per_record: int = 1


@dataclass(frozen=True, kw_only=True)
class StageTools:
    """What a stage works with while its engine runs."""

    store: StageStore
    prompter: Prompter
    engine: Engine
    progress: WorkProgress


@dataclass(frozen=True, kw_only=True)
class Remainder:
    """What is left to do of a stage."""

    total: int
    """Steps in all, as the progress counts them."""
    done: int
    """Steps that earlier runs have made."""
    tokens_spent: int = 0
    """Tokens that earlier runs have spent, beside those that the store knows of."""
    finish: Callable[[StageTools], None]
    """Does it."""


@dataclass(frozen=True)
class StageOutcome:
    """What a run of a stage left behind."""

    folder: Path
    manifest: Manifest
    was_complete: bool
    """Whether everything was there already."""


def run_stage(config: StageConfig, work: StageWork[ContentT]) -> StageOutcome:
    """Do what is not done yet.

    :raises InputError: input, model folder, prompt or configuration is wrong; nothing was begun.
    :raises EmptyDataError: no record came of anything.
    :raises EngineError: the engine failed; what is finished is kept.
    """

    def find_rest(scan: InputScan, store: StageStore) -> Remainder | None:
        total = len(scan.ids) * work.tasks_per_record
        if store.num_done >= total:
            return None

        return Remainder(
            total=total, done=store.num_done, finish=lambda tools: _finish_records(work, tools)
        )

    return run_stage_by(config, work, find_rest)


def run_stage_by(
    config: StageConfig,
    work: StageBase[ContentT],
    find_rest: Callable[[InputScan, StageStore], Remainder | None],
) -> StageOutcome:
    """Do what is not done yet, as the stage says itself; see :func:`run_stage` for what is raised.

    :param find_rest: returns what is left to do; ``None`` where only the manifest is missing.
    """
    config.check_model()
    scan = work.inputs.scan()
    _check_scan(config, scan, work.inputs.location)
    digests = config.model_digests() | {"data": work.inputs.digest}
    if work.template is not None:
        digests["prompt"] = work.template.digest

    with StageStore(config.output, work.name, stage_identity(config, work.settings, digests)) as store:
        finished = read_manifest(config.output)
        if finished is not None:
            return StageOutcome(config.output, finished, was_complete=True)
        details = {"inputs": work.inputs.lineage, "model": config.model}
        if work.template is not None:
            details["prompt"] = work.template.name
        rest = find_rest(scan, store)
        if rest is not None:
            details |= _complete_store(config, store, work, rest)
        counts = {"kept": store.num_records, "malformed": len(scan.errors), **store.dropped}
        if not store.num_records:
            raise EmptyDataError(f"`{config.output}`", counts)
        details |= {"tokens": dict(store.tokens), **work.describe(store)}

        return StageOutcome(
            config.output, store.finish(counts, digests=digests, details=details), was_complete=False
        )


def _check_scan(config: StageConfig, scan: InputScan, location: str) -> None:
    """Put malformed rows into the quarantine of the output folder.

    :raises QuarantineLimitError: there are too many.
    :raises EmptyDataError: there is nothing else.
    """
    if not scan.num_rows:
        raise EmptyDataError(f"`{location}`")
    quarantine = Quarantine(config.output, limit=config.quarantine_limit)
    for error in scan.errors:
        quarantine.add(error)
    quarantine.check(scan.num_rows)
    if not scan.ids:
        raise EmptyDataError(f"`{location}`", {"malformed": len(scan.errors)})


def stage_identity(
    config: StageConfig, settings: Mapping[str, Any], digests: Mapping[str, str]
) -> dict[str, Any]:
    """Return everything that a record depends on; a resume with anything else is refused."""
    return {
        "temperature": config.temperature,
        "top_p": config.top_p,
        "max_tokens": config.max_tokens,
        "seed": config.seed,
        "limit": config.limit,
        **config.engine_identity(),
        **settings,
        **{f"{name}_digest": digest for name, digest in digests.items()},
    }


def _complete_store(
    config: StageConfig, store: StageStore, work: StageBase[ContentT], rest: Remainder
) -> dict[str, Any]:
    """Start the engine and do what is left.

    :returns: what the manifest says of the engine.
    """
    prompter = make_prompter(config)
    probe = work.probe if work.template is None else work.template.messages
    if probe is not None:
        prompter.render(probe)
    tokens_spent = store.tokens.total() + rest.tokens_spent
    with (
        running_engine(
            config, stop_token_ids=prompter.stop_token_ids, tokens_spent=tokens_spent
        ) as engine,
        WorkProgress(work.name, total=rest.total, done=rest.done) as progress,
    ):
        rest.finish(StageTools(store=store, prompter=prompter, engine=engine, progress=progress))

        return {"engine": dict(engine.description), "seconds_of_last_run": round(progress.seconds, 3)}


def _finish_records(work: StageWork[ContentT], tools: StageTools) -> None:
    """Finish the tasks, writing each as it comes."""
    store = tools.store
    tasks = itertools.chain.from_iterable(
        work.make_tasks(record, tools.prompter, store.__contains__)
        for record in work.inputs.records(on_error=ignore)
    )
    for task in finish_tasks(tasks, tools.engine):
        row = task.row
        if row is not None:
            store.append(row)
        else:
            store.drop(task.id, task.reason, task.detail)
        tools.progress.advance(1, task.num_output_tokens, dropped=int(row is None))
