"""Reads what an OpenAI-compatible server answers; pure functions."""

from __future__ import annotations

import re
from typing import Any, Final

from ste_fairseq2.engines.protocol import GenerationResult, Refusal, RefusalReason

_TOO_LONG: Final = re.compile(
    r"context[ _](length|window|size)|maximum (\w+ )?(length|tokens|number of tokens)|max_model_len"
    r"|too (long|many (\w+ )?tokens)|reduce the length|tokens? limit",
    re.IGNORECASE,
)
_PROMPT_TOKENS: Final = re.compile(r"has (\d+) input tokens")


class UnusableReply(Exception):
    """An answer without what was asked for."""


def tokens_used(reply: Any) -> int | None:
    """Return the tokens that a request took, or ``None`` where the server does not tell."""
    counts = _usage(reply)

    return None if counts is None else sum(counts)


def read_reply(request_id: str, reply: Any) -> GenerationResult:
    """Return the completion in an answer of `/completions` or `/chat/completions`.

    :raises UnusableReply: it holds none.
    """
    try:
        choice = reply["choices"][0]
        finish_reason = choice["finish_reason"]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
    except (KeyError, IndexError, TypeError):
        raise UnusableReply("its answer holds no completion") from None
    # A model that was cut off while it was thinking has written nothing yet.
    if text is None and finish_reason == "length":
        text = ""
    if not isinstance(text, str):
        raise UnusableReply("its answer holds no text")
    if not isinstance(finish_reason, str):
        raise UnusableReply("its answer holds no finish reason")
    counts = _usage(reply)
    if counts is None:
        raise UnusableReply("its answer holds no token counts (`usage`)")

    return GenerationResult(
        request_id=request_id,
        text=text,
        finish_reason=finish_reason,
        num_prompt_tokens=counts[0],
        num_output_tokens=counts[1],
    )


def read_refusal(request_id: str, status: int, words: str) -> Refusal:
    """Return the refusal of a single request, from the status and the words that came with it."""
    is_too_long = status == 413 or _TOO_LONG.search(words) is not None
    reason: RefusalReason = "too_long" if is_too_long else "refused"
    found = "is too long for the endpoint's model" if is_too_long else "was refused by the endpoint"

    return Refusal(
        request_id=request_id, reason=reason, sentence=f"{found} (HTTP {status}: {words.rstrip('.')})."
    )


def prompt_tokens_in(words: str) -> int | None:
    """Return how long a prompt is that left no room for the answer, where vLLM's words tell."""
    match = _PROMPT_TOKENS.search(words)

    return int(match[1]) if match is not None else None


def _usage(reply: Any) -> tuple[int, int] | None:
    usage = reply.get("usage") if isinstance(reply, dict) else None
    if not isinstance(usage, dict):
        return None
    prompt, output = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(output, int):
        return None

    return prompt, output
