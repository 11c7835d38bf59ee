"""Several copies of a model in vLLM, each in processes of its own, that share the requests out.

The processes may import the caller's main module anew, as Python's ``multiprocessing`` does; a script
that starts them needs the usual ``if __name__ == "__main__":``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ste_fairseq2.engines.concurrency import as_finished, close_loop
from ste_fairseq2.engines.protocol import GenerationRequest, GenerationResult
from ste_fairseq2.engines.vllm_common import (
    VllmSettings,
    describe,
    fitted_length,
    result_of,
    sampling_params,
    start_vllm,
    stopped,
)

if TYPE_CHECKING:
    from vllm import AsyncEngineArgs
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.engine.async_llm import AsyncLLM


class VllmReplicas:
    """An :class:`~ste_fairseq2.engines.protocol.Engine`."""

    def __init__(
        self,
        settings: VllmSettings,
        data_parallel_size: int,
        *,
        stop_token_ids: Iterable[int] = (),
    ) -> None:
        """
        :param data_parallel_size: how many copies; at least 2.
        :param stop_token_ids: tokens that end an answer, beside those of the model's generation
            configuration.
        :raises MissingPathError: the model folder does not exist.
        :raises ModelFolderError: it is not one.
        :raises ConfigError: an option is not one of vLLM's.
        :raises EngineError: vLLM is not installed or cannot load the model.
        """
        self._settings = settings
        self._copies = data_parallel_size
        self._stop_token_ids = sorted(set(stop_token_ids))
        self._loop = asyncio.new_event_loop()
        try:
            self._engine, self._guard = start_vllm(
                settings, self._start, data_parallel_size=data_parallel_size
            )
        except BaseException:
            close_loop(self._loop)
            raise
        max_num_seqs = self._engine.vllm_config.scheduler_config.max_num_seqs
        # As in a single engine: the next requests are there before room becomes free.
        self._max_in_flight = 2 * max_num_seqs * data_parallel_size

    @property
    def max_model_len(self) -> int:
        return fitted_length(self._engine.vllm_config, copies=self._copies)

    @property
    def description(self) -> Mapping[str, Any]:
        return describe(self._settings, self._engine.vllm_config) | {
            "data_parallel_size": self._copies,
            "max_model_len": self.max_model_len,
        }

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[GenerationResult]:
        return as_finished(self._loop, self._complete, requests, self._max_in_flight)

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self._guard.close()
        self._loop.run_until_complete(self._shut_down())
        close_loop(self._loop)

    def _start(self, engine_args: AsyncEngineArgs, usage_context: UsageContext) -> AsyncLLM:
        from vllm.v1.engine.async_llm import AsyncLLM

        async def start() -> AsyncLLM:
            return AsyncLLM.from_engine_args(engine_args, usage_context=usage_context)

        # In the loop that it is to run in, from where it also notices an engine that died early.
        return self._loop.run_until_complete(start())

    async def _complete(self, request: GenerationRequest) -> GenerationResult:
        prompt = {"prompt_token_ids": list(request.prompt_ids)}
        params = sampling_params(request, self._stop_token_ids)
        try:
            [output] = [o async for o in self._engine.generate(prompt, params, request.id)]
        except Exception as ex:
            raise stopped(ex) from ex

        return result_of(request, output.outputs[0])

    async def _shut_down(self) -> None:
        # First those who wait for the engines: they would report in the log that these are gone.
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        self._engine.shutdown()
