"""Repeats what an endpoint did not answer: later and later, and not before it wants to be asked."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)
from tenacity.retry import retry_base
from tenacity.wait import wait_base

from ste_fairseq2.errors import EngineError

BACKOFF: wait_base = wait_exponential(max=60) + wait_random(0, 2)
"""Seconds before the next try; chance keeps requests that failed together from coming back together."""

LONGEST_RETRY_AFTER: Final = 300.0
"""Seconds that a server may ask us to wait; it is asked again after that, whatever it said."""

ArgumentT = TypeVar("ArgumentT")
ResultT = TypeVar("ResultT")


class NoAnswer(Exception):
    """A try that came to nothing, where the next one may do better.

    :param may_have_cost: the server may have generated all the same.
    :param retry_after: seconds that the server asked us to wait.
    """

    def __init__(self, reason: str, *, may_have_cost: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.may_have_cost = may_have_cost
        self.retry_after = retry_after


class NoConnection(NoAnswer):
    """Nobody was there to be asked."""


async def repeat(
    call: Callable[[ArgumentT], Awaitable[ResultT]],
    argument: ArgumentT,
    *,
    url: str,
    max_attempts: int,
    even_without_connection: bool = True,
) -> ResultT:
    """Return what a call returns, repeating it as long as it raises :class:`NoAnswer`.

    :param even_without_connection: whether to repeat it where nobody was there.
    :raises EngineError: every try came to nothing.
    """
    retry: retry_base = retry_if_exception_type(NoAnswer)
    if not even_without_connection:
        retry &= retry_if_not_exception_type(NoConnection)
    retrying = AsyncRetrying(
        retry=retry, stop=stop_after_attempt(max_attempts), wait=_seconds_to_wait, reraise=True
    )
    try:
        result: ResultT = await retrying(call, argument)
        return result
    except NoConnection as ex:
        raise EngineError(
            f"there is no connection to the endpoint `{url}` ({ex}). Check that the server runs and "
            "that the URL is right, then run the same command again."
        ) from None
    except NoAnswer as ex:
        raise EngineError(
            f"the endpoint `{url}` gave no usable answer in {max_attempts} tries (the last time: {ex}). "
            "What is finished is kept; run the same command again to go on."
        ) from None


def read_retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that a server asks us to wait; it tells them, or a date."""
    text = headers.get("retry-after", "")
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return 0.0

    # Written so that "nan", which is a float too, waits for nothing.
    return min(seconds, LONGEST_RETRY_AFTER) if seconds > 0.0 else 0.0


def _seconds_to_wait(state: RetryCallState) -> float:
    assert state.outcome is not None
    error = state.outcome.exception()
    assert isinstance(error, NoAnswer)

    return error.retry_after + float(BACKOFF(state))
