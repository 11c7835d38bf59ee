"""An OpenAI-compatible server as an engine: a `vllm serve`, a hosted API, a dedicated endpoint."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ste_fairseq2.engines.budget import TokenBudget
from ste_fairseq2.engines.concurrency import as_finished, close_loop
from ste_fairseq2.engines.config import EngineConfig
from ste_fairseq2.engines.endpoint_client import EndpointClient, Rejected
from ste_fairseq2.engines.endpoint_replies import (
    UnusableReply,
    prompt_tokens_in,
    read_refusal,
    read_reply,
    tokens_used,
)
from ste_fairseq2.engines.endpoint_requests import fitting_max_tokens, most_tokens, path_and_body
from ste_fairseq2.engines.endpoint_retries import NoAnswer, repeat
from ste_fairseq2.engines.protocol import Completion, GenerationRequest, Refusal, refuse_too_long
from ste_fairseq2.errors import ConfigError, EngineError

_LONGEST_COMPLETE_LIST: Final = 50
"""Models in a list that is believed to be whole. Longer ones are those of large providers, which page
them and leave out what they run for a single customer."""

_REFUSED: Final = (400, 413, 422)
_NOT_FOUND: Final = (404, 405, 410)

_MANY_REFUSALS: Final = 10


class EndpointEngine:
    """An :class:`~ste_fairseq2.engines.protocol.Engine`."""

    def __init__(
        self, config: EngineConfig, *, stop_token_ids: Iterable[int] = (), tokens_spent: int = 0
    ) -> None:
        """
        :param stop_token_ids: tokens that end an answer to a prompt of token ids.
        :param tokens_spent: tokens of the budget that earlier runs have used.
        :raises ConfigError: the endpoint does not have the model.
        :raises EndpointAccessError: the endpoint asks for a key, or refuses it.
        :raises EngineError: there is no connection, or nothing but errors.
        """
        self._config = config
        self._stop_token_ids = sorted(set(stop_token_ids))
        self._budget = TokenBudget(config.token_budget, tokens_spent)
        self._num_answers = self._num_refused = 0
        self._first_refused = ""
        self._client = EndpointClient(config)
        self._loop = asyncio.new_event_loop()
        try:
            card = self._find_model(self._loop.run_until_complete(self._list_models()))
        except BaseException:
            self.close()
            raise
        self._root = card.get("root")
        length = card.get("max_model_len")
        self._max_model_len = length if isinstance(length, int) else None

    @property
    def max_model_len(self) -> int | None:
        return self._max_model_len

    @property
    def description(self) -> Mapping[str, Any]:
        return {
            "name": "endpoint",
            "url": self._client.url,
            "api": "chat/completions" if self._config.tokenizer is None else "completions",
            "model": self._config.model,
            "model_root": self._root,
            "max_model_len": self._max_model_len,
        }

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Completion]:
        completions = as_finished(self._loop, self._complete, requests, self._config.concurrency)
        with contextlib.closing(completions):
            for completion in completions:
                self._count(completion)
                yield completion

    def close(self) -> None:
        if not self._loop.is_closed():
            self._loop.run_until_complete(self._client.close())
            close_loop(self._loop)

    async def _list_models(self) -> list[Mapping[str, Any]]:
        """Ask which models there are; returns none where the server does not tell."""
        try:
            found = await repeat(
                self._client.get,
                "/models",
                url=self._client.url,
                max_attempts=self._config.max_attempts,
                even_without_connection=False,
            )
        except Rejected:
            # Some servers have no such list; the first request will tell whether they have the model.
            return []
        # Together answers with the list itself.
        cards = found.get("data") if isinstance(found, dict) else found

        return [card for card in cards if isinstance(card, dict)] if isinstance(cards, list) else []

    def _find_model(self, cards: list[Mapping[str, Any]]) -> Mapping[str, Any]:
        for card in cards:
            if card.get("id") == self._config.model:
                return card
        # That a list which is not whole lacks a name says nothing.
        if 0 < len(cards) <= _LONGEST_COMPLETE_LIST:
            names = ", ".join(f"`{card.get('id')}`" for card in cards)
            raise ConfigError(
                "model",
                f"must be one that the endpoint `{self._client.url}` has ({names}), but is "
                f"`{self._config.model}`.",
            )

        return {}

    async def _complete(self, request: GenerationRequest) -> Completion:
        refusal = refuse_too_long(request, self._max_model_len)
        if refusal is not None:
            return refusal
        try:
            return await repeat(
                self._ask, request, url=self._client.url, max_attempts=self._config.max_attempts
            )
        except Rejected as ex:
            return self._refusal(request, ex)

    async def _ask(self, request: GenerationRequest) -> Completion:
        try:
            return await self._ask_for(request, fitting_max_tokens(request, self._max_model_len))
        except Rejected as ex:
            length = prompt_tokens_in(ex.words)
            if length is None or self._max_model_len is None:
                raise
            room = self._max_model_len - length
            if not 0 < room < request.sampling.max_tokens:
                raise

        # Only the server knows how long messages become. Where they fit, the answer gets what is left,
        # as it does behind token ids.
        return await self._ask_for(request, room)

    async def _ask_for(self, request: GenerationRequest, max_tokens: int) -> Completion:
        path, body = path_and_body(request, self._config.model, max_tokens, self._stop_token_ids)
        reserved = most_tokens(request, max_tokens, self._max_model_len)
        await self._budget.reserve(reserved)
        # Where it ends in any other way, a cancellation among them, nobody knows what the server did.
        used = reserved
        try:
            reply = await self._client.post(path, body)
            used = tokens_used(reply) or reserved
            return read_reply(request.id, reply)
        except UnusableReply as ex:
            raise NoAnswer(str(ex)) from None
        except NoAnswer as ex:
            used = reserved if ex.may_have_cost else 0
            raise
        except Rejected:
            used = 0
            raise
        finally:
            self._budget.settle(reserved, used)

    def _refusal(self, request: GenerationRequest, rejected: Rejected) -> Refusal:
        """
        :raises ConfigError: the endpoint does not have the model, or is another kind of server.
        :raises EngineError: no other request would fare better.
        """
        if rejected.status in _REFUSED:
            return read_refusal(request.id, rejected.status, rejected.words)
        if rejected.status in _NOT_FOUND:
            raise ConfigError(
                "model",
                f"(`{self._config.model}`) is not to be found at the endpoint `{self._client.url}` "
                f"({rejected}); correct the name or the URL.",
            )

        raise EngineError(f"the endpoint `{self._client.url}` does not answer ({rejected}).")

    def _count(self, completion: Completion) -> None:
        """
        :raises EngineError: the endpoint refuses most of what it is asked.
        """
        self._num_answers += 1
        if not isinstance(completion, Refusal) or completion.reason != "refused":
            return
        self._num_refused += 1
        self._first_refused = self._first_refused or completion.sentence
        if self._num_refused >= _MANY_REFUSALS and 2 * self._num_refused > self._num_answers:
            raise EngineError(
                f"the endpoint `{self._client.url}` refused {self._num_refused} of {self._num_answers} "
                f"requests; the first {self._first_refused}"
            )
