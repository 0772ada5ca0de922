"""What load generators do on a connection, against a socket that answers when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.session_client import ask


class Answering:
    """As a Socket.IO client: takes a command, and the callback for its ack."""

    def __init__(self) -> None:
        self.acked: Callable[[dict[str, Any]], None] = lambda _: None

    async def emit(
        self, name: str, fields: dict[str, Any], callback: Callable[[dict[str, Any]], None]
    ) -> None:
        self.acked = callback


async def _asking(socket: Answering) -> asyncio.Task[dict[str, Any]]:
    asking = asyncio.get_running_loop().create_task(ask(socket, "session.check", {}, 5))
    await asyncio.sleep(0)
    return asking


async def test_an_ack_is_what_comes_back() -> None:
    socket = Answering()
    asking = await _asking(socket)
    socket.acked({"ok": True})
    socket.acked({"ok": "again"})
    assert await asking == {"ok": True}


async def test_no_ack_is_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        await ask(Answering(), "session.check", {}, 0.01)


@pytest.mark.parametrize("ticks", range(4))
async def test_who_is_cancelled_as_the_ack_comes_ends(ticks: int) -> None:
    """asyncio.wait_for would forget it for some ticks: a run that ends would go on for ever."""
    socket = Answering()
    asking = await _asking(socket)
    socket.acked({})
    for _ in range(ticks):
        await asyncio.sleep(0)
    before = asking.done()
    asking.cancel()
    await asyncio.wait([asking], timeout=1)
    assert asking.cancelled() is not before
