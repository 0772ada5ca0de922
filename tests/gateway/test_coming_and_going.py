"""Many who come at once wait in order and are not cut off for it; who leaves leaves nothing behind."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from server.edge import gateway
from server.records import agents
from server.records.agents import ACCESS_MS
from tests.gateway.conftest import World


async def test_the_deadline_to_say_who_one_is_does_not_count_our_own_work(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "AUTH_DEADLINE_S", 0.2)
    auth = world.node.gateway._auth
    quick = auth.session

    async def slow(*arguments: Any, **named: Any) -> Any:
        await asyncio.sleep(0.6)
        return await quick(*arguments, **named)

    monkeypatch.setattr(auth, "session", slow)
    visitor = await world.visitor()
    assert (await visitor.durable("chat.send", text="hello"))["seq"] > 0


async def test_more_than_attach_at_once_all_get_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.node.service, "_attaching", asyncio.Semaphore(2))
    visitors = await asyncio.gather(*(world.visitor(device=f"d{number}") for number in range(12)))
    for visitor in visitors:
        assert (await visitor.durable("chat.send", text="hello"))["seq"] > 0


async def test_the_outbox_counts_bytes_and_is_empty_again(world: World) -> None:
    visitor = await world.visitor()
    [socket] = world.node.gateway.eio.sockets.values()
    before = socket.queue.put_nowait
    most = 0

    def put(packet: Any) -> None:
        nonlocal most
        most = max(most, socket.outbox_bytes)
        before(packet)

    socket.queue.put_nowait = put
    await visitor.durable("chat.send", text="说" * 1_000)
    assert most > 3_000
    await _until(lambda: socket.outbox_bytes == 0)


async def test_who_left_is_in_no_list(world: World) -> None:
    visitors = [await world.visitor(device=f"d{number}") for number in range(3)]
    manager = world.node.gateway.manager
    assert len(manager.rooms["/"][None]) == 3
    await visitors.pop().socket.close()
    await _until(lambda: len(manager.rooms["/"][None]) == 2)
    for visitor in visitors:
        await visitor.socket.close()
    await _until(lambda: not manager.rooms)
    assert not any(manager.pending_connect.values()) and not any(manager.pending_disconnect.values())


async def _until(holds: Any) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


async def test_agents_of_load_tests_stay_for_hours(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were locked out after a quarter of an hour, in the middle of a long run."""
    token = await world.agent_token()
    monkeypatch.setattr(agents, "_now_ms", lambda: int(time.time() * 1_000) + 3 * ACCESS_MS)
    raw = await world.raw()
    answer = await raw.connect({"protocol": 1, "token": token, "device": "da"})
    assert answer is not None and answer.startswith("40")
