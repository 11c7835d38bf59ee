"""Fixtures for the engines that ask a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from tenacity import wait_none

from ste_fairseq2.engines import endpoint_retries
from ste_fairseq2.engines.config import EngineConfig
from ste_fairseq2.engines.endpoint import EndpointEngine
from tests.unit.engines.scripted_server import ScriptedServer


class Connect(Protocol):
    def __call__(self, *, tokens_spent: int = 0, **settings: Any) -> EndpointEngine: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """A server that has the model `judge`; nobody waits before another try."""
    monkeypatch.setattr(endpoint_retries, "BACKOFF", wait_none())
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def connect(server: ScriptedServer) -> Iterator[Connect]:
    """Makes engines for the server and closes them at the end."""
    engines = []

    def connect(*, tokens_spent: int = 0, **settings: Any) -> EndpointEngine:
        config = EngineConfig(
            **{"model": "judge", "engine": "endpoint", "endpoint": server.url, **settings}
        )
        config.validate()
        engine = EndpointEngine(config, stop_token_ids=[9, 7], tokens_spent=tokens_spent)
        engines.append(engine)

        return engine

    yield connect
    for engine in engines:
        engine.close()
