"""The stage behind `ste select`: which instructions of a large source a judge will be trained on.

Without a model: filters, duplicates, benchmarks. With one, every candidate that passes these is labelled
with its category, complexity and expected length, and a rule on the labels decides. Of what qualifies, a
seeded choice takes as many as are wanted.

Layout of the output folder, besides that of every stage (see ``store/stage.py``)::

    labels/      the labels of all candidates, as an output folder of its own: a kill loses none
    .work/       the candidates, until the end

The rule and the number wanted can be changed as long as the stage has not ended: what was read and
labelled stays.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.engines.prompting import Prompter
from ste_fairseq2.engines.protocol import GenerationResult
from ste_fairseq2.errors import EmptyDataError
from ste_fairseq2.instructions.choice import choose, describe_choice
from ste_fairseq2.instructions.labels import Labels, parse_labels
from ste_fairseq2.instructions.pool import PASSED, Pool, make_pool
from ste_fairseq2.instructions.sources import InstructionSource
from ste_fairseq2.jsonl import read_rows
from ste_fairseq2.models.hf_folder import HUB_PREFIX
from ste_fairseq2.prompts import PromptTemplate, load_prompt
from ste_fairseq2.records import Instruction
from ste_fairseq2.store import (
    Manifest,
    Quarantine,
    StageStore,
    find_record_files,
    lineage_of,
    read_manifest,
)
from ste_fairseq2.store.folder import check_config, lock_folder, write_config
from ste_fairseq2.store.stage import TOKEN_FIELDS
from ste_fairseq2.synthesis.inputs import InputRecord, StageInputs
from ste_fairseq2.synthesis.replies import ReplyPlan, ReplyTask, Unusable
from ste_fairseq2.synthesis.select_config import SelectConfig
from ste_fairseq2.synthesis.stage import (
    IsDone,
    StageOutcome,
    StageWork,
    run_stage,
    stage_identity,
)

_STAGE: Final = "select"
_FIELD: Final = "input"

LABELS_NAME: Final = "labels"
_WORK_NAME: Final = ".work"


@dataclass(frozen=True)
class _Labelling:
    """The labels of the candidates, and what the manifest says of how they were made."""

    labels: Mapping[str, Labels]
    """By the instruction's id."""
    manifest: Manifest


def run_select(config: SelectConfig) -> StageOutcome:
    """Select, going on where an earlier run was left.

    :raises InputError: source, benchmark, model folder, prompt or configuration is wrong.
    :raises EmptyDataError: no instruction is left.
    :raises EngineError: the engine failed; what is labelled is kept.
    """
    template = None
    if config.has_model:
        config.check_model()
        template = load_prompt(config.prompt)
        template.require(_FIELD)
    source = InstructionSource(config.inputs, text_field=config.text_field)
    digests = {"data": source.digest}
    pool_identity = config.pool_identity() | {"data_digest": digests["data"]}
    if template is not None:
        digests |= config.model_digests() | {"prompt": template.digest}
    identity = _identity(config, digests)
    finished = _find_finished(config.output, identity)
    if finished is not None:
        return StageOutcome(config.output, finished, was_complete=True)

    work = config.output / _WORK_NAME
    with contextlib.closing(lock_folder(work)):
        if not check_config(work, pool_identity):
            write_config(work, pool_identity)
        pool = make_pool(source, config.pool_settings(), work, lambda: _start_quarantine(config))
        if not len(pool):
            raise EmptyDataError(f"`{config.inputs}`", _counts_of(pool))
        labelling = _label(config, pool, template) if template is not None else None
        manifest = _write_choice(config, identity, digests, pool, labelling)
        shutil.rmtree(work)

    return StageOutcome(config.output, manifest, was_complete=False)


def read_labels(result: GenerationResult, record_id: str) -> dict[str, Any] | Unusable:
    """Return the row of the labels that a reply gives an instruction, or why there is none."""
    labels = parse_labels(result.text)
    if labels is None:
        return Unusable("truncated" if result.finish_reason == "length" else "unparseable")

    return {"id": record_id} | labels.to_row()


def _label(config: SelectConfig, pool: Pool, template: PromptTemplate) -> _Labelling:
    """Label the candidates that have no labels yet."""
    folder = config.output / LABELS_NAME
    plan = ReplyPlan(
        stage=_STAGE, sampling=config.sampling(), seed=config.seed, attempts=config.attempts
    )

    def make_tasks(
        record: InputRecord[Instruction], prompter: Prompter, is_done: IsDone
    ) -> Iterator[ReplyTask]:
        if not is_done(record.id):
            yield ReplyTask(
                record.id,
                lambda: prompter.render(template.render({_FIELD: record.content.instruction})),
                plan,
                lambda result: read_labels(result, record.id),
            )

    outcome = run_stage(
        dataclasses.replace(config, inputs=str(pool.path), output=folder, limit=None),
        StageWork(
            name=_STAGE,
            inputs=StageInputs(str(pool.path), Instruction.from_row),
            make_tasks=make_tasks,
            template=template,
            settings={"attempts": config.attempts},
        ),
    )
    rows = (row for path in find_record_files(folder) for row in read_rows(path))

    return _Labelling({row.text("id"): Labels.from_row(row) for row in rows}, outcome.manifest)


def _write_choice(
    config: SelectConfig,
    identity: Mapping[str, Any],
    digests: Mapping[str, str],
    pool: Pool,
    labelling: _Labelling | None,
) -> Manifest:
    """Write the instructions that are chosen, in the order of the choice, and the manifest.

    :raises EmptyDataError: none qualifies.
    """
    counts = _counts_of(pool)
    if labelling is None:
        qualifying = [instruction.id for instruction in pool.instructions()]
    else:
        qualifying = _apply_rule(config, labelling, counts)
    chosen = choose(qualifying, config.count, config.seed)
    counts["kept"] = len(chosen)
    counts["not_chosen"] = len(qualifying) - len(chosen)
    if not chosen:
        raise EmptyDataError(f"`{config.inputs}`", counts)

    with StageStore(config.output, _STAGE, identity) as store:
        for instruction in pool.pick(chosen):
            if instruction.id not in store:
                labels = labelling.labels[instruction.id].to_row() if labelling is not None else {}
                store.append(instruction.to_row() | labels)
        details = _describe(config, pool, labelling)
        details["choice"] = describe_choice(len(chosen), len(qualifying), config.seed)

        return store.finish(dict(counts), digests=digests, details=details)


def _apply_rule(config: SelectConfig, labelling: _Labelling, counts: Counter[str]) -> list[str]:
    """Return the ids of those that qualify, and count the others by reason."""
    for reason, count in labelling.manifest.counts.items():
        if reason not in ("kept", "malformed"):
            counts[f"label_{reason}"] += count
    rule, qualifying = config.rule(), []
    for record_id, labels in labelling.labels.items():
        against = rule.reason_against(labels)
        if against is None:
            qualifying.append(record_id)
        else:
            counts[against] += 1

    return qualifying


def _describe(config: SelectConfig, pool: Pool, labelling: _Labelling | None) -> dict[str, Any]:
    is_hub = config.inputs.startswith(HUB_PREFIX)
    details: dict[str, Any] = {
        "inputs": {"path": config.inputs} if is_hub else lineage_of(Path(config.inputs)),
        "contamination": {"benchmarks": pool.report.benchmarks, "hits": pool.report.hits},
        "tokens": dict.fromkeys(TOKEN_FIELDS, 0),
    }
    if labelling is not None:
        categories = Counter(labels.category for labels in labelling.labels.values())
        made_with = {
            name: value for name, value in labelling.manifest.details.items() if name != "inputs"
        }
        details |= made_with | {"categories": dict(categories)}

    return details


def _identity(config: SelectConfig, digests: Mapping[str, str]) -> dict[str, Any]:
    """Return everything that the result depends on."""
    settings = config.pool_identity() | {"count": config.count}
    if not config.has_model:
        return settings | {"seed": config.seed, "data_digest": digests["data"]}

    return stage_identity(config, settings | config.rule_identity(), digests)


def _find_finished(folder: Path, identity: Mapping[str, Any]) -> Manifest | None:
    """Return the manifest of a selection that has ended.

    :raises ResumeMismatchError: the folder was finished with another configuration.
    """
    check_config(folder, {"stage": _STAGE, **json.loads(json.dumps(identity))})

    return read_manifest(folder)


def _start_quarantine(config: SelectConfig) -> Quarantine:
    return Quarantine(config.output, limit=config.quarantine_limit)


def _counts_of(pool: Pool) -> Counter[str]:
    return Counter({reason: n for reason, n in pool.report.counts.items() if reason != PASSED})
