from __future__ import annotations

from typing import Any

import pytest

from ste_fairseq2.engines.endpoint_replies import (
    UnusableReply,
    prompt_tokens_in,
    read_refusal,
    read_reply,
    tokens_used,
)

_USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def _chat(content: Any, finish_reason: Any = "stop", usage: Any = _USAGE) -> dict[str, Any]:
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": finish_reason}

    return {"choices": [choice], "usage": usage}


def test_both_kinds_of_answers_are_read() -> None:
    plain = {"choices": [{"text": "Yes.", "finish_reason": "length"}], "usage": _USAGE}

    for reply, finish_reason in ((_chat("Yes."), "stop"), (plain, "length")):
        result = read_reply("a", reply)
        assert (result.request_id, result.text, result.finish_reason) == ("a", "Yes.", finish_reason)
        assert (result.num_prompt_tokens, result.num_output_tokens) == (5, 2)
        assert result.token_ids is None


def test_a_model_that_was_cut_off_before_its_answer_has_said_nothing() -> None:
    assert read_reply("a", _chat(None, "length")).text == ""
    assert read_reply("a", _chat("")).text == ""


@pytest.mark.parametrize(
    ("reply", "what"),
    [
        (None, "no completion"),
        ([], "no completion"),
        ({}, "no completion"),
        ({"choices": []}, "no completion"),
        ({"choices": None}, "no completion"),
        ({"choices": ["text"]}, "no completion"),
        ({"choices": [{"message": None, "finish_reason": "stop"}]}, "no completion"),
        (_chat(None), "no text"),
        (_chat([{"type": "text"}]), "no text"),
        (_chat("Yes.", None), "no finish reason"),
        (_chat("Yes.", usage=None), "no token counts"),
        (_chat("Yes.", usage={"prompt_tokens": "5", "completion_tokens": 2}), "no token counts"),
    ],
)
def test_anything_else_is_unusable(reply: Any, what: str) -> None:
    with pytest.raises(UnusableReply, match=what):
        read_reply("a", reply)


def test_tokens_are_counted_where_they_are_told() -> None:
    assert tokens_used(_chat(None)) == 7
    assert tokens_used(_chat("Yes.", usage=None)) is None
    assert tokens_used(["?"]) is None


@pytest.mark.parametrize(
    "words",
    [
        # vLLM 0.14
        "This model's maximum context length is 512 tokens. However, your request has 600 input tokens.",
        "'max_tokens' (600) cannot be greater than the model's maximum context length (512).",
        # OpenAI, TGI, SGLang
        "context_length_exceeded",
        "Input validation error: `inputs` must have less than 4096 tokens: it is too long",
        "Please reduce the length of the messages.",
        "The input (9000 tokens) exceeds the context window",
    ],
)
def test_words_about_length_are_understood(words: str) -> None:
    assert read_refusal("a", 400, words).reason == "too_long"


@pytest.mark.parametrize(
    "words",
    [
        "Unsupported parameter: 'max_tokens' is not supported with this model",
        "Conversation roles must alternate user/assistant",
        "The text was flagged by the content filter",
    ],
)
def test_other_words_are_another_refusal(words: str) -> None:
    refusal = read_refusal("a", 400, words)

    assert refusal.reason == "refused"
    assert refusal.sentence == f"was refused by the endpoint (HTTP 400: {words})."


def test_the_length_of_a_prompt_is_found_in_vllms_words() -> None:
    words = (
        "'max_tokens' or 'max_completion_tokens' is too large: 100. This model's maximum context length "
        "is 512 tokens and your request has 500 input tokens (100 > 512 - 500)."
    )

    assert prompt_tokens_in(words) == 500
    assert prompt_tokens_in("too long") is None
