"""Loads the reward model that a configuration asks for, and tries it once before any work is begun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.errors import ConfigError
from ste_fairseq2.records import Message
from ste_fairseq2.reward_models.classifier import SequenceClassifier
from ste_fairseq2.reward_models.config import RewardModelConfig
from ste_fairseq2.reward_models.implicit import ImplicitReward
from ste_fairseq2.reward_models.loading import AutoClass, load_model
from ste_fairseq2.reward_models.protocol import RewardModel

_PROBE = (Message("user", "?"), Message("assistant", "!"))


def start_reward_model(config: RewardModelConfig) -> RewardModel:
    """
    :raises InputError: a folder holds no such model, or the configuration does not fit it.
    """
    model = _load(config)
    model.score([model.encode(_PROBE)])

    return model


def _load(config: RewardModelConfig) -> RewardModel:
    renderer = ChatRenderer.from_folder(config.model)
    if config.kind == "classifier":
        classifier = _load_from(config, config.model, "AutoModelForSequenceClassification")

        return SequenceClassifier(classifier, renderer, label_index=config.label_index)

    reference = None
    if config.reference is not None:
        _check_vocabulary(config.reference, renderer)
        reference = _load_from(config, config.reference, "AutoModelForCausalLM")
    policy = _load_from(config, config.model, "AutoModelForCausalLM")

    return ImplicitReward(config.kind, policy, reference, renderer)


def _load_from(config: RewardModelConfig, folder: Path, kind: AutoClass) -> Any:
    return load_model(folder, kind, dtype=config.dtype, trust_remote_code=config.trust_remote_code)


def _check_vocabulary(reference: Path, renderer: ChatRenderer) -> None:
    """
    :raises ConfigError: the reference reads other token ids than the model.
    """
    own = ChatRenderer.from_folder(reference).tokenizer.get_vocab()
    if own != renderer.tokenizer.get_vocab():
        raise ConfigError("reference", f"`{reference}` must have the vocabulary of the model.")
