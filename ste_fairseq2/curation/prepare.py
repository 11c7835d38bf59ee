"""`ste prepare-sft` and `ste prepare-dpo`: scan, select, write, and say what became of every sample."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ste_fairseq2.curation.config import CurationConfig, PrepareDpoConfig, PrepareSftConfig
from ste_fairseq2.curation.files import NEGATIVES, collect_files, cut_into_blocks
from ste_fairseq2.curation.outcomes import REJECTED, Outcome
from ste_fairseq2.curation.output import OutputFolder, resolve_config
from ste_fairseq2.curation.parallel import Workers
from ste_fairseq2.curation.scan import COLUMNS, scan_block
from ste_fairseq2.curation.write import ExampleWriter, Written
from ste_fairseq2.errors import EmptyDataError, RowError
from ste_fairseq2.jsonl import find_data_files
from ste_fairseq2.rng import derived_seed
from ste_fairseq2.store.manifest import Manifest
from ste_fairseq2.store.quarantine import Quarantine

if TYPE_CHECKING:
    from ste_fairseq2.curation.index import SampleIndex
    from ste_fairseq2.curation.selection import Selection

_NOT_IN_RESULT = ("output_dir", "quarantine_limit", "workers")
"""Fields that the written examples do not depend on."""


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """What the examples of a stage look like."""

    num_examples: int = 1
    num_parts: int = 1
    rejected: Sequence[Outcome] = ()
    limits: Mapping[Outcome, float] = field(default_factory=dict)
    negatives: Path | None = None


def prepare_sft(config: PrepareSftConfig) -> Manifest:
    """Keep one right judgement of each prompt and write ``{id, src, tgt}``.

    :raises InputError:
    """
    return _prepare("prepare-sft", config, _Shape())


def prepare_dpo(config: PrepareDpoConfig) -> Manifest:
    """Pair right judgements with failed ones and write ``{id, src, tgt_chosen, tgt_rejected}``.

    :raises InputError:
    """
    shape = _Shape(
        num_examples=config.num_pairs,
        num_parts=config.num_iter,
        rejected=REJECTED,
        limits=config.limits(),
        negatives=config.negative_generation_dir,
    )

    return _prepare("prepare-dpo", config, shape)


def _prepare(stage: str, config: CurationConfig, shape: _Shape) -> Manifest:
    folders = [*config.generation_dir, *([shape.negatives] if shape.negatives else [])]
    inputs = [path for folder in folders for path in find_data_files(folder)]
    resolved = resolve_config(stage, config, without=_NOT_IN_RESULT)
    salt = derived_seed(config.seed, stage, "")

    with OutputFolder(config.output_dir, resolved, inputs) as output:
        finished = output.finished()
        if finished is not None:
            return finished

        bad_rows = BadRows(Quarantine(output.path, limit=config.quarantine_limit))
        with Workers(config.workers) as workers:
            files = collect_files(config.generation_dir, shape.negatives, output.scratch, bad_rows.add)
            blocks = list(cut_into_blocks(files))
            scans = workers.map(functools.partial(scan_block, salt=salt), blocks)

            # Imported while the workers scan: DuckDB and numpy take longer than a block does.
            from ste_fairseq2.curation.index import SampleIndex, fill_index
            from ste_fairseq2.curation.selection import Selection, SelectionRules

            index = SampleIndex(output.scratch, COLUMNS, threads=workers.count)
            fill_index(index, scans, bad_rows.add, num_blocks=len(blocks))
            bad_rows.check(index.num_samples)

            rules = SelectionRules(
                rejected=shape.rejected,
                limits=shape.limits,
                num_examples=shape.num_examples,
                num_parts=shape.num_parts,
                num_shards=config.num_shards,
                majority_voting=config.majority_voting,
                min_agreement=config.min_agreement,
                balance=config.balance,
                mix=config.mix,
                salt=salt,
            )
            selection = Selection(index, rules, num_sets=len(config.generation_dir))
            selection.run()

            writer = ExampleWriter(output.staged, files, workers)
            written = writer.write(selection.batches(), in_parts=shape.num_parts > 1)
        manifest = _manifest(stage, resolved, index, bad_rows, selection, writer, written)
        index.close()
        output.commit(manifest)

    return manifest


class BadRows:
    """Counts malformed rows, those of the negatives apart, and hands them to the quarantine."""

    def __init__(self, quarantine: Quarantine) -> None:
        self._quarantine = quarantine
        self.in_sets = 0
        self.in_negatives = 0

    def add(self, set_number: int, error: RowError) -> None:
        self._quarantine.add(error)
        if set_number == NEGATIVES:
            self.in_negatives += 1
        else:
            self.in_sets += 1

    def check(self, num_samples: int) -> None:
        """
        :raises QuarantineLimitError: there are too many.
        :raises EmptyDataError: there is nothing else.
        """
        total = num_samples + self.in_sets + self.in_negatives
        self._quarantine.check(total)
        if not num_samples:
            raise EmptyDataError("the input", {"malformed": total})


def _manifest(
    stage: str,
    config: dict[str, Any],
    index: SampleIndex,
    bad_rows: BadRows,
    selection: Selection,
    writer: ExampleWriter,
    written: Sequence[Written],
) -> Manifest:
    digests = {"samples": index.digest(negatives=False)}
    details: dict[str, Any] = {
        "samples": selection.count_outcomes(),
        "prompts": selection.count_prompts(),
        "examples": _count_examples(selection),
        "lengths": {"chosen": writer.chosen.report()},
        "files": {
            file.path.as_posix(): {"rows": file.num_rows, "sha256": file.sha256} for file in written
        },
    }
    if config.get("rejected_share") is not None:
        details["lengths"]["rejected"] = writer.rejected.report()
    if config.get("negative_generation_dir") is not None:
        digests["negatives"] = index.digest(negatives=True)
        details["negatives"] = {
            "samples": selection.count_outcomes(negatives=True),
            "counts": {"malformed": bad_rows.in_negatives, **selection.count_fates(negatives=True)},
        }

    return Manifest(
        stage=stage,
        config=config,
        counts={"malformed": bad_rows.in_sets, **selection.count_fates()},
        digests=digests,
        details=details,
    )


def _count_examples(selection: Selection) -> dict[str, Any]:
    """Count what was written by the better answer, by the rejected side's reason and by set."""
    sets = selection.count_examples()
    kinds = [(kind, size) for counts in sets for kind, size in counts.items()]
    reasons = sorted({kind.reason for kind, _ in kinds if kind.reason is not None})

    return {
        "drawn": selection.count_drawn(),
        "written": sum(size for _, size in kinds),
        "gold": {
            name: sum(size for kind, size in kinds if kind.gold_b is gold_b)
            for name, gold_b in (("A", False), ("B", True))
        },
        "rejected": {
            reason.name.lower(): sum(size for kind, size in kinds if kind.reason is reason)
            for reason in reasons
        },
        "sets": [sum(counts.values()) for counts in sets],
    }
