"""Loads models of Hugging Face folders: never half, nor with code of theirs unless that is allowed."""

from __future__ import annotations

import json
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal, TypeAlias

from ste_fairseq2.errors import MissingPathError, ModelFolderError, RemoteCodeError
from ste_fairseq2.reward_models.config import DType

AutoClass: TypeAlias = Literal["AutoModelForSequenceClassification", "AutoModelForCausalLM"]


def load_model(folder: Path, kind: AutoClass, *, dtype: DType, trust_remote_code: bool) -> Any:
    """Load a model to the first GPU, or the CPU where there is none.

    Weights come from safetensors or, in older folders, from PyTorch files read with ``weights_only``.

    :raises MissingPathError: the folder does not exist.
    :raises RemoteCodeError: the model needs code that its folder brings.
    :raises ModelFolderError: the folder does not hold a whole model of this kind.
    """
    import torch
    import transformers

    if not folder.is_dir():
        raise MissingPathError("model folder", folder)
    if not trust_remote_code:
        _refuse_code(folder, kind)
    try:
        model, report = getattr(transformers, kind).from_pretrained(
            folder,
            dtype=dtype if dtype == "auto" else getattr(torch, dtype),
            local_files_only=True,
            trust_remote_code=trust_remote_code,
            weights_only=True,
            output_loading_info=True,
        )
    except (
        AttributeError,
        ImportError,
        KeyError,
        OSError,
        RuntimeError,
        UnpicklingError,
        ValueError,
    ) as ex:
        reason = (str(ex).strip().splitlines() or [type(ex).__name__])[0]
        raise ModelFolderError(folder, f"it cannot be loaded: {reason}") from ex
    # transformers would score with random numbers in their place.
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelFolderError(
            folder,
            f"it has no weights for `{missing[0]}` ({len(missing)} missing in all), so it is no "
            f"{type(model).__name__}; check `kind`.",
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"

    return model.eval().requires_grad_(False).to(device)


def brings_code(model: Any) -> bool:
    """Tell whether the model's class comes from its folder and not from transformers."""
    return type(model).__module__.partition(".")[0] == "transformers_modules"


def context_length(model: Any, tokenizer: Any) -> int | None:
    """Return the most tokens that model and tokenizer both declare; ``None`` where neither does.

    Tokenizers write that they have no limit as a number beyond all models.
    """
    declared = (
        getattr(model.config.get_text_config(), "max_position_embeddings", None),
        tokenizer.model_max_length,
    )

    return min((n for n in declared if isinstance(n, int) and 0 < n < 1 << 40), default=None)


def _refuse_code(folder: Path, kind: AutoClass) -> None:
    """Refuse a model that is another without its own code.

    A classifier whose type transformers knows would be given transformers' own head in place of the one
    it was trained with.
    """
    from transformers import CONFIG_MAPPING

    path = folder / "config.json"
    if not path.is_file():
        raise ModelFolderError(folder, "it has no `config.json`.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        code = config.get("auto_map", {})
    except (ValueError, AttributeError) as ex:
        raise ModelFolderError(folder, f"its `config.json` is not a JSON object ({ex}).") from None
    is_classifier = kind == "AutoModelForSequenceClassification"
    if code and (config.get("model_type") not in CONFIG_MAPPING or (is_classifier and kind in code)):
        raise RemoteCodeError(folder)
