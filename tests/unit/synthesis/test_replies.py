"""One reply, another attempt where it cannot be read, and what is noted where none can."""

from __future__ import annotations

from typing import Any

from ste_fairseq2.engines.protocol import (
    GenerationRequest,
    GenerationResult,
    Prompt,
    Refusal,
    SamplingSettings,
)
from ste_fairseq2.errors import ChatTemplateError
from ste_fairseq2.rng import derived_seed
from ste_fairseq2.synthesis.replies import ReplyPlan, ReplyTask, Unusable


def _task(attempts: int = 1, render: Any = lambda: Prompt(ids=(1, 2))) -> ReplyTask:
    """A task that can read any text but `?`."""
    plan = ReplyPlan(stage="s", sampling=SamplingSettings(), seed=5, attempts=attempts)

    def read(result: GenerationResult) -> dict[str, Any] | Unusable:
        return Unusable("puzzling") if result.text == "?" else {"id": "r", "text": result.text}

    return ReplyTask("r", render, plan, read)


def _reply(request: GenerationRequest, text: str) -> GenerationResult:
    return GenerationResult(
        request_id=request.id,
        text=text,
        finish_reason="stop",
        num_prompt_tokens=2,
        num_output_tokens=3,
    )


def test_a_reply_that_can_be_read_is_the_record() -> None:
    task = _task()
    [request] = task.next_requests()
    task.add(_reply(request, "fine"))

    assert not task.next_requests()
    assert task.row == {"id": "r", "text": "fine", "num_prompt_tokens": 2, "num_output_tokens": 3}
    assert (request.id, request.seed) == ("r", derived_seed(5, "s", "r"))


def test_it_is_asked_again_with_another_seed_up_to_the_number_of_attempts() -> None:
    task = _task(attempts=3)
    requests = []
    while wave := task.next_requests():
        requests += wave
        task.add(_reply(wave[0], "?"))

    assert [request.id for request in requests] == ["r", "r:attempt-1", "r:attempt-2"]
    assert len({request.seed for request in requests}) == 3
    assert task.row is None
    assert task.reason == "puzzling"
    assert task.detail == {
        "reply": "?",
        "finish_reason": "stop",
        "num_prompt_tokens": 6,
        "num_output_tokens": 9,
        "attempts": 3,
    }


def test_the_cost_of_failed_attempts_is_the_records_too() -> None:
    task = _task(attempts=3)
    for text in ("?", "fine"):
        [request] = task.next_requests()
        task.add(_reply(request, text))

    assert not task.next_requests()
    assert task.row is not None
    assert (task.row["attempts"], task.row["num_output_tokens"]) == (2, 6)


def test_a_refusal_is_final() -> None:
    task = _task(attempts=3)
    [request] = task.next_requests()
    task.add(Refusal(request_id=request.id, reason="too_long", sentence="is too long."))

    assert not task.next_requests()
    assert (task.row, task.reason) == (None, "too_long")
    assert task.detail["sentence"] == "is too long."


def test_a_prompt_that_cannot_be_rendered_is_not_asked() -> None:
    def render() -> Prompt:
        raise ChatTemplateError("it repeats the user message.")

    task = _task(attempts=3, render=render)

    assert not task.next_requests()
    assert (task.row, task.reason) == (None, "not_renderable")
    assert "repeats the user message" in task.detail["sentence"]
