"""vLLM in this process: token-id prompts in, completions out as they finish.

On a CPU the engine runs inside this process (no second start-up of Python, no pinned threads); on GPUs
as vLLM sets it up. ``VLLM_*`` variables that the user has set are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ste_fairseq2.engines.protocol import GenerationRequest, GenerationResult
from ste_fairseq2.engines.vllm_common import (
    VllmSettings,
    describe,
    engine_arguments,
    fitted_length,
    result_of,
    sampling_params,
    start_vllm,
    stopped,
)
from ste_fairseq2.errors import EngineError

if TYPE_CHECKING:
    from vllm import EngineArgs, LLMEngine
    from vllm.usage.usage_lib import UsageContext

__all__ = ["VllmEngine", "VllmSettings", "engine_arguments"]


class VllmEngine:
    """An :class:`~ste_fairseq2.engines.protocol.Engine`."""

    def __init__(self, settings: VllmSettings, *, stop_token_ids: Iterable[int] = ()) -> None:
        """
        :param stop_token_ids: tokens that end an answer, beside those of the model's generation
            configuration.
        :raises MissingPathError: the model folder does not exist.
        :raises ModelFolderError: it is not one.
        :raises ConfigError: an option is not one of vLLM's.
        :raises EngineError: vLLM is not installed or cannot load the model.
        """
        self._settings = settings
        self._stop_token_ids = sorted(set(stop_token_ids))
        self._engine, self._guard = start_vllm(settings, _start)
        # Twice what is computed at a time: room that becomes free is filled at once, and no more
        # prompts than that are held in memory.
        self._max_in_flight = 2 * self._engine.vllm_config.scheduler_config.max_num_seqs

    @property
    def max_model_len(self) -> int:
        return fitted_length(self._engine.vllm_config)

    @property
    def description(self) -> Mapping[str, Any]:
        return describe(self._settings, self._engine.vllm_config) | {"max_model_len": self.max_model_len}

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[GenerationResult]:
        waiting = iter(requests)
        running: dict[str, GenerationRequest] = {}
        is_drained = False
        try:
            while True:
                while not is_drained and len(running) < self._max_in_flight:
                    request = next(waiting, None)
                    if request is None:
                        is_drained = True
                    else:
                        self._add(request)
                        running[request.id] = request
                if not running:
                    return
                for output in self._step():
                    if output.finished:
                        yield result_of(running.pop(output.request_id), output.outputs[0])
        except EngineError:
            running.clear()
            raise
        finally:
            if running:
                self._engine.abort_request(list(running))

    def close(self) -> None:
        from vllm.distributed import destroy_distributed_environment, destroy_model_parallel

        self._guard.close()
        self._engine.engine_core.shutdown()
        # Where the engine ran in this process, so did its process groups.
        destroy_model_parallel()
        destroy_distributed_environment()

    def _add(self, request: GenerationRequest) -> None:
        prompt = {"prompt_token_ids": list(request.prompt_ids)}
        self._engine.add_request(request.id, prompt, sampling_params(request, self._stop_token_ids))

    def _step(self) -> list[Any]:
        try:
            return list(self._engine.step())
        except Exception as ex:
            raise stopped(ex) from ex


def _start(engine_args: EngineArgs, usage_context: UsageContext) -> LLMEngine:
    from vllm import LLMEngine

    return LLMEngine.from_engine_args(engine_args, usage_context=usage_context)
