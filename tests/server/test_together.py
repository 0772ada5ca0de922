"""Many asks become one; a fault is everybody's, a cancelled one leaves its turn to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from server.together import AT_ONCE, Together


class Work:
    """Answers even numbers with their half; holds the first call until `go`."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.go = asyncio.Event()
        self.fault: Exception | None = None

    async def __call__(self, keys: Sequence[int]) -> Mapping[int, int]:
        self.calls.append(list(keys))
        await self.go.wait()
        if self.fault is not None:
            raise self.fault
        return {key: key // 2 for key in keys if key % 2 == 0}


async def asking(together: Together[int, int], keys: Sequence[int]) -> list[asyncio.Task[int | None]]:
    tasks = [asyncio.ensure_future(together.ask(key)) for key in keys]
    await asyncio.sleep(0.01)
    return tasks


async def test_what_is_asked_meanwhile_goes_along_with_the_next() -> None:
    work = Work()
    together = Together(work)
    first = await asking(together, [2])
    others = await asking(together, [3, 4, 5, 4])
    work.go.set()
    assert await asyncio.gather(*first, *others) == [1, None, 2, None, 2]
    assert work.calls == [[2], [3, 4, 5]]


async def test_no_more_than_so_many_at_once_and_all_are_answered() -> None:
    work = Work()
    together = Together(work)
    keys = range(0, 2 + 4 * AT_ONCE, 2)
    tasks = await asking(together, keys)
    work.go.set()
    assert await asyncio.gather(*tasks) == [key // 2 for key in keys]
    assert [len(call) for call in work.calls] == [1, AT_ONCE, AT_ONCE]


async def test_who_asks_while_the_answer_is_under_way_is_not_told_what_was() -> None:
    work = Work()
    together = Together(work)
    tasks = await asking(together, [2])
    tasks += await asking(together, [2])
    work.go.set()
    await asyncio.gather(*tasks)
    assert work.calls == [[2], [2]]


async def test_a_fault_is_of_all_who_asked_and_the_next_ask_is_new() -> None:
    work = Work()
    work.fault = ConnectionError("gone")
    together = Together(work)
    tasks = await asking(together, [2])
    tasks += await asking(together, [4, 6])
    work.go.set()
    assert [type(found) for found in await asyncio.gather(*tasks, return_exceptions=True)] == [
        ConnectionError
    ] * 3
    work.fault = None
    assert await together.ask(6) == 3


async def test_who_is_cancelled_at_work_leaves_the_work_to_the_next() -> None:
    work = Work()
    together = Together(work)
    first, second = await asking(together, [2, 4])
    first.cancel()
    await asyncio.sleep(0.01)
    work.go.set()
    assert await second == 2
    assert first.cancelled()
