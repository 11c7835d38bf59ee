"""Makes single tries at an OpenAI-compatible server, sorts the failures, and keeps the key to itself."""

from __future__ import annotations

import logging
import os
from typing import Any, Final

import httpx
from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI

from ste_fairseq2.engines.config import EngineConfig
from ste_fairseq2.engines.endpoint_retries import NoAnswer, NoConnection, read_retry_after
from ste_fairseq2.errors import ConfigError, EndpointAccessError

_BUSY: Final = (408, 409, 429)
_LOST_BEHIND_A_PROXY: Final = (502, 504)

_LOGGERS: Final = ("openai", "httpx", "httpcore")

_NO_KEY: Final = "none"
"""The library insists on one; a server without keys takes no notice."""

_LONGEST_WORDS: Final = 300
_LONGEST_CONNECT: Final = 20.0


class Rejected(Exception):
    """The server was asked and said no; it would say so again."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"HTTP {status}: {words}")
        self.status = status
        self.words = words


class EndpointClient:
    """An HTTP client that repeats nothing by itself."""

    def __init__(self, config: EngineConfig) -> None:
        """
        :raises ConfigError: what the environment variable holds cannot be a key.
        """
        assert config.endpoint is not None
        self.url: Final = config.endpoint.rstrip("/")
        self._key_name = config.api_key_env
        self._key = _read_key(config.api_key_env)
        self._timeout = config.request_timeout
        self._client = AsyncOpenAI(
            # Never the library's own choice of a key, which may belong to another server.
            api_key=self._key or _NO_KEY,
            base_url=self.url,
            max_retries=0,
            timeout=httpx.Timeout(self._timeout, connect=min(self._timeout, _LONGEST_CONNECT)),
        )
        # They would write a line or more for each request, and its whole text where OPENAI_LOG asks for
        # that; it is read when the library is imported.
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            logger.setLevel(max(logging.WARNING, logger.level))

    async def get(self, path: str) -> Any:
        """Return the JSON value at a path; raises what :meth:`post` raises."""
        return await self._try(path, None)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the JSON value that the server answers.

        :raises NoAnswer: not this time.
        :raises Rejected: never.
        :raises EndpointAccessError: the key is missing or wrong.
        """
        return await self._try(path, body)

    async def close(self) -> None:
        await self._client.close()

    async def _try(self, path: str, body: dict[str, Any] | None) -> Any:
        error: Exception
        try:
            if body is None:
                response = await self._client.get(path, cast_to=httpx.Response)
            else:
                response = await self._client.post(path, cast_to=httpx.Response, body=body)
        except APIStatusError as ex:
            error = self._of_status(ex.response)
        except APIConnectionError as ex:
            error = self._of_connection(ex)
        else:
            try:
                return response.json()
            except ValueError:
                error = NoAnswer("its answer is not JSON", may_have_cost=True)
        # Not from within the handlers: the library's errors hold the request, headers included.
        raise error

    def _of_status(self, response: httpx.Response) -> Exception:
        status = response.status_code
        if status in (401, 403):
            # What the server says to it may quote the key.
            return EndpointAccessError(self.url, self._key_name, has_key=bool(self._key))
        words = self._clean(_words_of(response))
        if status in _BUSY or status >= 500:
            return NoAnswer(
                f"HTTP {status}: {words}",
                may_have_cost=status in _LOST_BEHIND_A_PROXY,
                retry_after=read_retry_after(response.headers),
            )

        return Rejected(status, words)

    def _of_connection(self, error: APIConnectionError) -> NoAnswer:
        cause = error.__cause__
        words = self._clean(str(cause) or type(cause).__name__)
        if isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout):
            return NoConnection(words)
        if isinstance(error, APITimeoutError):
            words = f"nothing came within {self._timeout:g} seconds"

        return NoAnswer(words, may_have_cost=True)

    def _clean(self, words: str) -> str:
        """Put what somebody else wrote into one short line without the key."""
        words = " ".join("".join(c if c.isprintable() else " " for c in words).split())
        if self._key:
            words = words.replace(self._key, "***")

        return words if len(words) <= _LONGEST_WORDS else f"{words[:_LONGEST_WORDS]}…"


def _words_of(response: httpx.Response) -> str:
    """Return the message in a refusal, from one of the shapes that servers give it."""
    try:
        found = response.json()
    except ValueError:
        return response.text or response.reason_phrase
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(name):
            found = found[name]

    return found if isinstance(found, str) else str(found)


def _read_key(name: str) -> str:
    key = os.environ.get(name, "").strip()
    # The HTTP library would quote it in its complaint.
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError(
            "api_key_env", f"names the environment variable {name}, whose value cannot be a key."
        )

    return key
