"""Which model is asked and how it is reached: the fields that every generating command has."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from ste_fairseq2.digest import digest_model
from ste_fairseq2.engines.model_folder import check_model_folder
from ste_fairseq2.errors import ConfigError

DistributedBackend: TypeAlias = Literal["mp", "ray", "uni", "external_launcher"]

EngineKind: TypeAlias = Literal["vllm", "endpoint"]

_MEANINGFUL_OPTIONS: Final = ("dtype", "quantization", "kv_cache_dtype", "max_model_len")
"""The vLLM engine arguments that change what a model writes."""


@dataclass(kw_only=True)
class EngineConfig:
    """A model and the engine that runs it."""

    model: str
    """Hugging Face model folder; with `--engine endpoint` the model's name there"""
    engine: EngineKind = "vllm"
    """vllm: in this process; endpoint: an OpenAI-compatible server"""
    tensor_parallel_size: int = 1
    """vllm: GPUs that share each layer"""
    pipeline_parallel_size: int = 1
    """vllm: groups of GPUs that share the layers out"""
    data_parallel_size: int = 1
    """vllm: copies of the model that share the requests out"""
    distributed_backend: DistributedBackend | None = None
    """vllm: how it starts its workers; ray for a model that spans nodes"""
    engine_options: dict[str, str] = field(default_factory=dict)
    """vllm: further engine arguments, such as gpu_memory_utilization=0.8"""
    endpoint: str | None = None
    """endpoint: its base URL, such as http://localhost:8000/v1"""
    tokenizer: Path | None = None
    """endpoint: folder with the model's tokenizer and chat template; prompts are then sent as token ids
    (`vllm serve` takes them), and as messages where it is absent"""
    api_key_env: str = "OPENAI_API_KEY"
    """endpoint: environment variable that holds the key; a server without keys needs none"""
    concurrency: int = 64
    """endpoint: requests under way at a time"""
    max_attempts: int = 8
    """endpoint: tries of a request before the run gives up"""
    request_timeout: float = 600.0
    """endpoint: seconds to wait for one answer"""
    token_budget: int | None = None
    """endpoint: tokens (of prompts and answers) to spend in this folder at the most"""

    def validate(self) -> None:
        """
        :raises ConfigError:
        """
        for name in (
            "tensor_parallel_size",
            "pipeline_parallel_size",
            "data_parallel_size",
            "concurrency",
            "max_attempts",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(name, f"must be at least 1, but is {getattr(self, name)}.")
        if self.request_timeout <= 0.0:
            raise ConfigError("request_timeout", f"must be above 0, but is {self.request_timeout}.")
        if self.token_budget is not None and self.token_budget < 1:
            raise ConfigError("token_budget", f"must be at least 1, but is {self.token_budget}.")
        if self.engine == "endpoint":
            self._validate_endpoint()
        elif self.endpoint is not None:
            raise ConfigError("endpoint", "is only used with `engine: endpoint`; set that too.")

    def _validate_endpoint(self) -> None:
        if self.endpoint is None:
            raise ConfigError("endpoint", "must be the server's base URL (http://…/v1).")
        parts = urlsplit(self.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("endpoint", "must be a URL that begins with http:// or https://.")
        # It is written to manifests.
        if parts.username is not None or parts.query:
            raise ConfigError(
                "endpoint", "must not carry a key; put that into the variable of `api_key_env`."
            )

    @property
    def model_folder(self) -> Path:
        """The folder of a model that runs in this process."""
        return Path(self.model)

    def check_model(self) -> None:
        """Look at the model folder, where there is one, before anything is begun.

        :raises MissingPathError: it does not exist.
        :raises ModelFolderError: it is not one.
        """
        if self.engine == "vllm":
            check_model_folder(self.model_folder)

    def model_digests(self) -> dict[str, str]:
        """Return digests of what is here of the model; its owner alone knows that of an endpoint's."""
        if self.engine == "vllm":
            return {"model": digest_model(self.model_folder)}

        return {"tokenizer": digest_model(self.tokenizer)} if self.tokenizer is not None else {}

    def engine_identity(self) -> dict[str, Any]:
        """Return what the model's answers depend on, beside :meth:`model_digests`.

        Where files lie, how many GPUs there are and how full they may be is not part of it, so that a
        run can go on elsewhere.
        """
        if self.engine == "endpoint":
            return {"engine": self.engine, "model": self.model}
        options = self.engine_options

        return {name: options[name] for name in _MEANINGFUL_OPTIONS if name in options}
