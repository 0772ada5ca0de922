"""Who uses the nodes while they die: writers, and agents who take them.

Each connects to any node and, when its connection ends or an answer does not come, to any other one, as a
client behind a load balancer does. What happens to it is recorded for the judge.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Coroutine
from typing import Any

import aiohttp
import socketio

from benchmarks.chaos.checker import Heard, Sent, Stored, Verdict, Waited, judge
from benchmarks.chaos.story import SLOW_S, Slow, Story, slow
from benchmarks.session_client import Person, agents, ask, visitor

SITE = "bench"
ANSWER_S = 3.0
LETTERS = 150
LONG_S = 0.25
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

    async def insist(self, name: str, **fields: Any) -> dict[str, Any]:
        """A command, until it is answered: a durable one is repeated with the same counter."""
        while True:
            self.last = f"{name} {fields} at {self.person.base_url}: {self.last.rpartition(': ')[2]}"
            try:
                await self.come_back()
                return await self._while_connected(self.person.command(name, **fields))
            except RuntimeError as refused:
                self.last = f"{self.last}: {refused}"
                if str(refused).rpartition(" ")[2] not in ("unavailable", "overloaded", "rate_limited"):
                    raise
                self.story.note(f"{refused}")
                await asyncio.sleep(0.05)
            except FAULTS as fault:
                self.story.note(f"{name}: {fault!r}")
                await self.hang_up()

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


class Desk(Roaming):
    """An agent who takes whatever rings and remembers what it hears, by engagement."""

    def __init__(self, person: Person, urls: list[str], chance: random.Random) -> None:
        super().__init__(person, urls, chance)
        self.heard: dict[str, Heard] = {}
        self.mine: set[str] = set()
        self._offers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._ended: asyncio.Queue[str] = asyncio.Queue()

    async def work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._stay())
            tasks.create_task(self._take())
            tasks.create_task(self._wrap_up())
            tasks.create_task(self.watch())

    async def _stay(self) -> None:
        while True:
            if not self.connected:
                await self.come_back()
                await self.insist("agent.set_availability", availability="ready")
            await asyncio.sleep(0.02)

    async def _take(self) -> None:
        while True:
            offer = await self._offers.get()
            with contextlib.suppress(RuntimeError):
                await self.insist("offer.accept", engagement=offer["engagement"], offer=offer["offer"])

    async def _wrap_up(self) -> None:
        while True:
            engagement = await self._ended.get()
            self.person.counter += 1
            counter = self.person.counter
            with contextlib.suppress(RuntimeError):
                await self.insist("engagement.wrap_up", counter=counter, engagement=engagement)

    def on_event(self, name: str, data: Any, at_ns: int) -> None:
        super().on_event(name, data, at_ns)
        if name == "session.ready":
            for one in self.heard.values():
                one.connections.append([])
            for shot in data["engagements"]:
                self._view(shot["view"])
        elif name == "engagement.snapshot":
            self.mine.add(data["snapshot"]["view"]["id"])
        elif name == "offer.made":
            self._offers.put_nowait(data)
        elif name == "engagement.changed":
            self._view(data["view"])
        elif name == "chat.posted":
            heard = self.heard.setdefault(data["engagement"], Heard([[]]))
            heard.connections[-1].append(stored(data["message"]))

    def _view(self, view: dict[str, Any]) -> None:
        if view["phase"] == "wrap_up":
            self._ended.put_nowait(view["id"])


class Writer(Roaming):
    """Somebody who writes all the time: LETTERS messages, then as somebody new."""

    def __init__(self, person: Person, urls: list[str], chance: random.Random, desks: list[Desk]) -> None:
        super().__init__(person, urls, chance)
        self._desks = desks
        self.verdict = Verdict()
        self.waits: list[tuple[float, float]] = []
        self.slow: list[Slow] = []
        self.stopped = False
        self._last_ok_s = time.monotonic()
        self._heard = Heard([[]])
        self.waited = [Waited()]

    async def work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self.watch())
            while not self.stopped:
                await self._conversation()
                await self.hang_up()
                self.take_over(await self._somebody_new())
                self._heard = Heard([[]])
                self.waited.append(Waited())
            watching.cancel()

    async def _somebody_new(self) -> Person:
        while True:
            try:
                async with asyncio.timeout(ANSWER_S):
                    return await visitor(self._chance.choice(self._urls), self.person.http, SITE)
            except (KeyError, *FAULTS):
                await asyncio.sleep(0.1)

    async def _conversation(self) -> None:
        person = self.person
        sent = Sent(person.device)
        self._last_ok_s = time.monotonic()
        engagement: str | None = None
        for _ in range(LETTERS):
            if self.stopped:
                break
            person.counter += 1
            counter = person.counter
            sent.acks[counter] = None
            fields = {} if engagement is None else {"engagement": engagement}
            ack = await self.insist("chat.send", counter=counter, text=f"{person.device} {counter}", **fields)
            engagement = ack["engagement"]
            sent.acks[counter] = ack["seq"]
            self._answered()
        if engagement is None:
            return
        readings = [await self.read(engagement)]
        readings += [await self._read_elsewhere(engagement) for _ in range(2)]
        for desk in self._desks:
            if engagement in desk.mine:
                with contextlib.suppress(RuntimeError):  # it was away too long: somebody else has it
                    readings.append(await desk.read(engagement))
        heard = [self._heard, *(desk.heard[engagement] for desk in self._desks if engagement in desk.heard)]
        self.verdict.add(judge(engagement, person.device, [sent], readings, heard))
        person.counter += 1
        with contextlib.suppress(RuntimeError):
            await self.insist("engagement.leave", counter=person.counter, engagement=engagement)
        for desk in self._desks:
            desk.heard.pop(engagement, None)
            desk.mine.discard(engagement)

    def _answered(self) -> None:
        """waits: when an answer came that took long, and the seconds since the one before."""
        now_s = time.monotonic()
        if now_s - self._last_ok_s > LONG_S:
            self.waits.append((now_s, now_s - self._last_ok_s))
        if now_s - self._last_ok_s > SLOW_S:
            story = {"writer": self.story}
            self.slow.append(slow(f"{self.person.device} has no answer", story, self._last_ok_s, now_s))
        self._last_ok_s = now_s

    async def _read_elsewhere(self, engagement: str) -> list[Stored]:
        """Over another connection, so maybe another node."""
        await self.hang_up()
        return await self.read(engagement)

    def on_event(self, name: str, data: Any, at_ns: int) -> None:
        super().on_event(name, data, at_ns)
        if name == "session.ready":
            self._heard.connections.append([])
            for shot in data["engagements"]:
                self._served_by(shot["view"])
        elif name == "chat.posted":
            self._heard.connections[-1].append(stored(data["message"]))
        elif name == "queue.moved":
            self.waited[-1].place(time.monotonic(), data["position"])
        elif name == "engagement.changed":
            self._served_by(data["view"])

    def _served_by(self, view: dict[str, Any]) -> None:
        self.waited[-1].served(view["queued_ms"], view["agent"])


async def taken(engagement: str, desks: list[Desk]) -> Desk:
    """By whom, as soon as somebody has."""
    while True:
        for desk in desks:
            if engagement in desk.mine:
                return desk
        await asyncio.sleep(0.02)


async def writers(
    urls: list[str], http: aiohttp.ClientSession, count: int, chance: random.Random, desks: list[Desk]
) -> list[Writer]:
    return [
        Writer(await visitor(urls[number % len(urls)], http, SITE), urls, chance, desks)
        for number in range(count)
    ]


async def desks(
    urls: list[str],
    http: aiohttp.ClientSession,
    token: str,
    count: int,
    capacity: int,
    chance: random.Random,
) -> list[Desk]:
    return [Desk(person, urls, chance) for person in await agents(urls[0], http, token, count, capacity)]
