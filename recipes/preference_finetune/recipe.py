"""The recipe behind `fairseq2 lm preference_finetune`: DPO + NLL on pairs of judgements."""

from __future__ import annotations

from typing import Any, final

from fairseq2.models.clm import CausalLM
from fairseq2.recipe.base import Recipe, RecipeContext
from fairseq2.recipe.composition import register_reference_model
from fairseq2.recipe.evaluator import EvalUnit
from fairseq2.runtime.dependency import DependencyContainer
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
from recipes.preference_finetune.config import PreferenceFinetuneConfig
from recipes.preference_finetune.unit import (
    PreferenceCriterion,
    PreferenceEvalUnit,
    PreferenceUnit,
)
from recipes.reference_scores.cache import load_reference_scores
from ste_fairseq2.datasets import PreferenceDataset


@final
class PreferenceFinetuneRecipe(Recipe):
    """Trains a policy to prefer right judgements over wrong ones."""

    @override
    def register(self, container: DependencyContainer) -> None:
        register_reference_model(container, "reference_model")

    @override
    def setup_model(self, context: RecipeContext, model: Module, newly_initialized: bool) -> Module:
        config = context.get_config_as(PreferenceFinetuneConfig)
        self._prefix_tree = prepare_model(model, config.forward)

        return model

    @override
    def setup_reference_model(self, context: RecipeContext, model: Module, section_name: str) -> Module:
        return self.setup_model(context, model, newly_initialized=False)

    @override
    def create_task(self, context: RecipeContext) -> Task:
        config = context.get_config_as(PreferenceFinetuneConfig)

        dataset = context.get_dataset_as(PreferenceDataset)
        measure_sides(context, config.dataset, dataset.train, dataset.valid)
        verdicts = find_verdicts(dataset.valid, config.regime.score_metric)
        if config.reference_model is None:
            load_reference_scores(context, config, dataset)

        context.get_model_as(CausalLM)
        reference_model = None
        if config.reference_model is not None:
            reference_model = context.get_model_as(CausalLM, "reference_model")
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
        criterion = PreferenceCriterion(model, reference_model, scorer, config.criterion)
        unit = PreferenceUnit(criterion)
        valid_units: list[EvalUnit[Any]] = []
        if dataset.valid is not None:
            valid_units.append(PreferenceEvalUnit(criterion))
        if verdicts is not None:
            valid_units.append(VerdictEvalUnit(model, scorer, verdicts.num_pairs))
        trainer = context.create_trainer(unit, reader, valid_units, valid_readers)

        return finish_trainer(trainer, unit, context, config)

    @property
    @override
    def config_kls(self) -> type[object]:
        return PreferenceFinetuneConfig

    @override
    def has_static_autograd_graph(self, context: RecipeContext) -> bool:
        # The number of attention segments and of logit chunks changes from batch to batch.
        return False
