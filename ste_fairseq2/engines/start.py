"""Starts the engine that a configuration asks for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ste_fairseq2.engines.config import EngineConfig
from ste_fairseq2.engines.protocol import Engine


@contextlib.contextmanager
def running_engine(
    config: EngineConfig, *, stop_token_ids: tuple[int, ...], tokens_spent: int = 0
) -> Iterator[Engine]:
    """Start an engine and free its memory at the end.

    :param stop_token_ids: tokens that end an answer, beside those of the model's generation
        configuration.
    :param tokens_spent: tokens of the configuration's budget that earlier runs have used.
    :raises InputError: the model folder, an option, the endpoint or its key is wrong.
    :raises EngineError: the engine cannot load the model.
    """
    engine = start_engine(config, stop_token_ids, tokens_spent)
    try:
        yield engine
    finally:
        engine.close()


def start_engine(config: EngineConfig, stop_token_ids: tuple[int, ...], tokens_spent: int) -> Engine:
    """Start the engine alone; whoever calls this closes it. See :func:`running_engine`."""
    if config.engine == "endpoint":
        from ste_fairseq2.engines.endpoint import EndpointEngine

        return EndpointEngine(config, stop_token_ids=stop_token_ids, tokens_spent=tokens_spent)

    import yaml

    from ste_fairseq2.engines.vllm_engine import VllmEngine, VllmSettings

    settings = VllmSettings(
        model=config.model_folder,
        tensor_parallel_size=config.tensor_parallel_size,
        pipeline_parallel_size=config.pipeline_parallel_size,
        distributed_backend=config.distributed_backend,
        options={name: yaml.safe_load(text) for name, text in config.engine_options.items()},
    )
    if config.data_parallel_size > 1:
        from ste_fairseq2.engines.vllm_replicas import VllmReplicas

        return VllmReplicas(settings, config.data_parallel_size, stop_token_ids=stop_token_ids)

    return VllmEngine(settings, stop_token_ids=stop_token_ids)
