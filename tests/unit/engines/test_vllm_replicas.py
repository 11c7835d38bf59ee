"""Two copies of the tiny model in vLLM; they are started once for the whole file."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.engines.protocol import GenerationRequest
from ste_fairseq2.engines.vllm_common import VllmSettings
from ste_fairseq2.engines.vllm_replicas import VllmReplicas
from ste_fairseq2.errors import MissingPathError
from tests.unit.engines.reference import SAMPLED, Reference, request_of


@pytest.fixture(scope="module")
def engine(tiny_model: Path, renderer: ChatRenderer) -> Iterator[VllmReplicas]:
    options = {"dtype": "float32", "max_num_seqs": 2, "max_model_len": 512}
    settings = VllmSettings(model=tiny_model, options=options)
    with pytest.MonkeyPatch.context() as patch:
        # GiB, for each.
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        engine = VllmReplicas(settings, 2, stop_token_ids=[renderer.eot_id])
    yield engine
    engine.close()


def test_greedy_completions_are_those_of_transformers(
    engine: VllmReplicas, renderer: ChatRenderer, tiny_model: Path
) -> None:
    requests = {str(n): request_of(renderer, n) for n in range(20)}
    reference = Reference(tiny_model, renderer)

    results = list(engine.generate(requests.values()))

    assert sorted(result.request_id for result in results) == sorted(requests)
    for result in results:
        request = requests[result.request_id]
        assert result.token_ids == reference.complete(request)
        assert result.text == reference.text_of(result.token_ids)
        assert result.num_prompt_tokens == len(request.prompt_ids)


def test_which_copy_answers_does_not_matter(engine: VllmReplicas, renderer: ChatRenderer) -> None:
    def ask(count: int, seed: int) -> set[tuple[int, ...] | None]:
        same = request_of(renderer, 7, SAMPLED, seed)
        requests = [
            GenerationRequest(id=str(n), prompt=same.prompt, sampling=SAMPLED, seed=seed)
            for n in range(count)
        ]
        return {result.token_ids for result in engine.generate(requests)}

    by_itself = ask(1, seed=3)

    assert ask(8, seed=3) == by_itself
    assert ask(1, seed=4) != by_itself


def test_requests_are_drawn_as_room_becomes_free(engine: VllmReplicas, renderer: ChatRenderer) -> None:
    drawn = []

    def many() -> Iterator[GenerationRequest]:
        for number in range(1000):
            drawn.append(number)
            yield request_of(renderer, number)

    results = engine.generate(many())
    for _ in range(5):
        next(results)
    results.close()  # type: ignore[attr-defined]

    assert len(drawn) < 100
    # What was under way has been given up: the copies are free for the next call.
    assert len(list(engine.generate([request_of(renderer, 1)]))) == 1


def test_the_description_names_the_copies(engine: VllmReplicas) -> None:
    assert engine.max_model_len == 512
    assert engine.description["data_parallel_size"] == 2
    assert engine.description["dtype"] == "float32"


def test_every_process_is_guarded(engine: VllmReplicas) -> None:
    [guard] = [child for child in psutil.Process().children() if child.name() == "sh"]
    started = {str(child.pid) for child in multiprocessing.active_children()}

    # Two copies and the process that shares the requests out.
    assert len(started) == 3
    assert started <= set(guard.cmdline())


def test_closing_leaves_no_process(engine: VllmReplicas) -> None:
    # Python's own helper for such processes stays as long as this one.
    children = [
        child
        for child in psutil.Process().children(recursive=True)
        if "resource_tracker" not in " ".join(child.cmdline())
    ]
    assert len(children) >= 4

    engine.close()

    assert psutil.wait_procs(children, timeout=30)[1] == []
    assert engine._loop.is_closed()


def test_a_model_that_is_not_there_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError):
        VllmReplicas(VllmSettings(model=tmp_path / "model"), 2)
