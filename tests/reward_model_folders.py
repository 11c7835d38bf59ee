"""Writes small, untrained reward models as Hugging Face folders with the tiny model's tokenizer."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedModel,
)


def write_classifier(
    folder: Path,
    tiny_model: Path,
    *,
    seed: int = 3,
    num_labels: int = 1,
    safetensors: bool = True,
    **config: Any,
) -> Path:
    """Write a sequence classifier of the tiny model's shape."""
    shape = LlamaConfig.from_pretrained(tiny_model, num_labels=num_labels, **config)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForSequenceClassification(shape)

    return save(model, folder, tiny_model, safe_serialization=safetensors)


def write_language_model(folder: Path, tiny_model: Path, *, seed: int = 11) -> Path:
    """Write a language model of other weights and the same vocabulary."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(LlamaConfig.from_pretrained(tiny_model))

    return save(model, folder, tiny_model)


def save(model: PreTrainedModel, folder: Path, tiny_model: Path, **options: Any) -> Path:
    """Save a model with the tokenizer of the tiny one."""
    model.save_pretrained(folder, **options)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(tiny_model / name, folder)

    return folder
