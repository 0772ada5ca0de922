"""A visitor on one node, an agent on another, the queue on a third: as if it were one."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from benchmarks.session_client import Person, agents, visitor
from tests.nodes.conftest import SITE, Nodes
from tests.server_process import BENCH_TOKEN


class Heard:
    """The events a person got, in order."""

    def __init__(self, person: Person) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._more = asyncio.Event()
        person.on_event = self._take

    def _take(self, name: str, data: Any, _: int) -> None:
        self.events.append((name, data))
        self._more.set()

    def of(self, name: str) -> list[dict[str, Any]]:
        return [data for got, data in self.events if got == name]

    async def first(self, name: str) -> dict[str, Any]:
        async with asyncio.timeout(5):
            while not self.of(name):
                self._more.clear()
                await self._more.wait()
        return self.of(name)[0]


async def test_chat_queue_and_offers_go_from_node_to_node(nodes: Nodes, http: aiohttp.ClientSession) -> None:
    agent = (await agents(nodes[1].url, http, BENCH_TOKEN, 1, 5))[0]
    heard = Heard(agent)
    customer = await visitor(nodes[2].url, http, SITE)
    theirs = Heard(customer)
    ack = await customer.durable("chat.send", text="hello from the third node")
    offer = await heard.first("offer.made")
    assert offer["first_text"] == "hello from the third node"
    await agent.command("offer.accept", engagement=offer["engagement"], offer=offer["offer"])
    await heard.first("engagement.snapshot")
    await agent.durable("chat.send", engagement=ack["engagement"], text="and hello from the second")
    said = await theirs.first("chat.posted")
    assert said["message"]["text"] in ("hello from the third node", "and hello from the second")
    async with asyncio.timeout(5):
        while not any("second" in one["message"]["text"] for one in theirs.of("chat.posted")):
            await asyncio.sleep(0.02)
    for person in (agent, customer):
        await person.close()
