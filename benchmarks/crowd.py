"""`talknow bench crowd`: many who only stand there, a thousand chats a second, all back after a death.

Own servers: one node on SQLite, one on PostgreSQL (`--postgres`), or three (`--nodes 3`). The clients speak
docs/protocol.md over bare WebSockets, so that the generator costs less than the server. All stand on the
first node; of three it is killed in the end. Rows: `crowd.kb_per_visitor`, `crowd.connects_per_s`;
`crowd.ack_ms` and `crowd.deliver_ms` at `--rate` chats a second (open loop: a message counts from the moment
it was due; with three nodes its reader is elsewhere); and with three nodes `crowd.back_s`, how long until
each visitor is back.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from rich.progress import Progress

from benchmarks import harness
from benchmarks.chaos.nodes import Nodes, running
from benchmarks.journey import free_port, own_server
from benchmarks.services import Postgres
from benchmarks.session_client import Person, agents, credential

SITE = "bench"
AT_ONCE = 100
WRITERS = 200
ANSWER_S = 20.0
CLOSE_S = 0.5
BACK_S = 60.0
IDLE_SPREAD_S = 5.0


class Bare:
    """A client that is a WebSocket and a number: commands go out, acks and events come in."""

    def __init__(self, base_url: str, http: aiohttp.ClientSession, token: str, site: str | None) -> None:
        self.base_url = base_url
        self.token = token
        self.device = f"d_{secrets.token_hex(6)}"
        self.heard: Callable[[str, Any], None] = lambda *_: None
        self.socket: aiohttp.ClientWebSocketResponse | None = None
        self._http = http
        self._site = site
        self._acks: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)

    async def connect(self, tasks: asyncio.TaskGroup) -> None:
        """Until `session.ready`. Raises: TimeoutError, aiohttp.ClientError, ConnectionError."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(ANSWER_S):
            self.socket = await self.greet()
            tasks.create_task(self._read(self.socket, ready))
            await ready

    async def greet(self) -> aiohttp.ClientWebSocketResponse:
        """A socket on which it was said who is there; what comes is not read yet."""
        url = self.base_url + "/socket.io/?EIO=4&transport=websocket"
        closes = aiohttp.ClientWSTimeout(ws_close=CLOSE_S)
        socket = await self._http.ws_connect(url, max_msg_size=0, timeout=closes)
        await socket.receive()
        auth = {"protocol": 1, "token": self.token, "device": self.device}
        if self._site is not None:
            auth["site"] = self._site
        await socket.send_str("40" + json.dumps(auth))
        return socket

    async def command(self, name: str, **fields: Any) -> dict[str, Any]:
        """Raises: RuntimeError with the code, TimeoutError."""
        assert self.socket is not None
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._acks[number] = answer
        await self.socket.send_str(f"42{number}" + json.dumps([name, fields]))
        async with asyncio.timeout(ANSWER_S):
            ack = await answer
        if ack.get("error"):
            raise RuntimeError(ack["error"]["code"])
        return ack

    async def close(self) -> None:
        if self.socket is not None:
            await self.socket.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, ready: asyncio.Future[None]) -> None:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            async for message in socket:
                text = message.data
                if text == "2":
                    await socket.send_str("3")
                elif text.startswith("43"):
                    number, _, rest = text[2:].partition("[")
                    if (answer := self._acks.pop(int(number), None)) is not None and not answer.done():
                        answer.set_result(json.loads("[" + rest)[0])
                elif text.startswith("42"):
                    name, data = json.loads(text[2:])
                    self.heard(name, data)
                    if name == "session.ready" and not ready.done():
                        ready.set_result(None)
        if not ready.done():
            ready.set_exception(ConnectionError("closed"))
        if self.socket is socket:
            self.socket = None


class Crowd:
    """One run. urls: of the nodes; pids: their processes."""

    def __init__(
        self, urls: list[str], pids: list[int], token: str, options: argparse.Namespace, bar: Progress
    ) -> None:
        self._urls = urls
        self._pids = pids
        self._token = token
        self._options = options
        self._bar = bar
        self._visitors: list[Bare] = []
        self._due_s: dict[tuple[str, int], float] = {}
        self._accepted = 0
        self._taken = asyncio.Event()
        self.failed = 0
        self.ack_ms: list[float] = []
        self.deliver_ms: list[float] = []
        self.kb_each = 0.0
        self.connects_per_s = 0.0
        self.back_s: list[float] = []

    async def run(self, nodes: Nodes | None) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as tasks:
            await self._arrive(http, tasks)
            await self._chat(http, tasks)
            if nodes is not None:
                await self._come_back(nodes, tasks)
            await asyncio.gather(*(visitor.close() for visitor in self._visitors))

    # --- standing there -------------------------------------------------------------------------

    async def _arrive(self, http: aiohttp.ClientSession, tasks: asyncio.TaskGroup) -> None:
        total = self._options.visitors
        task = self._bar.add_task("visitors arrive", total=total)
        before = sum(map(_rss_kb, self._pids))
        began_s = time.monotonic()
        door = asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with door:
                try:
                    self._visitors.append(await self._visitor(http, tasks))
                except (TimeoutError, OSError, aiohttp.ClientError):
                    self.failed += 1
            self._bar.advance(task)

        await asyncio.gather(*(one() for _ in range(total)))
        self.connects_per_s = total / (time.monotonic() - began_s)
        await asyncio.sleep(1)
        self.kb_each = (sum(map(_rss_kb, self._pids)) - before) / max(1, len(self._visitors))

    async def _visitor(self, http: aiohttp.ClientSession, tasks: asyncio.TaskGroup) -> Bare:
        url = self._urls[0]
        made = Bare(url, http, await credential(url, http, SITE), SITE)
        await made.connect(tasks)
        return made

    # --- chats ----------------------------------------------------------------------------------

    async def _chat(self, http: aiohttp.ClientSession, tasks: asyncio.TaskGroup) -> None:
        """Writers on the first node; the agents who read them on the last one."""
        people = await agents(self._urls[-1], http, self._token, -(-WRITERS // 100), 100)
        for person in people:
            person.on_event = self._agent_heard(person, tasks)
        writers = [await self._visitor(http, tasks) for _ in range(WRITERS)]
        opened = [await writer.command("chat.send", counter=1, text="hello") for writer in writers]
        await self._all_accepted()
        rate, seconds = self._options.rate, self._options.seconds
        task = self._bar.add_task(f"{rate} chats a second", total=rate * seconds)
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(rate * seconds):
                due_s = began_s + number / rate
                if (wait_s := due_s - time.monotonic()) > 0:
                    await asyncio.sleep(wait_s)
                writer = writers[number % WRITERS]
                counter = 2 + number // WRITERS
                engagement = opened[number % WRITERS]["engagement"]
                group.create_task(self._say(writer, counter, engagement, due_s))
                if number % rate == 0:
                    self._bar.advance(task, rate)
        await asyncio.sleep(1)
        for person in people:
            await person.close()
        for writer in writers:
            await writer.close()

    async def _all_accepted(self) -> None:
        """Raises: TimeoutError."""
        async with asyncio.timeout(ANSWER_S):
            await self._taken.wait()

    async def _say(self, writer: Bare, counter: int, engagement: str, due_s: float) -> None:
        self._due_s[writer.device, counter] = due_s
        try:
            await writer.command(
                "chat.send", counter=counter, engagement=engagement, text=f"message {counter} " * 12
            )
        except (RuntimeError, TimeoutError, OSError, aiohttp.ClientError):
            self.failed += 1
            return
        self.ack_ms.append((time.monotonic() - due_s) * 1_000)

    def _agent_heard(self, person: Person, tasks: asyncio.TaskGroup) -> Callable[[str, Any, int], None]:
        def heard(name: str, data: Any, _: int) -> None:
            if name == "offer.made":
                tasks.create_task(_accept(person, data))
            elif name == "engagement.snapshot":
                self._accepted += 1
                if self._accepted == WRITERS:
                    self._taken.set()
            elif name == "chat.posted":
                message = data["message"]
                due_s = self._due_s.get((message["device"], message["counter"]))
                if due_s is not None:
                    self.deliver_ms.append((time.monotonic() - due_s) * 1_000)

        return heard

    # --- a node dies ----------------------------------------------------------------------------

    async def _come_back(self, nodes: Nodes, tasks: asyncio.TaskGroup) -> None:
        """As docs/protocol.md says of who is not busy: within IDLE_SPREAD_S, at another node."""
        chance = random.Random(1)
        gone = [visitor for visitor in self._visitors if visitor.base_url == self._urls[0]]
        task = self._bar.add_task("back after a node's death", total=len(gone))
        await nodes.kill(0)
        killed_s = time.monotonic()

        async def one(visitor: Bare) -> None:
            await asyncio.sleep(chance.uniform(0, IDLE_SPREAD_S))
            while time.monotonic() < killed_s + BACK_S:
                visitor.base_url = chance.choice(self._urls[1:])
                try:
                    await visitor.connect(tasks)
                except (TimeoutError, OSError, aiohttp.ClientError):
                    await asyncio.sleep(chance.uniform(0.25, 0.5))
                else:
                    self.back_s.append(time.monotonic() - killed_s)
                    self._bar.advance(task)
                    return
            self.failed += 1

        await asyncio.gather(*(one(visitor) for visitor in gone))


async def _accept(person: Person, offer: dict[str, Any]) -> None:
    with contextlib.suppress(RuntimeError, TimeoutError):
        await person.command("offer.accept", engagement=offer["engagement"], offer=offer["offer"])


def _rss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise RuntimeError(f"process {pid} is gone")


@asynccontextmanager
async def _servers(
    options: argparse.Namespace,
) -> AsyncIterator[tuple[list[str], list[int], str, Nodes | None]]:
    token = secrets.token_urlsafe(16)
    if options.nodes > 1:
        async with running(free_port(12)) as nodes:
            yield nodes.urls, nodes.pids, nodes.token, nodes
    elif options.postgres:
        with Postgres() as postgres:
            async with own_server(token, "--database", postgres.url, port=free_port(4)) as (url, pid):
                yield [url], [pid], token, None
    else:
        async with own_server(token) as (url, pid):
            yield [url], [pid], token, None


async def _measure(options: argparse.Namespace) -> list[harness.Row]:
    store = "postgres" if options.postgres or options.nodes > 1 else "sqlite"
    params = {"store": store, "nodes": options.nodes, "visitors": options.visitors}
    async with _servers(options) as (urls, pids, token, nodes):
        with harness.progress() as bar:
            crowd = Crowd(urls, pids, token, options, bar)
            await crowd.run(nodes)
    at = params | {"rate": options.rate}
    made = [
        harness.count("crowd.kb_per_visitor", "kB", round(crowd.kb_each, 1), params),
        harness.count("crowd.connects_per_s", "count", round(crowd.connects_per_s), params),
        harness.row("crowd.ack_ms", "ms", crowd.ack_ms, at),
        harness.row("crowd.deliver_ms", "ms", crowd.deliver_ms, at),
        harness.count("crowd.failed", "count", crowd.failed, params),
    ]
    if crowd.back_s:
        made.append(harness.row("crowd.back_s", "s", crowd.back_s, params))
    return made


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="talknow bench crowd", description=__doc__)
    parser.add_argument("--visitors", type=int, default=2_000, help="who only stand there")
    parser.add_argument("--rate", type=int, default=1_000, help="chats a second")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--nodes", type=int, default=1, choices=(1, 3))
    parser.add_argument("--postgres", action="store_true", help="one node on PostgreSQL")
    parser.add_argument("--json", help="append rows to this file (- for stdout)")
    options = parser.parse_args(arguments)
    harness.publish(harness.generate(_measure(options)), options.json)
    return 0
