from __future__ import annotations

import asyncio

import pytest

from ste_fairseq2.engines.budget import TokenBudget
from ste_fairseq2.errors import TokenBudgetError


def test_a_reservation_waits_for_those_that_are_running() -> None:
    order = []

    async def use(budget: TokenBudget, name: str, most: int, used: int) -> None:
        await budget.reserve(most)
        order.append(f"{name} begins")
        await asyncio.sleep(0)
        order.append(f"{name} ends")
        budget.settle(most, used)

    async def run() -> None:
        budget = TokenBudget(100)
        # The first two may take 90 together; the third fits once one of them took less than it might
        # have, and the fourth does not overtake it.
        uses = (("a", 50, 10), ("b", 40, 10), ("c", 60, 20), ("d", 5, 5))
        await asyncio.gather(*(use(budget, *numbers) for numbers in uses))

    asyncio.run(run())

    assert order[:2] == ["a begins", "b begins"]
    assert order.index("c begins") > order.index("a ends")
    assert order.index("d begins") > order.index("c begins")


def test_what_never_fits_is_refused_when_nothing_is_running() -> None:
    async def run() -> None:
        budget = TokenBudget(100, spent=30)
        await budget.reserve(50)
        waiting = asyncio.create_task(budget.reserve(60))
        smaller = asyncio.create_task(budget.reserve(1))
        await asyncio.sleep(0)
        assert not waiting.done()

        budget.settle(50, 20)

        with pytest.raises(TokenBudgetError, match="of 100 .*: 50 are spent, .* up to 60") as info:
            await waiting
        assert (info.value.spent, info.value.budget) == (50, 100)
        # The end has come: nothing is begun that would be cut off.
        with pytest.raises(TokenBudgetError):
            await smaller

    asyncio.run(run())


def test_the_budget_may_be_used_up_to_the_last_token() -> None:
    async def run() -> None:
        budget = TokenBudget(100, spent=40)
        await budget.reserve(60)
        budget.settle(60, 60)
        with pytest.raises(TokenBudgetError):
            await budget.reserve(1)

    asyncio.run(run())


def test_no_budget_lets_everything_pass() -> None:
    asyncio.run(TokenBudget(None).reserve(10**12))
