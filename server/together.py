"""Many asks become one: what is asked while the answer to others is under way goes along with the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

AT_ONCE = 500


class Together(Generic[K, V]):
    """work: answers for those of the keys it knows, AT_ONCE at most; its fault is that of all who asked.

    Whoever has the turn asks for all who wait; when that one is cancelled, the next one does.
    """

    def __init__(self, work: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._work = work
        self._waiting: list[tuple[K, asyncio.Future[V | None]]] = []
        self._turn = asyncio.Lock()

    async def ask(self, key: K) -> V | None:
        """What holds at some time after the ask; None: not known. Raises: what the work raises."""
        answer: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answer))
        async with self._turn:
            while not answer.done():
                await self._answer_some()
        return answer.result()

    async def _answer_some(self) -> None:
        batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
        try:
            found = await self._work(list(dict.fromkeys(key for key, _ in batch)))
        except Exception as fault:
            for _, answer in batch:
                answer.set_exception(fault)
                answer.exception()  # it may be that nobody waits for it any more
        except BaseException:
            self._waiting = batch + self._waiting
            raise
        else:
            for key, answer in batch:
                answer.set_result(found.get(key))
