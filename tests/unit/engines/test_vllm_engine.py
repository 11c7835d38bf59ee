"""vLLM itself, on the tiny model; one engine serves the whole file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.engines.protocol import GenerationRequest, Prompt
from ste_fairseq2.engines.vllm_common import start_vllm
from ste_fairseq2.engines.vllm_engine import VllmEngine, VllmSettings
from ste_fairseq2.errors import ConfigError
from tests.unit.engines.reference import GREEDY, SAMPLED, Reference, request_of


@pytest.fixture(scope="module")
def engine(tiny_model: Path, renderer: ChatRenderer) -> Iterator[VllmEngine]:
    options = {"dtype": "float32", "max_num_seqs": 4, "max_model_len": 512}
    engine = VllmEngine(
        VllmSettings(model=tiny_model, options=options), stop_token_ids=[renderer.eot_id]
    )
    yield engine
    engine.close()


def test_greedy_completions_are_those_of_transformers(
    engine: VllmEngine, renderer: ChatRenderer, tiny_model: Path
) -> None:
    requests = {str(n): request_of(renderer, n) for n in range(10)}
    reference = Reference(tiny_model, renderer)

    results = {result.request_id: result for result in engine.generate(requests.values())}

    assert results.keys() == requests.keys()
    for request_id, result in results.items():
        request = requests[request_id]
        assert result.token_ids == reference.complete(request)
        assert result.text == reference.text_of(result.token_ids)
        assert result.num_prompt_tokens == len(request.prompt_ids)
        assert result.num_output_tokens == len(result.token_ids)
        assert result.finish_reason in ("stop", "length")


def test_samples_follow_their_seed_and_not_their_neighbours(
    engine: VllmEngine, renderer: ChatRenderer
) -> None:
    alone = request_of(renderer, 7, SAMPLED, seed=3)
    crowd = [alone, *(request_of(renderer, n, SAMPLED, seed=n) for n in (1, 2, 4, 5, 8))]

    [by_itself] = engine.generate([alone])
    in_a_crowd = {result.request_id: result for result in engine.generate(crowd)}["7"]
    [other_seed] = engine.generate([request_of(renderer, 7, SAMPLED, seed=4)])

    assert in_a_crowd.token_ids == by_itself.token_ids
    assert other_seed.token_ids != by_itself.token_ids


def test_generation_stops_at_a_token_that_ends_an_answer(
    engine: VllmEngine, renderer: ChatRenderer
) -> None:
    request = request_of(renderer, 3)
    [free] = engine.generate([request])
    engine._stop_token_ids = [free.token_ids[2]]
    try:
        [stopped] = engine.generate([request])
    finally:
        engine._stop_token_ids = [renderer.eot_id]

    first = free.token_ids.index(free.token_ids[2]) + 1
    assert stopped.finish_reason == "stop"
    assert stopped.token_ids == free.token_ids[:first]


def test_requests_are_drawn_as_room_becomes_free(engine: VllmEngine, renderer: ChatRenderer) -> None:
    drawn = []

    def endless() -> Iterator[GenerationRequest]:
        for number in itertools.count():
            drawn.append(number)
            yield request_of(renderer, number)

    results = engine.generate(endless())
    for _ in range(5):
        next(results)
    results.close()  # type: ignore[attr-defined]

    assert len(drawn) <= 5 + 2 * 4
    # What was under way has been given up: the engine is free for the next call.
    assert len(list(engine.generate([request_of(renderer, 1)]))) == 1


def test_a_prompt_may_leave_room_for_a_single_token(engine: VllmEngine, renderer: ChatRenderer) -> None:
    ids = tuple(itertools.islice(itertools.cycle(renderer.encode_rendered("prime ")[1:]), 511))

    request = GenerationRequest(id="x", prompt=Prompt(ids=ids), sampling=GREEDY, seed=1)
    [result] = engine.generate([request])

    assert engine.max_model_len == 512
    assert (result.num_output_tokens, result.finish_reason) == (1, "length")


def test_the_description_names_version_and_settings(engine: VllmEngine) -> None:
    assert engine.description["name"] == "vllm"
    assert engine.description["dtype"] == "float32"


def test_an_unknown_option_is_the_users_error(tiny_model: Path) -> None:
    with pytest.raises(ConfigError, match="`engine_options` .*'no_such_option'"):
        VllmEngine(VllmSettings(model=tiny_model, options={"no_such_option": 1}))


def test_batches_are_as_large_as_those_of_vllms_own_class(tiny_model: Path) -> None:
    """vLLM's defaults hang on who starts it; an engine that does not say gets the smallest."""
    from vllm.config import SchedulerConfig

    sizes = []

    def start(engine_args: Any, usage_context: Any) -> None:
        config = engine_args.create_engine_config(usage_context).scheduler_config
        sizes.append(config.max_num_seqs)

    start_vllm(VllmSettings(model=tiny_model), start)

    assert sizes[0] > SchedulerConfig.DEFAULT_MAX_NUM_SEQS
