"""From a data set and a configuration to batches, a number of steps and a trainer that is complete."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from fairseq2.checkpoint import CheckpointDir
from fairseq2.gang import Gangs
from fairseq2.logging import log
from fairseq2.recipe.base import RecipeContext
from fairseq2.recipe.config import RegimeSection
from fairseq2.recipe.trainer import TrainUnit
from fairseq2.trainer import Trainer, TrainStepHookArgs

from recipes.common.config import FinetuneConfig, PromptedDatasetSection
from recipes.common.grad_norm import install_grad_norm
from recipes.common.stopping import install_stopping
from ste_fairseq2.datasets.plan import (
    Step,
    cut_batches,
    cut_steps,
    epoch_rows,
    padded_cost,
    tree_cost,
    validation_steps,
)
from ste_fairseq2.datasets.prompted import PromptedDataset
from ste_fairseq2.datasets.reader import PlannedDataReader, StepsOfEpoch
from ste_fairseq2.datasets.verdict import VerdictRows
from ste_fairseq2.errors import InputError
from ste_fairseq2.models.export import export_checkpoint
from ste_fairseq2.models.hf_folder import SIDECAR_NAME, copy_sidecar
from ste_fairseq2.models.source import find_model_folder
from ste_fairseq2.models.tokenizer import ChatTokenizer

BatchT = TypeVar("BatchT")


class TooFewBatchesError(InputError):
    """The data set does not fill one batch a data-parallel rank."""

    def __init__(self, num_batches: int, num_ranks: int) -> None:
        super().__init__(
            f"the data set gives {num_batches} batches, but each of the {num_ranks} data-parallel ranks "
            "needs one; lower `dataset.batch_size` or `dataset.max_num_tokens`, or run on fewer "
            "processes."
        )


def measure_sides(
    context: RecipeContext, section: PromptedDatasetSection, *sides: PromptedDataset[Any, Any] | None
) -> None:
    """Measure the rows of each side that there is; see :meth:`PromptedDataset.measure`."""
    renderer = context.get_tokenizer_as(ChatTokenizer).renderer
    for side in sides:
        if side is not None:
            side.measure(
                renderer,
                context.gangs,
                max_seq_len=section.max_seq_len,
                source_encode_mode=section.source_encode_mode,
            )


def create_readers(
    context: RecipeContext,
    config: FinetuneConfig,
    section: PromptedDatasetSection,
    train: PromptedDataset[Any, BatchT],
    valid: PromptedDataset[Any, BatchT] | None,
    verdicts: VerdictRows | None,
    prefix_tree: bool,
) -> tuple[PlannedDataReader[BatchT], list[PlannedDataReader[Any]]]:
    """Return the reader for training and those for validation, and fix the length of the run.

    :param verdicts: the rows of ``valid`` that have a verdict; their reader comes last.
    """
    gangs, num_accumulate = context.gangs, config.trainer.grad_accumulation.num_batches
    steps = plan_training(
        train,
        section,
        seed=config.common.seed,
        num_ranks=gangs.dp.size,
        num_accumulate=num_accumulate,
        prefix_tree=prefix_tree,
    )
    fix_num_steps(context.resolver.resolve(RegimeSection), steps)
    reader = train.create_reader(steps, gangs, num_accumulate=num_accumulate)

    def plan(rows: PromptedDataset[Any, Any] | VerdictRows) -> StepsOfEpoch:
        return plan_validation(rows, section, num_ranks=gangs.dp.size, prefix_tree=prefix_tree)

    valid_readers: list[PlannedDataReader[Any]] = []
    if valid is not None:
        valid_readers.append(valid.create_reader(plan(valid), gangs))
    if verdicts is not None:
        valid_readers.append(verdicts.create_reader(plan(verdicts), gangs))

    return reader, valid_readers


def plan_training(
    dataset: PromptedDataset[Any, Any],
    section: PromptedDatasetSection,
    *,
    seed: int,
    num_ranks: int,
    num_accumulate: int,
    prefix_tree: bool,
) -> StepsOfEpoch:
    """Return the plan of each epoch.

    :raises TooFewBatchesError: an epoch has no step.
    """
    cost = tree_cost if prefix_tree else padded_cost

    @lru_cache(maxsize=2)
    def steps_of_epoch(epoch: int) -> Sequence[Step]:
        rows = dataset.planned_rows
        batches = cut_batches(
            epoch_rows(rows, dataset.weights, seed=seed, epoch=epoch, batch_size=section.batch_size),
            rows,
            batch_size=section.batch_size,
            max_num_tokens=section.max_num_tokens,
            cost=cost,
        )
        steps = cut_steps(batches, num_ranks=num_ranks, num_accumulate=num_accumulate)
        if not steps:
            raise TooFewBatchesError(len(batches), num_ranks)

        return steps

    return steps_of_epoch


def plan_validation(
    dataset: PromptedDataset[Any, Any] | VerdictRows,
    section: PromptedDatasetSection,
    *,
    num_ranks: int,
    prefix_tree: bool,
) -> StepsOfEpoch:
    """Return a plan that sees every row once, prompts kept together, in the same order each time."""
    rows = dataset.planned_rows
    order = sorted(range(len(rows)), key=lambda k: (rows[k].source, rows[k].prompt, k))
    batches = cut_batches(
        order,
        rows,
        batch_size=section.valid_batch_size or section.batch_size,
        max_num_tokens=section.max_num_tokens,
        cost=tree_cost if prefix_tree else padded_cost,
    )
    steps = validation_steps(batches, num_ranks=num_ranks)

    return lambda epoch: steps


def fix_num_steps(regime: RegimeSection, steps_of_epoch: StepsOfEpoch) -> None:
    """Turn a number of epochs into a number of steps.

    The learning-rate schedule needs the length of the run; and fairseq2 0.8.1, asked for epochs, ends
    a run at once when it is resumed within the last one.
    """
    if regime.num_data_epochs is None:
        return
    num_steps = sum(len(steps_of_epoch(e)) for e in range(1, regime.num_data_epochs + 1))
    log.info("{} data epoch(s) are {} steps.", regime.num_data_epochs, num_steps)

    regime.num_steps = min(num_steps, regime.num_steps or num_steps)
    regime.num_data_epochs = None


def checkpoint_dir_of(context: RecipeContext) -> Path:
    redirected = context.resolver.resolve(CheckpointDir).path

    return context.output_dir / "checkpoints" if redirected is None else redirected


def finish_trainer(
    trainer: Trainer,
    unit: TrainUnit[Any],
    context: RecipeContext,
    config: FinetuneConfig,
) -> Trainer:
    """Give a trainer what fairseq2's lacks: stopping, the sidecar folder and the export."""
    gangs = context.gangs
    install_stopping(trainer, unit, gangs, config.early_stopping.patience)

    checkpoint_dir = checkpoint_dir_of(context)
    keep_sidecar(context, config.model.name, checkpoint_dir, gangs)

    def export_step(args: TrainStepHookArgs) -> None:
        if gangs.root.rank == 0:
            name = f"step_{args.step_nr}"
            output = checkpoint_dir / name / "hg"
            if not output.exists():
                export_checkpoint(
                    context.resolver, checkpoint_dir, name, output, dtype=config.export.dtype
                )

    if config.export.every_checkpoint:
        trainer.register_checkpoint_save_hook(export_step)

    return trainer


def keep_sidecar(
    context: RecipeContext, model_name: str | None, checkpoint_dir: Path, gangs: Gangs
) -> None:
    """Copy the base model's configuration and tokenizer beside the checkpoints of the run."""
    folder = None if model_name is None else find_model_folder(context.asset_store, model_name)
    if folder is None:
        log.warning("`model.name` is no Hugging Face folder; checkpoints cannot be exported.")
    elif gangs.root.rank == 0:
        copy_sidecar(folder, checkpoint_dir / SIDECAR_NAME)
    gangs.root.barrier()


def clip_gradients(context: RecipeContext) -> None:
    """Make the gradient norm right under tensor parallelism; call before the trainer is made."""
    install_grad_norm(context.get_data_parallel_model(), context.get_model(), context.gangs)
