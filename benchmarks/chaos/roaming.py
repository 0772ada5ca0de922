"""Somebody who is connected to any node and, when that ends or does not answer, to any other one.

As a client behind a load balancer is.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import socketio

from benchmarks.chaos.checker import FAIL, OK, UNKNOWN, Stored
from benchmarks.chaos.story import Story
from benchmarks.session_client import Person, ask

ANSWER_S = 3.0
CONNECT_S = 1.5
CHECK_S = 0.7
SILENT_S = 1.2
END_S = 1.0
FAULTS = (
    TimeoutError,
    OSError,
    RuntimeError,
    aiohttp.ClientError,
    socketio.exceptions.SocketIOError,
)
AGAIN = ("unavailable", "overloaded", "rate_limited")
Tried = Callable[[float, str], None]


class Roaming:
    """A person who is connected to one of `urls`: another one when that does not answer, or has ended."""

    def __init__(self, person: Person, urls: list[str], chance: random.Random) -> None:
        self._urls = urls
        self._chance = chance
        self._coming = asyncio.Lock()
        self._endings: set[asyncio.Task[None]] = set()
        self._told_to_go = False
        self._stays = False
        self._silent = ""
        self._lost = asyncio.Event()
        self.last = ""
        self.story = Story()
        self.ready: dict[str, Any] = {}
        self.take_over(person)

    def take_over(self, person: Person) -> None:
        self.person = person
        person.on_event = self.on_event
        person.on_lost = self._gone

    def _gone(self) -> None:
        self.story.note("connection ended")
        self._lost.set()

    @property
    def connected(self) -> bool:
        return self.person.socket is not None and self.person.socket.connected and not self._told_to_go

    async def come_back(self) -> None:
        """Try nodes until one takes us."""
        async with self._coming:
            await self._come_back()

    async def _come_back(self) -> None:
        first = True
        while not self.connected:
            if not self._stays:
                shunned = (self.person.base_url, self._silent)
                self.person.base_url = self._chance.choice(
                    [url for url in self._urls if url not in shunned] or self._urls
                )
            self._stays = False
            if not first:
                await asyncio.sleep(self._chance.uniform(0.05, 0.15))
            first = False
            await self.hang_up()
            self._lost.clear()
            try:
                async with asyncio.timeout(CONNECT_S):
                    self.ready = {}
                    await self.person.connect()
                    while not self.ready:
                        await asyncio.sleep(0.01)
                        if not self.connected:
                            raise ConnectionError("closed before it was ready")
                self.story.note(f"back at {self.person.base_url}")
            except FAULTS as fault:
                self.story.note(f"not at {self.person.base_url}: {fault!r}")
                await self.hang_up()

    async def hang_up(self) -> None:
        """Without waiting: the node may be the one that hangs."""
        socket, self.person.socket = self.person.socket, None
        self._told_to_go = False
        if socket is not None:
            ending = asyncio.get_running_loop().create_task(_end(socket))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

    async def leave(self) -> None:
        """For good, its calls too, whether or not its node answers."""
        with contextlib.suppress(*FAULTS):
            async with asyncio.timeout(END_S):
                await self.person.close()

    async def insist(self, name: str, *, tried: Tried | None = None, **fields: Any) -> dict[str, Any]:
        """A command, until it is answered: a durable one is repeated with the same counter.

        tried: told of each try, when it began and how it ended. Raises: RuntimeError when it is refused.
        """
        while True:
            self.last = f"{name} {fields} at {self.person.base_url}: {self.last.rpartition(': ')[2]}"
            began_s, ended = time.monotonic(), UNKNOWN
            try:
                await self.come_back()
                began_s = time.monotonic()
                ack = await self._while_connected(self.person.command(name, **fields))
                ended = OK
                return ack
            except RuntimeError as refused:
                self.last = f"{self.last}: {refused}"
                code = str(refused).rpartition(" ")[2]
                ended = UNKNOWN if code == "unavailable" else FAIL  # it may have been stored
                if code not in AGAIN:
                    raise
                self.story.note(f"{refused}")
                await asyncio.sleep(0.05)
            except FAULTS as fault:
                self.story.note(f"{name}: {fault!r}")
                await self.hang_up()
            finally:
                if tried is not None:
                    tried(began_s, ended)

    async def watch(self) -> None:
        """Ask now and then whether the node still answers; one that hangs is left."""
        while True:
            await asyncio.sleep(CHECK_S)
            if not self.connected:
                continue
            socket = self.person.socket
            try:
                await ask(socket, "session.check", {}, SILENT_S)
            except FAULTS:
                if socket is self.person.socket:
                    self.story.note("no answer")
                    self._silent = self.person.base_url
                    self._told_to_go = True
                    self._lost.set()

    async def _while_connected(self, work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
        """Raises: TimeoutError when no answer comes, or none can come any more."""
        async with asyncio.TaskGroup() as tasks:
            answer, lost = tasks.create_task(_quiet(work)), tasks.create_task(self._lost.wait())
            await asyncio.wait((answer, lost), timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
            done = answer.done()
            answer.cancel()
            lost.cancel()
        if not done:
            raise TimeoutError
        result = answer.result()
        if isinstance(result, Exception):
            raise result
        return result

    async def read(self, engagement: str) -> list[Stored]:
        """All messages of an engagement, from whichever node. Raises: RuntimeError when it is not ours."""
        while True:
            try:
                ack = await self.insist("engagement.sync", engagement=engagement, after_seq=0)
                items, more = ack["snapshot"]["items"], ack["snapshot"]["truncated"]
                headers = {"Authorization": f"Bearer {self.person.token}"}
                while more:
                    base = f"{self.person.base_url}/v1/engagements/{engagement}/timeline"
                    async with self.person.http.get(
                        f"{base}?before={items[0]['seq']}", headers=headers
                    ) as answer:
                        page = await answer.json()
                        assert answer.status != 401, "who reads is not known any more"
                    items, more = page["items"] + items, page["more"]
            except (KeyError, *FAULTS) as fault:
                if str(fault).endswith("not_found"):
                    raise
                await self.hang_up()
                continue
            return [stored(item) for item in items if item["kind"] == "message"]

    def on_event(self, name: str, data: Any, _: int) -> None:
        if name == "session.ready":
            self.ready = data
        elif name == "session.closing" and self.person.socket is not None:
            self.story.note(f"told to go: {data['code']}")
            self._told_to_go = True
            self._stays = data["code"] == "moved"  # what it reads has moved; the node it is at is well
            self._lost.set()


async def _end(socket: Any) -> None:
    with contextlib.suppress(*FAULTS):
        async with asyncio.timeout(END_S):
            await socket.disconnect()


async def _quiet(work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any] | Exception:
    """A fault as a value: in a task group it would end its neighbours."""
    try:
        return await work
    except FAULTS as error:
        return error


def stored(item: dict[str, Any]) -> Stored:
    return Stored(item["seq"], item["device"], item["counter"], item["text"])
