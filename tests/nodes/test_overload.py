"""Who does not read, and who all come at once: memory is bounded, and nobody misses a word."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from benchmarks.crowd import Bare
from benchmarks.session_client import Person, agents, credential, visitor
from server.edge.gateway import COMMAND_BURST, MAX_OUTBOX_BYTES
from tests.nodes.conftest import SITE, Nodes, says
from tests.server_process import BENCH_TOKEN, Server, start

SLOW = 6
WRITERS = 8
MESSAGES = 1_184
BESIDE_MB = 16

CROWD = 300
AT_ONCE = 50
BACK_S = 30.0
CROWD_MB = 48


@asynccontextmanager
async def growth(*servers: Server) -> AsyncIterator[Callable[[], float]]:
    """By how many MB the server that grew most has grown since now, at its worst."""
    before = [server.rss_mb for server in servers]
    most = 0.0

    async def watch() -> None:
        nonlocal most
        while True:
            grown = [server.rss_mb - rss for server, rss in zip(servers, before, strict=True)]
            most = max(most, *grown)
            await asyncio.sleep(0.1)

    watching = asyncio.get_running_loop().create_task(watch())
    try:
        yield lambda: most
    finally:
        watching.cancel()


# --- who does not read ----------------------------------------------------------------------------


def narrow(address: Any) -> socket.socket:
    """Of a client that takes little at a time."""
    made = socket.socket(*address[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    return made


async def tab(http: aiohttp.ClientSession, person: Person, url: str, device: str) -> tuple[Any, Any]:
    """A further connection of this person as docs/protocol.md says, and its `session.ready`."""
    made = await http.ws_connect(url + "/socket.io/?EIO=4&transport=websocket", max_msg_size=0)
    await made.receive()
    hello = {"protocol": 1, "token": person.token, "device": device}
    await made.send_str("40" + json.dumps(hello if person.site is None else hello | {"site": person.site}))
    while (message := await made.receive()).type is aiohttp.WSMsgType.TEXT:
        if message.data.startswith('42["session.ready"'):
            return made, json.loads(message.data[2:])[1]
    raise ConnectionError(f"closed: {made.close_code}")


async def until_the_end(made: Any) -> list[int]:
    """The seqs of the messages that came before the connection was cut."""
    seqs = []
    while (message := await made.receive()).type is aiohttp.WSMsgType.TEXT:
        if message.data.startswith('42["chat.posted"'):
            seqs.append(json.loads(message.data[2:])[1]["seq"])
    assert made.close_code == 1006
    return seqs


def connections(server: Server) -> float:
    """Of visitors."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return next(
        float(line.split()[1]) for line in lines if line.startswith('talknow_connections{role="visitor')
    )


async def write(writers: list[Person], engagement: str) -> dict[int, str]:
    """All at the same time; every message is acked. By seq."""
    said: dict[int, str] = {}

    async def one(writer: Person, name: int) -> None:
        for number in range(MESSAGES // WRITERS):
            text = f"{name}/{number} " + '"' * 3_900  # twice as long on the wire
            said[(await writer.durable("chat.send", engagement=engagement, text=text))["seq"]] = text

    assert MESSAGES // WRITERS < COMMAND_BURST
    await asyncio.gather(*(one(writer, name) for name, writer in enumerate(writers)))
    return said


async def read_on(person: Person, engagement: str, after_seq: int) -> dict[int, str]:
    """What a client does that was away: connect with what it has seen, read the rest page by page."""
    ready: list[Any] = []
    person.on_event = lambda name, data, _: ready.append(data) if name == "session.ready" else None
    await person.connect(engagement, after_seq)
    async with asyncio.timeout(10):
        while not ready:
            await asyncio.sleep(0.05)
    shot = ready[0]["engagements"][0]
    items, more = shot["items"], shot["truncated"]
    headers = {"Authorization": f"Bearer {person.token}"}
    while more and items[0]["seq"] > after_seq:
        url = f"{person.base_url}/v1/engagements/{engagement}/timeline?before={items[0]['seq']}"
        async with person.http.get(url, headers=headers) as answer:
            page = await answer.json()
        items, more = page["items"] + items, page["more"]
    seqs = [item["seq"] for item in items]
    assert seqs == sorted(set(seqs))
    return {
        item["seq"]: item["text"] for item in items if item["kind"] == "message" and item["seq"] > after_seq
    }


@pytest.mark.timeout(90)
async def test_who_stops_reading_is_cut_off_costs_a_bounded_outbox_and_misses_nothing(
    nodes: Nodes, http: aiohttp.ClientSession
) -> None:
    """Tabs on the first node read nothing, while others write on the second."""
    person = await visitor(nodes[1].url, http, SITE)
    engagement = await says(person, "hello")
    writers = [person, *(Person(nodes[1].url, http, person.token, SITE) for _ in range(WRITERS - 1))]
    for writer in writers[1:]:
        await writer.connect()
    beside = Person(nodes[0].url, http, person.token, SITE)
    heard: list[int] = []
    beside.on_event = lambda name, data, _: heard.append(data["seq"]) if name == "chat.posted" else None
    await beside.connect(engagement)
    connector = aiohttp.TCPConnector(socket_factory=narrow)
    async with aiohttp.ClientSession(connector=connector) as slowly, growth(nodes[0]) as grown:
        slow = [(await tab(slowly, person, nodes[0].url, f"slow{number}"))[0] for number in range(SLOW)]
        assert await asyncio.to_thread(connections, nodes[0]) == SLOW + 1
        said = await write(writers, engagement)
        async with asyncio.timeout(10):
            while await asyncio.to_thread(connections, nodes[0]) > 1:
                await asyncio.sleep(0.1)
            while len(heard) < len(said):
                await asyncio.sleep(0.1)
        assert grown() < SLOW * MAX_OUTBOX_BYTES / 1e6 + BESIDE_MB
        ends = [await until_the_end(one) for one in slow]
    told = sorted(said)
    assert len(told) == MESSAGES
    assert heard == told
    for seen in ends:
        assert seen == told[: len(seen)]
    seen = max(ends, key=len)
    again = Person(nodes[0].url, http, person.token, SITE)
    rest = await read_on(again, engagement, seen[-1])
    assert [said[seq] for seq in seen] + list(rest.values()) == [said[seq] for seq in told]
    for one in (*writers, beside, again):
        await one.close()


async def test_a_timeline_that_is_longer_than_the_outbox_keeps_nobody_out(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """Three visitors who write as much as they can must not lock their agent out."""
    server = start(tmp_path, "--bench-token", BENCH_TOKEN)
    [agent] = await agents(server.url, http, BENCH_TOKEN, 1, 3)
    offers: asyncio.Queue[Any] = asyncio.Queue()
    agent.on_event = lambda name, data, _: offers.put_nowait(data) if name == "offer.made" else None
    people = [await visitor(server.url, http, SITE) for _ in range(3)]
    engagements = [await says(person, "hello") for person in people]
    for _ in engagements:
        made = await asyncio.wait_for(offers.get(), 5)
        await agent.command("offer.accept", engagement=made["engagement"], offer=made["offer"])
    await agent.close()
    writers = list(people)
    for person in people:
        writers.append(Person(server.url, http, person.token, SITE))
        await writers[-1].connect()

    async def write_much(writer: Person, engagement: str) -> None:
        for _ in range(110):
            await writer.durable("chat.send", engagement=engagement, text='"' * 4_000)

    work = zip(writers, engagements * 2, strict=True)
    await asyncio.gather(*(write_much(writer, engagement) for writer, engagement in work))
    async with asyncio.timeout(5):
        back, ready = await tab(http, agent, server.url, "again")
    assert len(ready["engagements"]) == 3
    assert len(json.dumps(ready)) > MAX_OUTBOX_BYTES
    await back.send_str('421["session.check",{}]')  # and it stays
    async with asyncio.timeout(5):
        while not (await back.receive()).data.startswith("431"):
            continue
    await back.close()
    for one in writers:
        await one.close()
    assert server.stop() == 0
    assert "Traceback" not in server.log


# --- all come back at once ------------------------------------------------------------------------


class Returning:
    """A visitor in the storm: where it may go, and what it is told when it is back."""

    def __init__(self, url: str, http: aiohttp.ClientSession, token: str) -> None:
        self.line = Bare(url, http, token, SITE)
        self.line.heard = self._hear
        self.engagement = ""
        self.engagements: list[Any] = []

    def _hear(self, name: str, data: Any) -> None:
        if name == "session.ready":
            self.engagements = data["engagements"]

    async def says(self, counter: int, text: str) -> None:
        """Again while the service is `unavailable`, as clients do."""
        fields = {"engagement": self.engagement} if self.engagement else {}
        while True:
            try:
                ack = await self.line.command("chat.send", counter=counter, text=text, **fields)
            except RuntimeError as refused:
                assert str(refused) == "unavailable"
                await asyncio.sleep(0.2)
            else:
                self.engagement = ack["engagement"]
                return

    async def comes_back(self, urls: list[str], tasks: asyncio.TaskGroup) -> None:
        """At once, again and again, at one node after the other."""
        for number in itertools.count():
            self.line.base_url = urls[number % len(urls)]
            try:
                await self.line.connect(tasks)
            except (TimeoutError, OSError, aiohttp.ClientError):
                await asyncio.sleep(0.3)
            else:
                return


@pytest.mark.timeout(120)
async def test_all_visitors_of_a_killed_node_come_back_at_once(nodes: Nodes) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as tasks:
        door = asyncio.Semaphore(AT_ONCE)

        async def comes() -> Returning:
            async with door:
                made = Returning(nodes[0].url, http, await credential(nodes[0].url, http, SITE))
                await made.line.connect(tasks)
                await made.says(1, "before")
                return made

        crowd = await asyncio.gather(*(comes() for _ in range(CROWD)))
        assert len({one.engagement for one in crowd}) == CROWD
        async with growth(*nodes.servers[1:]) as grown:
            nodes[0].kill()
            urls = [nodes[1].url, nodes[2].url]
            async with asyncio.timeout(BACK_S):
                await asyncio.gather(
                    *(one.comes_back(urls[:: 1 - 2 * (n % 2)], tasks) for n, one in enumerate(crowd))
                )
            for one in crowd:
                [shot] = one.engagements
                assert shot["view"]["id"] == one.engagement
                assert [item["text"] for item in shot["items"] if item["kind"] == "message"] == ["before"]
            await asyncio.gather(*(one.says(2, "after") for one in crowd))
            assert grown() < CROWD_MB
        await asyncio.gather(*(one.line.close() for one in crowd))
