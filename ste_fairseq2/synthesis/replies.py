"""One reply of a model to one prompt, read by a function; asked for again where it cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ste_fairseq2.engines.protocol import (
    Completion,
    GenerationRequest,
    GenerationResult,
    Prompt,
    Refusal,
    SamplingSettings,
)
from ste_fairseq2.errors import ChatTemplateError
from ste_fairseq2.rng import derived_seed


@dataclass(frozen=True)
class Unusable:
    """Why no record can be made of a reply."""

    reason: str
    """A short name; drops are counted by it."""


ReadReply: TypeAlias = Callable[[GenerationResult], Mapping[str, Any] | Unusable]
"""Makes the row of a record of a reply."""


@dataclass(frozen=True, kw_only=True)
class ReplyPlan:
    """How replies are drawn."""

    stage: str
    """Seeds the samples, together with ``seed`` and the record's id."""
    sampling: SamplingSettings
    seed: int
    attempts: int = 1
    """Replies drawn for a record until one can be read."""


class ReplyTask:
    """A :class:`~ste_fairseq2.synthesis.tasks.RecordTask`."""

    def __init__(
        self, record_id: str, render: Callable[[], Prompt], plan: ReplyPlan, read: ReadReply
    ) -> None:
        """
        :param render: makes the prompt once the engine has room for it; where the model's template
            refuses, the record is dropped.
        """
        self.id = record_id
        self._render = render
        self._plan = plan
        self._read = read
        self._num_asked = 0
        self._is_over = False
        self._cost = {"num_prompt_tokens": 0, "num_output_tokens": 0}
        self._row: Mapping[str, Any] | None = None
        self._detail: dict[str, Any] = {}
        self._reason = ""

    def next_requests(self) -> Sequence[GenerationRequest]:
        if self._is_over or self._num_asked == self._plan.attempts:
            return ()
        try:
            prompt = self._render()
        except ChatTemplateError as ex:
            self._end("not_renderable", sentence=str(ex))
            return ()
        # The first attempt has the record's own id: it is the same draw however many are allowed.
        request_id = self.id if not self._num_asked else f"{self.id}:attempt-{self._num_asked}"
        self._num_asked += 1

        return [
            GenerationRequest(
                id=request_id,
                prompt=prompt,
                sampling=self._plan.sampling,
                seed=derived_seed(self._plan.seed, self._plan.stage, request_id),
            )
        ]

    def add(self, completion: Completion) -> None:
        if isinstance(completion, Refusal):
            self._end(completion.reason, sentence=completion.sentence)
            return
        self._cost["num_prompt_tokens"] += completion.num_prompt_tokens
        self._cost["num_output_tokens"] += completion.num_output_tokens
        reading = self._read(completion)
        if isinstance(reading, Unusable):
            self._reason = reading.reason
            self._detail = {"reply": completion.text, "finish_reason": completion.finish_reason}
        else:
            self._row = reading
            self._is_over = True

    @property
    def row(self) -> dict[str, Any] | None:
        """The finished record with what it cost; ``None`` where none came of it."""
        return None if self._row is None else {**self._row, **self._full_cost}

    @property
    def reason(self) -> str:
        """Why no record came of it: what the last reply was."""
        return self._reason

    @property
    def detail(self) -> dict[str, Any]:
        """What helps to see why no record came of it: the last reply, or a sentence; and the cost."""
        return self._detail | self._full_cost

    @property
    def num_output_tokens(self) -> int:
        """Tokens generated over all attempts."""
        return self._cost["num_output_tokens"]

    @property
    def _full_cost(self) -> dict[str, int]:
        attempts = {"attempts": self._num_asked} if self._plan.attempts > 1 else {}

        return self._cost | attempts

    def _end(self, reason: str, *, sentence: str) -> None:
        self._reason = reason
        self._detail = {"sentence": sentence}
        self._is_over = True
