from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from tenacity import RetryCallState, wait_none

from ste_fairseq2.engines import endpoint_retries
from ste_fairseq2.engines.endpoint_retries import (
    BACKOFF,
    NoAnswer,
    NoConnection,
    read_retry_after,
    repeat,
)
from ste_fairseq2.errors import EngineError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2", 2.0), ("0.5", 0.5), ("0", 0.0), ("-3", 0.0), ("86400", 300.0), ("inf", 300.0), ("nan", 0.0)],
)
def test_seconds_to_wait_are_read_and_bounded(text: str, seconds: float) -> None:
    assert read_retry_after({"retry-after": text}) == seconds


@pytest.mark.parametrize("headers", [{}, {"retry-after": ""}, {"retry-after": "soon"}])
def test_no_time_to_wait_is_none(headers: dict[str, str]) -> None:
    assert read_retry_after(headers) == 0.0


def test_a_date_to_wait_for_is_read() -> None:
    now = datetime.now(timezone.utc)

    later = read_retry_after({"retry-after": format_datetime(now + timedelta(seconds=100), usegmt=True)})
    earlier = read_retry_after({"retry-after": format_datetime(now - timedelta(hours=1), usegmt=True)})

    assert 50.0 < later <= 100.0
    assert earlier == 0.0


def test_waits_grow_and_differ() -> None:
    def wait(attempt: int) -> float:
        state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
        state.attempt_number = attempt
        return float(BACKOFF(state))

    for attempt, least in ((1, 1), (2, 2), (3, 4), (7, 60), (30, 60)):
        waits = {wait(attempt) for _ in range(20)}
        assert len(waits) > 1
        assert all(least <= seconds <= least + 2 for seconds in waits)


def test_a_connection_may_be_waited_for_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_retries, "BACKOFF", wait_none())
    asked = []

    async def call(path: str) -> str:
        asked.append(path)
        if len(asked) < 3:
            raise NoConnection("refused")
        return "there"

    assert asyncio.run(repeat(call, "/", url="http://x/v1", max_attempts=3)) == "there"
    asked.clear()
    with pytest.raises(EngineError, match="no connection to the endpoint `http://x/v1` .refused"):
        asyncio.run(repeat(call, "/", url="http://x/v1", max_attempts=3, even_without_connection=False))
    assert len(asked) == 1


def test_other_errors_are_not_repeated() -> None:
    asked = []

    async def call(path: str) -> str:
        asked.append(path)
        raise KeyError(path)

    with pytest.raises(KeyError):
        asyncio.run(repeat(call, "/", url="http://x/v1", max_attempts=3))
    assert len(asked) == 1


def test_the_last_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_retries, "BACKOFF", wait_none())
    reasons = iter(("first", "second"))

    async def call(path: str) -> str:
        raise NoAnswer(next(reasons))

    with pytest.raises(EngineError, match="in 2 tries .the last time: second.*run the same command"):
        asyncio.run(repeat(call, "/", url="http://x/v1", max_attempts=2))
