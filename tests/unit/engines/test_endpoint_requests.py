from __future__ import annotations

import pytest

from ste_fairseq2.engines.endpoint_requests import fitting_max_tokens, most_tokens
from ste_fairseq2.engines.protocol import GenerationRequest, Prompt, SamplingSettings
from ste_fairseq2.records import Message


def _request(prompt: Prompt) -> GenerationRequest:
    return GenerationRequest(id="a", prompt=prompt, sampling=SamplingSettings(max_tokens=10), seed=1)


_IDS = _request(Prompt(ids=(1, 2, 3)))
_MESSAGES = _request(Prompt(messages=(Message("system", "Judge."), Message("user", "äöü"))))


@pytest.mark.parametrize(("max_model_len", "fitting"), [(None, 10), (100, 10), (13, 10), (5, 2)])
def test_answers_fit_behind_token_ids(max_model_len: int | None, fitting: int) -> None:
    assert fitting_max_tokens(_IDS, max_model_len) == fitting


def test_how_long_messages_become_is_not_known() -> None:
    assert fitting_max_tokens(_MESSAGES, 5) == 10


def test_the_most_that_a_request_takes() -> None:
    assert most_tokens(_IDS, 10, None) == 13
    # 6 bytes and 6 bytes, each with a template around it.
    assert most_tokens(_MESSAGES, 10, None) == 6 + 6 + 2 * 32 + 10
    assert most_tokens(_MESSAGES, 10, 50) == 50
