"""The endpoint engine against `vllm serve` itself; one server serves the whole file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.engines.config import EngineConfig
from ste_fairseq2.engines.endpoint import EndpointEngine
from ste_fairseq2.engines.protocol import (
    GenerationRequest,
    GenerationResult,
    Prompt,
    Refusal,
    SamplingSettings,
)
from ste_fairseq2.errors import ConfigError, EndpointAccessError
from ste_fairseq2.records import Message
from tests.unit.engines.reference import SAMPLED, Reference, messages_of, request_of
from tests.vllm_server import serve

_KEY = "sk-of-the-test-server"


@pytest.fixture(scope="module")
def url(tiny_model: Path) -> Iterator[str]:
    # As a model's generation configuration may have it; what goes as token ids must not be touched.
    override = '{"repetition_penalty": 1.5, "top_k": 2, "temperature": 0.3}'
    with serve(tiny_model, "--api-key", _KEY, "--override-generation-config", override) as url:
        yield url


@pytest.fixture
def config(url: str, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> EngineConfig:
    monkeypatch.setenv("OPENAI_API_KEY", _KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    return EngineConfig(model=tiny_model.name, engine="endpoint", endpoint=url, tokenizer=tiny_model)


@pytest.fixture
def engine(config: EngineConfig, renderer: ChatRenderer) -> Iterator[EndpointEngine]:
    engine = EndpointEngine(config, stop_token_ids=[renderer.eot_id])
    yield engine
    engine.close()


@pytest.fixture
def ask(engine: EndpointEngine) -> Callable[[GenerationRequest], GenerationResult]:
    def ask(request: GenerationRequest) -> GenerationResult:
        [result] = engine.generate([request])
        assert isinstance(result, GenerationResult)
        return result

    return ask


def test_greedy_completions_are_those_of_transformers(
    engine: EndpointEngine, renderer: ChatRenderer, tiny_model: Path
) -> None:
    requests = {str(n): request_of(renderer, n) for n in range(10)}
    reference = Reference(tiny_model, renderer)

    results = {result.request_id: result for result in engine.generate(requests.values())}

    assert results.keys() == requests.keys()
    for request_id, result in results.items():
        assert isinstance(result, GenerationResult)
        request = requests[request_id]
        expected = reference.complete(request)
        assert result.text == reference.text_of(expected)
        assert result.num_prompt_tokens == len(request.prompt_ids)
        assert result.num_output_tokens == len(expected)


def test_samples_follow_their_seed(
    ask: Callable[[GenerationRequest], GenerationResult], renderer: ChatRenderer
) -> None:
    first, again, other = (ask(request_of(renderer, 7, SAMPLED, seed)) for seed in (3, 3, 2**62))

    assert first.text == again.text
    assert first.text != other.text


def test_an_answer_ends_at_a_stop_token(
    config: EngineConfig, renderer: ChatRenderer, tiny_model: Path
) -> None:
    request = request_of(renderer, 3)
    expected = Reference(tiny_model, renderer).complete(request)
    engine = EndpointEngine(config, stop_token_ids=[expected[2]])

    [result] = engine.generate([request])
    engine.close()

    assert isinstance(result, GenerationResult)
    assert result.finish_reason == "stop"
    assert result.num_output_tokens == expected.index(expected[2]) + 1


def test_messages_are_rendered_by_the_server(
    ask: Callable[[GenerationRequest], GenerationResult], renderer: ChatRenderer, tiny_model: Path
) -> None:
    rendered = request_of(renderer, 5)
    prompt = Prompt(messages=tuple(messages_of(5)))

    result = ask(GenerationRequest(id="5", prompt=prompt, sampling=rendered.sampling, seed=1))

    reference = Reference(tiny_model, renderer)
    assert result.num_prompt_tokens == len(rendered.prompt_ids)
    # Here the server's own settings hold.
    assert result.text == reference.text_of(reference.complete(rendered, repetition_penalty=1.5))


def test_an_answer_is_cut_where_the_context_ends(
    ask: Callable[[GenerationRequest], GenerationResult], renderer: ChatRenderer
) -> None:
    sampling = SamplingSettings(max_tokens=2048)
    ids = tuple(renderer.encode_rendered("prime " * 600)[:509])
    messages = (Message("user", "prime " * 150),)

    for prompt in (Prompt(ids=ids), Prompt(messages=messages)):
        result = ask(GenerationRequest(id="a", prompt=prompt, sampling=sampling, seed=1))
        assert result.num_prompt_tokens + result.num_output_tokens == 512
        assert result.finish_reason == "length"


def test_what_is_too_long_is_refused_alone(engine: EndpointEngine, renderer: ChatRenderer) -> None:
    messages = (Message("user", "prime " * 600),)
    sampling = SamplingSettings(max_tokens=5)
    too_long = GenerationRequest(id="long", prompt=Prompt(messages=messages), sampling=sampling, seed=1)

    completions = {c.request_id: c for c in engine.generate([too_long, request_of(renderer, 1)])}

    refusal = completions["long"]
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "too_long"
    assert isinstance(completions["1"], GenerationResult)


def test_the_server_describes_itself(engine: EndpointEngine, url: str, tiny_model: Path) -> None:
    assert engine.description == {
        "name": "endpoint",
        "url": url,
        "api": "completions",
        "model": tiny_model.name,
        "model_root": str(tiny_model),
        "max_model_len": 512,
    }


def test_the_server_wants_its_key(config: EngineConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(EndpointAccessError, match="asks for a key"):
        EndpointEngine(config)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    with pytest.raises(EndpointAccessError, match="refused the key"):
        EndpointEngine(config)


def test_the_server_does_not_have_every_model(config: EngineConfig) -> None:
    config.model = "another"

    with pytest.raises(ConfigError, match="`model` must be one that .* has .`model`., but is `another`"):
        EndpointEngine(config)
