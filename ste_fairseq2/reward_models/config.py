"""Which reward model scores answers, and how it is run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ste_fairseq2.digest import digest_file, digest_json, digest_model
from ste_fairseq2.errors import ConfigError

RewardKind: TypeAlias = Literal["classifier", "dpo", "ref-free-avg", "ref-free-norm", "ref-free-sum"]

DType: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(kw_only=True)
class RewardModelConfig:
    """A model that scores answers, and the folder for its scores."""

    model: Path
    """Hugging Face model folder"""
    output: Path
    """folder to write; the same one again goes on where it was left"""
    kind: RewardKind = "classifier"
    """where the score comes from: the logit of a sequence classifier; dpo: the answer's log-probability
    less that under `reference`; ref-free-*: the log-probabilities of its tokens, without a reference"""
    reference: Path | None = None
    """dpo: Hugging Face folder of the model that training began with"""
    label_index: int | None = None
    """classifier: the label whose logit is the score, where there are several"""
    dtype: DType = "auto"
    """type that the weights are loaded in; auto is the one they are stored in"""
    batch_tokens: int = 8192
    """tokens of a batch, padding included; an answer that is longer is a batch by itself"""
    trust_remote_code: bool = False
    """run the Python code that the model folder brings"""

    def validate(self) -> None:
        """
        :raises ConfigError:
        """
        if self.kind == "dpo" and self.reference is None:
            raise ConfigError("reference", "must be given for `kind` dpo.")
        if self.kind != "dpo" and self.reference is not None:
            raise ConfigError("reference", f"belongs to `kind` dpo, but that is {self.kind}.")
        if self.reference is not None and self.reference.resolve() == self.model.resolve():
            raise ConfigError("reference", "must be another model: against itself, all answers tie.")
        if self.label_index is not None and self.kind != "classifier":
            raise ConfigError("label_index", f"belongs to `kind` classifier, but that is {self.kind}.")
        if self.label_index is not None and self.label_index < 0:
            raise ConfigError("label_index", f"must not be negative, but is {self.label_index}.")
        if self.batch_tokens < 1:
            raise ConfigError("batch_tokens", f"must be at least 1, but is {self.batch_tokens}.")

    def digests(self) -> dict[str, str]:
        """Return the digests of the model, of its reference, and of the code that may run."""
        folders = {"model": self.model}
        if self.reference is not None:
            folders["reference"] = self.reference
        found = {name: digest_model(folder) for name, folder in folders.items()}
        if self.trust_remote_code:
            code = [path for folder in folders.values() for path in sorted(folder.glob("*.py"))]
            found["code"] = digest_json([digest_file(path) for path in code])

        return found

    def identity(self) -> dict[str, Any]:
        """Return what the scores depend on, beside :meth:`digests`.

        The size of batches is not part of it, so that a run that was out of memory can go on.
        """
        return {"kind": self.kind, "label_index": self.label_index, "dtype": self.dtype}
