"""A limit on the tokens that are spent, which holds while many requests are under way."""

from __future__ import annotations

import asyncio

from ste_fairseq2.errors import TokenBudgetError


class TokenBudget:
    """Lets a request begin only where there is room for the most that it and all others may take."""

    def __init__(self, limit: int | None, spent: int = 0) -> None:
        """
        :param limit: ``None`` for none.
        :param spent: tokens that were spent before.
        """
        self._limit = limit
        self._spent = spent
        self._reserved = 0
        self._is_used_up = False
        self._settled = asyncio.Event()
        # One after another, so that small requests do not overtake a large one for ever.
        self._turn = asyncio.Lock()

    @property
    def spent(self) -> int:
        """Tokens that were spent, before and since."""
        return self._spent

    async def reserve(self, tokens: int) -> None:
        """Wait until a request may take up to ``tokens``; :meth:`settle` follows when it has ended.

        :raises TokenBudgetError: not even the end of all that is under way would make room for it.
        """
        async with self._turn:
            while not self._has_room(tokens):
                if not self._reserved:
                    # A smaller request would be cut off by the error that is on its way.
                    self._is_used_up = True
                    assert self._limit is not None
                    raise TokenBudgetError(self._spent, self._limit, tokens)
                self._settled.clear()
                await self._settled.wait()
            self._reserved += tokens

    def settle(self, reserved: int, used: int) -> None:
        """Give back what a request had reserved, and book what it has really taken."""
        self._reserved -= reserved
        self._spent += used
        self._settled.set()

    def _has_room(self, tokens: int) -> bool:
        if self._limit is None:
            return True

        return not self._is_used_up and self._spent + self._reserved + tokens <= self._limit
