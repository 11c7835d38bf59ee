"""What vLLM is started with and how it is asked, be it once in this process or several times."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ste_fairseq2.engines.config import DistributedBackend
from ste_fairseq2.engines.model_folder import check_model_folder
from ste_fairseq2.engines.orphans import OrphanGuard
from ste_fairseq2.engines.protocol import GenerationRequest, GenerationResult
from ste_fairseq2.errors import ConfigError, EngineError

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.config import VllmConfig

_FITTED: Final = -1
"""vLLM's sign for: as much of the model's context as the memory holds."""

_ENVIRONMENT: Final = {
    # Nothing about a run leaves the machine.
    "VLLM_NO_USAGE_STATS": "1",
    # Its start-up report would bury the progress; warnings and errors are shown.
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
}
_CPU_ENVIRONMENT: Final = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # Pinned threads fight with whatever else runs on the machine, this process' other work included.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    # GiB; vLLM would take half of the memory, and touches all of it first.
    "VLLM_CPU_KVCACHE_SPACE": "2",
}

EngineT = TypeVar("EngineT")


@dataclass(frozen=True, kw_only=True)
class VllmSettings:
    """What vLLM is started with."""

    model: Path
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    distributed_backend: DistributedBackend | None = None
    """``ray`` for a model that spans nodes; ``None`` leaves the choice to vLLM."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further vLLM engine arguments, by their names."""


def engine_arguments(settings: VllmSettings) -> dict[str, Any]:
    """Return the arguments that vLLM is started with; sets the environment that it reads.

    :raises EngineError: vLLM is not installed.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        from vllm.platforms import current_platform
    except ImportError as ex:
        raise EngineError(f"vLLM cannot be imported ({ex}); install the extra `cpu` or `gpu`.") from ex

    arguments: dict[str, Any] = {
        "model": str(settings.model),
        "max_model_len": _FITTED,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "pipeline_parallel_size": settings.pipeline_parallel_size,
        "distributed_executor_backend": settings.distributed_backend,
        "enable_prefix_caching": True,
        "disable_log_stats": True,
    }
    if current_platform.is_cpu():
        for name, value in _CPU_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        # Compiling needs a C++ compiler and minutes; what runs on a CPU is short.
        arguments["enforce_eager"] = True
        # Where a prompt is computed in parts, a sample with a seed of its own fails: vLLM then rewinds
        # its generator, which PyTorch cannot do on a CPU.
        arguments["enable_chunked_prefill"] = False

    return arguments | dict(settings.options)


def start_vllm(
    settings: VllmSettings, start: Callable[[Any, Any], EngineT], **arguments: Any
) -> tuple[EngineT, OrphanGuard]:
    """Start an engine, and guard the processes that it runs in.

    :param start: makes the engine from vLLM's ``AsyncEngineArgs`` and a ``UsageContext``.
    :param arguments: engine arguments beside those of the settings.
    :raises MissingPathError: the model folder does not exist.
    :raises ModelFolderError: it is not one.
    :raises ConfigError: an option is not one of vLLM's.
    :raises EngineError: vLLM is not installed or cannot load the model.
    """
    check_model_folder(settings.model)
    arguments = engine_arguments(settings) | arguments

    from vllm import AsyncEngineArgs
    from vllm.usage.usage_lib import UsageContext

    try:
        engine_args = AsyncEngineArgs(**arguments)
    except TypeError as ex:
        raise ConfigError("engine_options", f"cannot be given to vLLM ({reason_of(ex)}).") from ex
    children = set(multiprocessing.active_children())
    try:
        with _quiet_stdout():
            # As `vllm.LLM` is started: any other context that is no server has batches of an eighth.
            engine = start(engine_args, UsageContext.LLM_CLASS)
    except Exception as ex:
        raise EngineError(f"vLLM could not load `{settings.model}` ({reason_of(ex)}).") from ex
    started = set(multiprocessing.active_children()) - children

    return engine, OrphanGuard([child.pid for child in started if child.pid is not None])


def fitted_length(config: VllmConfig, *, copies: int = 1) -> int:
    """Return the most tokens that a prompt and its completion may have together.

    :param copies: engines that share the requests out; on devices that are alike.
    """
    # An engine in another process keeps to itself what it fitted into the memory, but tells the number
    # of blocks, which is added up over the copies; one block of each is never given out.
    cache = config.cache_config
    fitted = (cache.num_gpu_blocks // copies - 1) * cache.block_size

    return int(min(config.model_config.max_model_len, fitted))


def describe(settings: VllmSettings, config: VllmConfig) -> dict[str, Any]:
    """Return what a manifest says of every engine of vLLM's."""
    import vllm

    return {
        "name": "vllm",
        "version": vllm.__version__,
        "dtype": str(config.model_config.dtype).removeprefix("torch."),
        "tensor_parallel_size": settings.tensor_parallel_size,
        "pipeline_parallel_size": settings.pipeline_parallel_size,
        "options": dict(settings.options),
    }


def sampling_params(request: GenerationRequest, stop_token_ids: Sequence[int]) -> SamplingParams:
    """Return a request's sampling in vLLM's terms."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=request.sampling.temperature,
        top_p=request.sampling.top_p,
        max_tokens=request.sampling.max_tokens,
        seed=request.seed,
        stop_token_ids=list(stop_token_ids),
        skip_special_tokens=True,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def result_of(request: GenerationRequest, completion: Any) -> GenerationResult:
    """Return what vLLM completed, its ``CompletionOutput``, as a result."""
    return GenerationResult(
        request_id=request.id,
        text=completion.text,
        token_ids=tuple(completion.token_ids),
        finish_reason=completion.finish_reason,
        num_prompt_tokens=len(request.prompt_ids),
        num_output_tokens=len(completion.token_ids),
    )


def stopped(error: Exception) -> EngineError:
    """Return the error for one that came out of an engine at work."""
    return EngineError(f"vLLM stopped while generating ({reason_of(error)}).")


def reason_of(error: Exception) -> str:
    """Return the first line of an error; pydantic and vLLM write paragraphs."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]

    return lines[0].rstrip(".") if lines else type(error).__name__


@contextlib.contextmanager
def _quiet_stdout() -> Iterator[None]:
    """Keep what libraries print while they start (gloo, on file descriptor 1) out of our own output.

    vLLM's log and errors go to standard error.
    """
    sys.stdout.flush()
    saved = os.dup(1)
    with Path(os.devnull).open("wb") as sink:
        os.dup2(sink.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)
