"""Tasks that need several waves, none at all, or prompts that the model has no room for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ste_fairseq2.engines.protocol import (
    Completion,
    GenerationRequest,
    Prompt,
    Refusal,
    SamplingSettings,
)
from ste_fairseq2.synthesis.tasks import finish_tasks


class Counting:
    """Asks for waves of the sizes given and notes what it receives."""

    def __init__(self, name: str, waves: Sequence[int], length: int = 1) -> None:
        self.name = name
        self.received: list[Completion] = []
        self._waves = list(waves)
        self._length = length
        self._asked = 0

    def next_requests(self) -> list[GenerationRequest]:
        # Everything that was asked for before has come.
        assert len(self.received) == self._asked
        count = self._waves.pop(0) if self._waves else 0
        first, self._asked = self._asked, self._asked + count

        return [
            GenerationRequest(
                id=f"{self.name}-{number}",
                prompt=Prompt(ids=(7,) * self._length),
                sampling=SamplingSettings(),
                seed=number,
            )
            for number in range(first, self._asked)
        ]

    def add(self, completion: Completion) -> None:
        self.received.append(completion)


def _answer(request: GenerationRequest) -> tuple[str, str]:
    return request.id, "stop"


def test_each_task_gets_what_it_asked_for(scripted_engine: Any) -> None:
    tasks = [Counting(f"t{n}", [1 + n % 3, n % 2, 2]) for n in range(20)]

    finished = list(finish_tasks(tasks, scripted_engine(_answer)))

    assert sorted(task.name for task in finished) == sorted(task.name for task in tasks)
    for number, task in enumerate(tasks):
        # A wave of none ends the task, whatever it would have asked for after.
        wanted = 1 + number % 3 + (3 if number % 2 else 0)
        assert sorted(c.request_id for c in task.received) == sorted(
            f"t{number}-{k}" for k in range(wanted)
        )


def test_a_task_that_asks_for_nothing_is_finished(scripted_engine: Any) -> None:
    engine = scripted_engine(_answer)

    assert [t.name for t in finish_tasks([Counting("a", []), Counting("b", [])], engine)] == ["a", "b"]
    assert not engine.requests


def test_a_prompt_without_room_never_reaches_the_engine(scripted_engine: Any) -> None:
    engine = scripted_engine(_answer, max_model_len=8)
    tasks = [Counting("short", [2], length=7), Counting("long", [2, 1], length=8)]

    finished = {task.name: task for task in finish_tasks(tasks, engine)}

    assert {request.id for request in engine.requests} == {"short-0", "short-1"}
    refusals = finished["long"].received
    assert [type(refusal) for refusal in refusals] == [Refusal] * 3
    assert isinstance(refusals[0], Refusal)
    assert refusals[0].reason == "too_long"
    assert refusals[0].sentence.startswith("makes a prompt of 8 tokens, but the model takes 8 with the")


def test_the_requests_of_a_task_follow_each_other(scripted_engine: Any) -> None:
    """So that an engine with a prefix cache computes what they share once."""
    engine = scripted_engine(_answer, max_in_flight=100)

    list(finish_tasks([Counting(f"t{n}", [3]) for n in range(4)], engine))

    assert [r.id for r in engine.requests] == [f"t{n}-{k}" for n in range(4) for k in range(3)]


def test_tasks_are_drawn_as_there_is_room(scripted_engine: Any) -> None:
    drawn = []

    def tasks() -> Any:
        for number in range(100):
            drawn.append(number)
            yield Counting(f"t{number}", [1])

    running = finish_tasks(tasks(), scripted_engine(_answer, max_in_flight=3))
    next(running)

    assert len(drawn) <= 4
