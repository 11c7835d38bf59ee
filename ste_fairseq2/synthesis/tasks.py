"""Drives work on records that needs completions of a model, many records at a time.

A task asks for a wave of completions, receives them one by one, and may then ask for another: a vote
that is not settled, a reply that did not parse. The engine is kept busy with other tasks meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

from ste_fairseq2.engines.protocol import Completion, Engine, GenerationRequest, refuse_too_long
from ste_fairseq2.synthesis.inputs import InputRecord


class Task(Protocol):
    """Work on one record."""

    def next_requests(self) -> Sequence[GenerationRequest]:
        """Return the requests to send now; none where the work is finished.

        It is called at the start and whenever all that was asked for has come. The ids of requests
        are unique over all tasks and waves.
        """

    def add(self, completion: Completion) -> None:
        """Receive what came of a request."""


class RecordTask(Task, Protocol):
    """Work that ends with a record, or with a reason for none."""

    id: str
    """The record's id."""

    @property
    def row(self) -> dict[str, Any] | None:
        """The finished record; ``None`` where none came of it."""

    @property
    def reason(self) -> str:
        """Why none came of it, as a short name."""

    @property
    def detail(self) -> dict[str, Any]:
        """What helps to see why none came of it."""

    @property
    def num_output_tokens(self) -> int:
        """Tokens that were generated for it."""


class InputTask:
    """What tasks on one row of an input share: why the model cannot be asked about it, if so."""

    def __init__(self, task_id: str, record: InputRecord[Any]) -> None:
        """
        :param task_id: of the record that comes of it.
        """
        self.id = task_id
        self.input = record
        self._refusal: tuple[str, str] | None = None

    @property
    def is_refused(self) -> bool:
        return self._refusal is not None

    def refuse(self, reason: str, sentence: str) -> None:
        self._refusal = (reason, sentence)

    @property
    def reason(self) -> str:
        """Why the model cannot be asked."""
        return "" if self._refusal is None else self._refusal[0]

    @property
    def detail(self) -> dict[str, Any]:
        """Where the input stands, and a sentence about why the model cannot be asked."""
        sentence = "" if self._refusal is None else self._refusal[1]

        return {"source": self.input.source, "line": self.input.line, "sentence": sentence}


TaskT = TypeVar("TaskT", bound=Task)


def finish_tasks(tasks: Iterable[TaskT], engine: Engine) -> Iterator[TaskT]:
    """Yield each task as soon as it is finished.

    The requests of a task are asked for one after another, so that the engine computes what their
    prompts share once. Tasks are drawn as the engine has room.

    :raises EngineError: the engine failed.
    """
    return _Run(tasks, engine).finished()


class _Run(Generic[TaskT]):
    def __init__(self, tasks: Iterable[TaskT], engine: Engine) -> None:
        self._waiting = iter(tasks)
        self._engine = engine
        self._queue: deque[GenerationRequest] = deque()
        self._owners: dict[str, TaskT] = {}
        self._missing: dict[int, int] = {}
        """Completions that a task, by its `id()`, still waits for."""
        self._finished: deque[TaskT] = deque()

    def finished(self) -> Iterator[TaskT]:
        while True:
            for completion in self._engine.generate(self._requests()):
                self._receive(completion)
                while self._finished:
                    yield self._finished.popleft()
            while self._finished:
                yield self._finished.popleft()
            # Waves that were asked for after the last task had been drawn go into a round of their own.
            if not self._queue:
                return

    def _requests(self) -> Iterator[GenerationRequest]:
        while True:
            # A further wave of a task that is under way comes before the next task.
            while self._queue:
                yield self._queue.popleft()
            task = next(self._waiting, None)
            if task is None:
                return
            self._ask(task)

    def _ask(self, task: TaskT) -> None:
        while requests := task.next_requests():
            fitting = []
            for request in requests:
                refusal = refuse_too_long(request, self._engine.max_model_len)
                if refusal is None:
                    fitting.append(request)
                else:
                    task.add(refusal)
            if fitting:
                self._missing[id(task)] = len(fitting)
                self._owners |= {request.id: task for request in fitting}
                self._queue.extend(fitting)
                return
        self._finished.append(task)

    def _receive(self, completion: Completion) -> None:
        task = self._owners.pop(completion.request_id)
        task.add(completion)
        self._missing[id(task)] -= 1
        if not self._missing[id(task)]:
            del self._missing[id(task)]
            self._ask(task)
