"""Fixtures for the unit tests: an engine that says what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.engines.protocol import GenerationRequest, GenerationResult

Answer = Callable[[GenerationRequest], tuple[str, str]]
"""Gives the text and the finish reason of a completion."""


class ScriptedEngine:
    """An engine without a model: holds few requests at a time and finishes the latest first."""

    def __init__(self, answer: Answer, *, max_model_len: int = 8192, max_in_flight: int = 3) -> None:
        self._answer = answer
        self._max_in_flight = max_in_flight
        self.max_model_len = max_model_len
        self.requests: list[GenerationRequest] = []
        self.is_closed = False

    @property
    def description(self) -> Mapping[str, Any]:
        return {"name": "scripted"}

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[GenerationResult]:
        waiting = iter(requests)
        running: list[GenerationRequest] = []
        while True:
            while len(running) < self._max_in_flight:
                request = next(waiting, None)
                if request is None:
                    break
                running.append(request)
                self.requests.append(request)
            if not running:
                return
            request = running.pop()
            text, finish_reason = self._answer(request)
            yield GenerationResult(
                request_id=request.id,
                text=text,
                finish_reason=finish_reason,
                num_prompt_tokens=len(request.prompt_ids),
                num_output_tokens=len(text.split()),
            )

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture(scope="session")
def scripted_engine() -> type[ScriptedEngine]:
    return ScriptedEngine


Started = list[ScriptedEngine]
"""The engines that were started, in their order."""


@pytest.fixture
def script_engine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Started]:
    """Let the stages start scripted engines instead of a model's."""

    def install(answer: Answer = lambda request: ("[[A]]", "stop"), **options: Any) -> Started:
        started: Started = []

        def start(*_: Any) -> ScriptedEngine:
            started.append(ScriptedEngine(answer, **options))
            return started[-1]

        monkeypatch.setattr("ste_fairseq2.engines.start.start_engine", start)
        return started

    return install


@pytest.fixture(scope="session")
def renderer(tiny_model: Path) -> ChatRenderer:
    return ChatRenderer.from_folder(tiny_model)
