"""A TaskGroup whose tasks end with it: what still waits when the body is left is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


class _Done(Exception):
    """Raised inside the group when all is said and done."""


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """A fault of one task ends the others and the body, as with any TaskGroup."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
            raise _Done
    except* _Done:
        pass


def start(tasks: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str) -> None:
    """A task of its own, unless the group is ending: then nobody needs it any more."""
    try:
        tasks.create_task(work, name=name)
    except RuntimeError:
        work.close()
