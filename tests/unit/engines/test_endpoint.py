"""The endpoint engine against a server that answers as it should, and one that fails on purpose."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.engines.config import EngineConfig
from ste_fairseq2.engines.endpoint import EndpointEngine
from ste_fairseq2.engines.protocol import (
    Completion,
    GenerationRequest,
    GenerationResult,
    Prompt,
    Refusal,
    SamplingSettings,
)
from ste_fairseq2.errors import ConfigError, EngineError
from ste_fairseq2.records import Message
from tests.unit.engines.conftest import Connect
from tests.unit.engines.scripted_server import DROP, Asked, Reply, ScriptedServer, completed

_TOO_LONG = "This model's maximum context length is 512 tokens. However, your request has 600."


def _request(number: int, *, ids: int | None = 3, max_tokens: int = 10) -> GenerationRequest:
    messages = (Message("system", "Judge."), Message("user", f"Is {number} prime?"))
    prompt = Prompt(messages=messages) if ids is None else Prompt(ids=tuple(range(1, ids + 1)))
    sampling = SamplingSettings(temperature=0.7, top_p=0.9, max_tokens=max_tokens)

    return GenerationRequest(id=f"r{number}", prompt=prompt, sampling=sampling, seed=number)


def _results(completions: Iterable[Completion]) -> dict[str, GenerationResult]:
    results = {}
    for completion in completions:
        assert isinstance(completion, GenerationResult)
        results[completion.request_id] = completion

    return results


def _model(**fields: Any) -> Reply:
    return Reply(body={"object": "list", "data": [{"id": "other"}, {"id": "judge", **fields}]})


def test_token_ids_go_to_completions(server: ScriptedServer, connect: Connect) -> None:
    server.answer = lambda asked: completed(asked, "[[A]]", "length", (3, 10))

    results = _results(connect().generate([_request(5)]))

    assert results["r5"] == GenerationResult(
        request_id="r5",
        text="[[A]]",
        finish_reason="length",
        num_prompt_tokens=3,
        num_output_tokens=10,
    )
    [asked] = server.asked
    assert asked.path == "/v1/completions"
    assert asked.body == {
        "model": "judge",
        "prompt": [1, 2, 3],
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 10,
        "seed": 5,
        "stop_token_ids": [7, 9],
        "skip_special_tokens": True,
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
    }


def test_messages_go_to_chat_completions(server: ScriptedServer, connect: Connect) -> None:
    results = _results(connect().generate([_request(5, ids=None)]))

    assert results["r5"].text == "Fine."
    [asked] = server.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.body == {
        "model": "judge",
        "messages": [
            {"role": "system", "content": "Judge."},
            {"role": "user", "content": "Is 5 prime?"},
        ],
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 10,
        "seed": 5,
    }


def test_answers_find_their_requests_in_the_order_of_finishing(
    server: ScriptedServer, connect: Connect
) -> None:
    arrived = {number: threading.Event() for number in range(6)}

    def answer(asked: Asked) -> Reply:
        arrived[asked.seed].set()
        # 0 is answered when 2 has come, for which 1 must have made room.
        waits_for = {0: 2, 2: 3}.get(asked.seed)
        if waits_for is not None:
            assert arrived[waits_for].wait(30)
        return completed(asked, f"answer {asked.seed}")

    server.answer = answer

    results = list(connect(concurrency=2).generate(_request(n) for n in range(6)))

    assert [result.request_id for result in results[:2]] == ["r1", "r0"]
    assert {r: result.text for r, result in _results(results).items()} == {
        f"r{n}": f"answer {n}" for n in range(6)
    }
    assert server.most_running == 2


def test_requests_are_drawn_as_room_becomes_free(server: ScriptedServer, connect: Connect) -> None:
    drawn = []

    def endless() -> Iterator[GenerationRequest]:
        for number in itertools.count():
            drawn.append(number)
            yield _request(number)

    engine = connect(concurrency=4)
    results = engine.generate(endless())
    for _ in range(5):
        next(results)
    results.close()  # type: ignore[attr-defined]

    assert len(drawn) <= 5 + 2 * 4
    # What was under way has been given up: the engine is free for the next call.
    assert not asyncio.all_tasks(engine._loop)
    assert _results(engine.generate([_request(1)])).keys() == {"r1"}


@pytest.mark.parametrize(
    "failure",
    [
        Reply(status=408, body={"error": {"message": "too slow"}}),
        Reply(status=409, body={}),
        Reply(status=429, body={"error": {"message": "slow down"}}, headers={"retry-after": "0.1"}),
        Reply(status=500, body=b"<html>oops</html>"),
        Reply(status=503, body={"message": "loading"}),
        DROP,
        Reply(body=b'{"choices": [{"te'),
        Reply(body=["not", "an", "object"]),
        Reply(body={"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}),
        Reply(body={"choices": [{"text": None, "finish_reason": "stop"}]}),
        Reply(body={"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}),
        Reply(body={"choices": [{"text": "no token counts", "finish_reason": "stop"}]}),
    ],
)
def test_a_failure_is_tried_again(server: ScriptedServer, connect: Connect, failure: Reply) -> None:
    failures = [failure, failure]
    server.answer = lambda asked: failures.pop() if failures else completed(asked)

    results = _results(connect(max_attempts=3).generate([_request(1)]))

    assert results["r1"].text == "Fine."
    assert len(server.asked) == 3


def test_an_answer_that_does_not_come_is_asked_for_again(
    server: ScriptedServer, connect: Connect
) -> None:
    is_over = threading.Event()

    def answer(asked: Asked) -> Reply:
        if len(server.asked) == 1:
            is_over.wait(30)
        return completed(asked)

    server.answer = answer

    results = _results(connect(request_timeout=0.5).generate([_request(1)]))
    is_over.set()

    assert results.keys() == {"r1"}
    assert len(server.asked) == 2


def test_the_time_that_a_server_asks_for_is_given(server: ScriptedServer, connect: Connect) -> None:
    failures = [Reply(status=429, body={}, headers={"retry-after": "0.4"})]
    server.answer = lambda asked: failures.pop() if failures else completed(asked)

    list(connect().generate([_request(1)]))

    assert server.asked[1].time - server.asked[0].time >= 0.4


def test_a_server_that_stays_broken_ends_the_run(server: ScriptedServer, connect: Connect) -> None:
    def answer(asked: Asked) -> Reply:
        return completed(asked) if asked.seed == 0 else Reply(status=500, body={"error": "disk full"})

    server.answer = answer
    engine = connect(max_attempts=3, concurrency=2)
    completions = engine.generate(_request(n) for n in range(3))

    assert next(completions).request_id == "r0"
    with pytest.raises(
        EngineError, match=r"no usable answer in 3 tries .*500: disk full.* same command again"
    ):
        list(completions)
    assert not asyncio.all_tasks(engine._loop)


def test_without_a_server_the_url_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"

    with pytest.raises(EngineError, match=f"no connection to the endpoint `{url}`.* the server runs"):
        EndpointEngine(EngineConfig(model="judge", engine="endpoint", endpoint=url))


def test_a_model_that_is_not_in_the_list_is_the_users_error(
    server: ScriptedServer, connect: Connect
) -> None:
    with pytest.raises(ConfigError, match="`model` must be one .*`judge`.*but is `juge`"):
        connect(model="juge")


@pytest.mark.parametrize(
    "models",
    [
        Reply(status=404, body={"detail": "Not Found"}),
        Reply(status=405, body=b""),
        Reply(body={"data": []}),
        Reply(body={"data": [{"id": f"model {number}"} for number in range(51)]}),
        Reply(body=[{"id": "judge", "object": "model"}]),
    ],
)
def test_a_list_that_is_missing_or_not_whole_refuses_nothing(
    server: ScriptedServer, connect: Connect, models: Reply
) -> None:
    server.models = models

    engine = connect()

    assert _results(engine.generate([_request(1)])).keys() == {"r1"}
    assert engine.max_model_len is None


def test_a_model_that_is_not_found_in_the_end_is_the_users_error(
    server: ScriptedServer, connect: Connect
) -> None:
    server.models = Reply(status=404)
    server.answer = lambda asked: Reply(status=404, body={"error": {"message": "no such model"}})

    with pytest.raises(ConfigError, match="`model` .`judge`. is not to be found .*no such model"):
        list(connect().generate([_request(1)]))


def test_answers_are_kept_within_the_length_that_the_server_tells(
    server: ScriptedServer, connect: Connect, tmp_path: Path
) -> None:
    server.models = _model(max_model_len=16, root="/models/judge")
    engine = connect(tokenizer=tmp_path)

    completions = {c.request_id: c for c in engine.generate(_request(n, ids=n) for n in (3, 14, 16))}

    assert engine.max_model_len == 16
    assert {asked.seed: asked.body["max_tokens"] for asked in server.asked} == {3: 10, 14: 2}
    refusal = completions["r16"]
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "too_long"
    assert engine.description == {
        "name": "endpoint",
        "url": server.url,
        "api": "completions",
        "model": "judge",
        "model_root": "/models/judge",
        "max_model_len": 16,
    }


def test_the_answer_to_messages_gets_the_room_that_they_leave(
    server: ScriptedServer, connect: Connect
) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.body["max_tokens"] > 12:
            return Reply(status=400, body={"error": {"message": f"{_TOO_LONG} has 500 input tokens"}})
        return completed(asked)

    server.models = _model(max_model_len=512)
    server.answer = answer

    results = _results(connect().generate([_request(1, ids=None, max_tokens=100)]))

    assert results["r1"].text == "Fine."
    assert [asked.body["max_tokens"] for asked in server.asked] == [100, 12]


def test_a_refused_request_leaves_its_neighbours_alone(server: ScriptedServer, connect: Connect) -> None:
    refusals = {
        1: Reply(status=400, body={"object": "error", "message": _TOO_LONG}),
        2: Reply(status=422, body={"error": {"message": "No\n such \x1b role. " + "x" * 1000}}),
        3: Reply(status=413, body=b"Request Entity Too Large"),
    }
    server.answer = lambda asked: refusals.get(asked.seed) or completed(asked)

    completions = {c.request_id: c for c in connect().generate(_request(n) for n in range(5))}

    found = {c.request_id: c.reason for c in completions.values() if isinstance(c, Refusal)}
    assert found == {"r1": "too_long", "r2": "refused", "r3": "too_long"}
    refusal = completions["r2"]
    assert isinstance(refusal, Refusal)
    assert refusal.sentence.startswith("was refused by the endpoint (HTTP 422: No such role. xxx")
    assert len(refusal.sentence) < 400


def test_a_server_that_refuses_everything_is_left_alone(
    server: ScriptedServer, connect: Connect
) -> None:
    is_over = threading.Event()

    def answer(asked: Asked) -> Reply:
        if asked.seed == 1:
            is_over.wait(30)
        return Reply(status=400, body={"error": {"message": f"no {asked.seed}"}})

    server.answer = answer
    engine = connect(concurrency=2)

    with pytest.raises(EngineError) as info:
        list(engine.generate(_request(n) for n in itertools.count()))

    # What was under way has been given up, though the error still holds on to the iterators.
    assert not asyncio.all_tasks(engine._loop)
    is_over.set()
    assert "refused 10 of 10 requests; the first was refused" in str(info.value)
    assert "HTTP 400: no 0" in str(info.value)
    assert len(server.asked) == 11


def test_ten_refusals_among_many_answers_are_no_reason_to_stop(
    server: ScriptedServer, connect: Connect
) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(status=400, body={}) if asked.seed % 2 else completed(asked)

    server.answer = answer

    assert len(list(connect(concurrency=1).generate(_request(n) for n in range(30)))) == 30


def test_any_other_answer_ends_the_run(server: ScriptedServer, connect: Connect) -> None:
    server.answer = lambda asked: Reply(status=402, body={"error": {"message": "out of credit"}})

    with pytest.raises(EngineError, match="HTTP 402: out of credit"):
        list(connect().generate([_request(1)]))
    assert len(server.asked) == 1


def test_closing_twice_does_nothing(connect: Connect) -> None:
    engine = connect()

    engine.close()
    engine.close()

    assert engine._loop.is_closed()
