"""Writes requests in the words of an OpenAI-compatible server, and counts what they may cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ste_fairseq2.engines.protocol import GenerationRequest

_TEMPLATE_TOKENS: Final = 32
"""More than a chat template adds to a message."""

_PLAIN_SAMPLING: Final = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""What `vllm serve` would otherwise take from the model's generation configuration. vLLM in this process
does not, and the two must write the same."""


def path_and_body(
    request: GenerationRequest, model: str, max_tokens: int, stop_token_ids: Sequence[int]
) -> tuple[str, dict[str, Any]]:
    """Return where a request goes and what is sent.

    :param stop_token_ids: tokens that end an answer; only sent along with token ids.
    """
    body: dict[str, Any] = {
        "model": model,
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
        "max_tokens": max_tokens,
        "seed": request.seed,
    }
    prompt = request.prompt
    if prompt.ids is not None:
        body |= {"prompt": prompt.ids, "stop_token_ids": stop_token_ids, "skip_special_tokens": True}
        return "/completions", body | _PLAIN_SAMPLING
    assert prompt.messages is not None

    # Only what every server knows: many refuse a field that they do not.
    return "/chat/completions", body | {"messages": [m.to_row() for m in prompt.messages]}


def fitting_max_tokens(request: GenerationRequest, max_model_len: int | None) -> int:
    """Return how long an answer may be: `vllm serve` refuses what it could only cut off.

    :param max_model_len: longer than the prompt, where its token ids are known.
    """
    wanted = request.sampling.max_tokens
    if max_model_len is None or request.prompt.ids is None:
        return wanted

    return min(wanted, max_model_len - len(request.prompt.ids))


def most_tokens(request: GenerationRequest, max_tokens: int, max_model_len: int | None) -> int:
    """Return how many tokens a request can take: none stands for less than a byte of a message."""
    prompt = request.prompt
    if prompt.ids is not None:
        return len(prompt.ids) + max_tokens
    assert prompt.messages is not None
    most = max_tokens + sum(len(m.content.encode()) + _TEMPLATE_TOKENS for m in prompt.messages)

    return most if max_model_len is None else min(most, max_model_len)
