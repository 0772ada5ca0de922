"""Killed under load, 20 times: every acked message is there exactly once, in one order for all readers."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio

from benchmarks.session_client import Person, agents, visitor
from tests.server_process import BENCH_TOKEN, Server, start

KILLS = 20
VISITORS = 4
SITE = "bench"


class Writer:
    """Somebody who writes all the time and sends again, with the same counter, what was not acked."""

    def __init__(self, person: Person, engagement: str | None) -> None:
        self.person = person
        self.engagement = engagement
        self.acked: dict[int, int] = {}
        self.pending: tuple[int, dict[str, Any]] | None = None
        self.stopped = False

    async def run(self) -> None:
        while not self.stopped or self.pending:
            try:
                if self.person.socket is None or not self.person.socket.connected:
                    await self.person.connect()
                await self._send()
            except (
                TimeoutError,
                OSError,
                RuntimeError,
                aiohttp.ClientError,
                socketio.exceptions.SocketIOError,
            ):
                await self._hang_up()
                await asyncio.sleep(0.05)

    async def _send(self) -> None:
        if self.pending is None:
            if self.stopped:
                return
            self.person.counter += 1
            fields: dict[str, Any] = {"text": f"{self.person.device} {self.person.counter}"}
            if self.engagement is not None:
                fields["engagement"] = self.engagement
            self.pending = (self.person.counter, fields)
        counter, fields = self.pending
        ack = await self.person.socket.call("chat.send", {"counter": counter, **fields}, timeout=3)
        if ack.get("error"):
            raise RuntimeError(ack["error"]["code"])
        self.engagement = self.engagement or ack["engagement"]
        self.acked[counter] = ack["seq"]
        self.pending = None

    async def _hang_up(self) -> None:
        if self.person.socket is not None:
            await self.person.socket.disconnect()
            self.person.socket = None


async def snapshot(person: Person, engagement: str) -> dict[str, Any]:
    """The whole engagement as this person reads it: view and all messages."""
    ack = await person.command("engagement.sync", engagement=engagement, after_seq=0)
    shot: dict[str, Any] = ack["snapshot"]
    items = shot["items"]
    headers = {"Authorization": f"Bearer {person.token}"}
    more = shot["truncated"]
    while more:
        url = f"{person.base_url}/v1/engagements/{engagement}/timeline?before={items[0]['seq']}"
        async with person.http.get(url, headers=headers) as answer:
            page = await answer.json()
        items, more = page["items"] + items, page["more"]
    shot["messages"] = [item for item in items if item["kind"] == "message"]
    return shot


async def _accept_all(agent: Person, stop: asyncio.Event) -> None:
    """Accept whatever rings, also after a restart, until told to stop."""
    offers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    agent.on_event = lambda name, data, _: offers.put_nowait(data) if name == "offer.made" else None
    while not stop.is_set():
        try:
            if agent.socket is None or not agent.socket.connected:
                await agent.connect()
            await agent.command("agent.set_availability", availability="ready")
            async with asyncio.timeout(0.5):
                offer = await offers.get()
            await agent.command("offer.accept", engagement=offer["engagement"], offer=offer["offer"])
        except (TimeoutError, OSError, RuntimeError, aiohttp.ClientError, socketio.exceptions.SocketIOError):
            await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_acked_messages_survive_twenty_kills(tmp_path: Path) -> None:
    chance = random.Random(11)
    extra = ("--bench-token", BENCH_TOKEN)
    server = start(tmp_path, *extra)
    async with aiohttp.ClientSession() as http:
        agent = (await agents(server.url, http, BENCH_TOKEN, 1, 50))[0]
        people = [await visitor(server.url, http, SITE) for _ in range(VISITORS)]
        writers = [Writer(person, None) for person in people]
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(_accept_all(agent, stop))
            for writer in writers:
                group.create_task(writer.run())
            for _ in range(KILLS):
                await asyncio.sleep(chance.uniform(0.2, 0.6))
                server.kill()
                server = await asyncio.to_thread(start, tmp_path, *extra, port=server.port)
            await asyncio.sleep(1.5)
            for writer in writers:
                writer.stopped = True
            stop.set()
        await _check(writers, agent)
        for person in [*people, agent]:
            await person.close()
    _stop(server)


async def _check(writers: list[Writer], agent: Person) -> None:
    if agent.socket is None or not agent.socket.connected:
        await agent.connect()
    total = 0
    for writer in writers:
        if writer.person.socket is None or not writer.person.socket.connected:
            await writer.person.connect()
        assert writer.engagement is not None
        assert writer.acked, "nothing was acked: the load was no load"
        theirs = await snapshot(writer.person, writer.engagement)
        ours = await snapshot(agent, writer.engagement)
        assert theirs["messages"] == ours["messages"], "two readers, two orders"
        stored = [(item["counter"], item["seq"]) for item in theirs["messages"]]
        assert len({counter for counter, _ in stored}) == len(stored), "a message is there twice"
        assert dict(stored) == writer.acked, "acked and stored differ"
        assert [seq for _, seq in stored] == sorted(seq for _, seq in stored)
        assert [counter for counter, _ in stored] == list(range(1, len(stored) + 1))
        assert theirs["view"]["phase"] == "active", "hangs between states"
        total += len(stored)
    assert total > KILLS


def _stop(server: Server) -> None:
    assert server.stop() == 0
    assert "Traceback" not in server.log
