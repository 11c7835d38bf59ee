"""The recipe behind `fairseq2 lm instruction_finetune`: SFT on right judgements."""

from __future__ import annotations

from typing import Any, final

from fairseq2.models.clm import CausalLM
from fairseq2.recipe.base import Recipe, RecipeContext
from fairseq2.recipe.evaluator import EvalUnit
from fairseq2.task import Task
from torch.nn import Module
from typing_extensions import override

from recipes.common.forward import AnswerScorer, prepare_model
from recipes.common.training import (
    clip_gradients,
    create_readers,
    finish_trainer,
    measure_sides,
)
from recipes.common.verdict_unit import VerdictEvalUnit, find_verdicts
from recipes.instruction_finetune.config import InstructionFinetuneConfig
from recipes.instruction_finetune.unit import SftCriterion, SftEvalUnit, SftUnit
from ste_fairseq2.datasets import SftDataset


@final
class InstructionFinetuneRecipe(Recipe):
    """Trains a model to write the answers of its data."""

    @override
    def setup_model(self, context: RecipeContext, model: Module, newly_initialized: bool) -> Module:
        config = context.get_config_as(InstructionFinetuneConfig)
        self._prefix_tree = prepare_model(model, config.forward)

        return model

    @override
    def create_task(self, context: RecipeContext) -> Task:
        config = context.get_config_as(InstructionFinetuneConfig)

        dataset = context.get_dataset_as(SftDataset)
        measure_sides(context, config.dataset, dataset.train, dataset.valid)
        verdicts = find_verdicts(dataset.valid, config.regime.score_metric)

        context.get_model_as(CausalLM)
        reader, valid_readers = create_readers(
            context,
            config,
            config.dataset,
            dataset.train,
            dataset.valid,
            verdicts,
            self._prefix_tree,
        )

        clip_gradients(context)
        model, scorer = context.get_data_parallel_model(), AnswerScorer(prefix_tree=self._prefix_tree)
        criterion = SftCriterion(model, scorer)
        unit = SftUnit(criterion)
        valid_units: list[EvalUnit[Any]] = []
        if dataset.valid is not None:
            valid_units.append(SftEvalUnit(criterion))
        if verdicts is not None:
            valid_units.append(VerdictEvalUnit(model, scorer, verdicts.num_pairs))
        trainer = context.create_trainer(unit, reader, valid_units, valid_readers)

        return finish_trainer(trainer, unit, context, config)

    @property
    @override
    def config_kls(self) -> type[object]:
        return InstructionFinetuneConfig

    @override
    def has_static_autograd_graph(self, context: RecipeContext) -> bool:
        # The number of attention segments and of logit chunks changes from batch to batch.
        return False
