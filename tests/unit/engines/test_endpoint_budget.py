"""The token budget of the endpoint engine, against a server that counts by itself."""

from __future__ import annotations

import threading

import pytest

from ste_fairseq2.engines.endpoint import EndpointEngine
from ste_fairseq2.engines.protocol import GenerationRequest, Prompt, SamplingSettings
from ste_fairseq2.errors import TokenBudgetError
from ste_fairseq2.records import Message
from tests.unit.engines.conftest import Connect
from tests.unit.engines.scripted_server import DROP, Asked, Reply, ScriptedServer, completed


class _Meter:
    """Bills every request with all that it may take, or with less."""

    def __init__(self, share: float = 1.0, drops: frozenset[int] = frozenset()) -> None:
        self._share = share
        self._drops = set(drops)
        self._lock = threading.Lock()
        self.billed = 0

    def __call__(self, asked: Asked) -> Reply:
        prompt = len(asked.body["prompt"])
        output = max(1, int(self._share * asked.body["max_tokens"]))
        with self._lock:
            self.billed += prompt + output
            is_dropped = asked.seed in self._drops
            self._drops.discard(asked.seed)

        return DROP if is_dropped else completed(asked, tokens=(prompt, output))


def _spend(engine: EndpointEngine, max_tokens: int = 7) -> tuple[list[str], TokenBudgetError]:
    """Ask until the budget is used up; return what was finished, and the error."""
    finished = []
    try:
        for completion in engine.generate(_request(n, max_tokens) for n in range(100)):
            finished.append(completion.request_id)
    except TokenBudgetError as ex:
        return finished, ex

    raise AssertionError("the budget was not used up")


def _request(number: int, max_tokens: int = 7) -> GenerationRequest:
    return GenerationRequest(
        id=f"r{number}",
        prompt=Prompt(ids=(1, 2, 3)),
        sampling=SamplingSettings(max_tokens=max_tokens),
        seed=number,
    )


@pytest.mark.parametrize("concurrency", [1, 4, 64])
def test_the_budget_is_used_and_never_exceeded(
    server: ScriptedServer, connect: Connect, concurrency: int
) -> None:
    server.answer = meter = _Meter()
    engine = connect(token_budget=125, tokens_spent=20, concurrency=concurrency)

    finished, error = _spend(engine)

    assert "budget of 125" in str(error)
    assert "120 are spent, and it may take up to 10." in str(error)
    # Each takes 10 tokens: ten fit into what is left, and all ten were handed over.
    assert len(finished) == len(set(finished)) == 10
    assert meter.billed == 100


def test_what_answers_did_not_take_is_there_for_others(server: ScriptedServer, connect: Connect) -> None:
    # Each may take 103 and takes 13.
    server.answer = meter = _Meter(share=0.1)
    engine = connect(token_budget=300, concurrency=8)

    finished, _ = _spend(engine, max_tokens=100)

    # The last one to begin found 300 - 103 or less spent: 15 others, at 13 each.
    assert len(finished) == 16
    assert meter.billed == 16 * 13


def test_a_request_that_got_lost_counts_as_if_it_had_been_answered(
    server: ScriptedServer, connect: Connect
) -> None:
    server.answer = meter = _Meter(drops=frozenset({1, 2, 3}))
    engine = connect(token_budget=100, concurrency=4)

    finished, error = _spend(engine)

    assert error.spent == meter.billed == 100
    assert len(finished) == 7


def test_a_request_that_was_turned_away_costs_nothing(server: ScriptedServer, connect: Connect) -> None:
    turned_away = [Reply(status=429, body={}), Reply(status=503, body={}), Reply(status=500, body={})]
    server.answer = lambda asked: turned_away.pop() if turned_away else completed(asked)

    assert len(list(connect(token_budget=10).generate([_request(1)]))) == 1


def test_messages_are_counted_by_their_bytes(server: ScriptedServer, connect: Connect) -> None:
    def request(number: int) -> GenerationRequest:
        return GenerationRequest(
            id=f"r{number}",
            prompt=Prompt(messages=(Message("user", "ä" * 100),)),
            sampling=SamplingSettings(max_tokens=10),
            seed=number,
        )

    server.answer = lambda asked: completed(asked, tokens=(60, 10))

    # 200 bytes, something for the template, and the answer.
    with pytest.raises(TokenBudgetError, match="0 are spent, .* up to 242"):
        list(connect(token_budget=241).generate([request(1)]))
    engine = connect(token_budget=312)
    assert len(list(engine.generate(request(n) for n in range(2)))) == 2
