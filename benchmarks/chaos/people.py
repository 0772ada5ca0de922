"""Who uses the nodes while they die: writers, and agents who take them and answer now and then.

What happens to them is recorded for the judge.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from functools import partial
from typing import Any

import aiohttp

from benchmarks.chaos.checker import Heard, Sent, Stored, Waited
from benchmarks.chaos.history import Engagement, History
from benchmarks.chaos.roaming import ANSWER_S, FAULTS, Roaming, stored
from benchmarks.chaos.story import SLOW_S, Slow, slow
from benchmarks.session_client import Person, agents, visitor

SITE = "bench"
LETTERS = 150
LONG_S = 0.25
ANSWERED = 10  # every so many messages of a writer one of the agent's


class Desk(Roaming):
    """An agent who takes whatever rings, answers now and then, and remembers what it hears, by engagement.

    sent: what it answered.
    """

    def __init__(self, person: Person, urls: list[str], chance: random.Random) -> None:
        super().__init__(person, urls, chance)
        self.heard: dict[str, Heard] = {}
        self.sent: dict[str, Sent] = {}
        self.mine: set[str] = set()
        self._offers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._ended: asyncio.Queue[str] = asyncio.Queue()
        self._letters: asyncio.Queue[tuple[str, str] | asyncio.Event] = asyncio.Queue()
        self._over: set[str] = set()

    async def work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._stay())
            tasks.create_task(self._take())
            tasks.create_task(self._wrap_up())
            tasks.create_task(self._answer())
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

    async def _answer(self) -> None:
        while True:
            letter = await self._letters.get()
            if isinstance(letter, asyncio.Event):
                letter.set()
            elif letter[0] not in self._over:
                await self._write(*letter)

    async def _write(self, engagement: str, mark: str) -> None:
        self.person.counter += 1
        counter = self.person.counter
        sent = self.sent.setdefault(engagement, Sent(self.person.device))
        sent.acks[counter] = None
        letter = {"engagement": engagement, "text": f"{mark} answer {counter}"}
        with contextlib.suppress(RuntimeError):  # it was away too long: somebody else has it
            tried = partial(sent.tried, counter)
            ack = await self.insist("chat.send", tried=tried, counter=counter, **letter)
            sent.acks[counter] = ack["seq"]

    async def finish(self, engagement: str) -> None:
        """From now on nothing is written in it; what was begun has its ack."""
        self._over.add(engagement)
        all_before = asyncio.Event()
        self._letters.put_nowait(all_before)
        await all_before.wait()

    def forget(self, engagement: str) -> None:
        self.heard.pop(engagement, None)
        self.sent.pop(engagement, None)
        self.mine.discard(engagement)
        self._over.discard(engagement)

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
            engagement, message = data["engagement"], stored(data["message"])
            heard = self.heard.setdefault(engagement, Heard(self.person.device, [[]]))
            heard.connections[-1].append(message)
            if message.device != self.person.device and message.counter % ANSWERED == 0:
                self._letters.put_nowait((engagement, message.device))

    def _view(self, view: dict[str, Any]) -> None:
        if view["phase"] == "wrap_up":
            self._ended.put_nowait(view["id"])


class Writer(Roaming):
    """Somebody who writes all the time: LETTERS messages, then as somebody new."""

    def __init__(
        self, person: Person, urls: list[str], chance: random.Random, desks: list[Desk], history: History
    ) -> None:
        super().__init__(person, urls, chance)
        self._desks = desks
        self._history = history
        self.waits: list[tuple[float, float]] = []
        self.slow: list[Slow] = []
        self.stopped = False
        self._last_ok_s = time.monotonic()
        self._heard = Heard(person.device, [[]])
        self.waited = [Waited()]

    async def work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self.watch())
            while not self.stopped:
                await self._conversation()
                await self.hang_up()
                self.take_over(await self._somebody_new())
                self._heard = Heard(self.person.device, [[]])
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
            letter = {"text": f"{person.device} {counter}", **fields}
            tried = partial(sent.tried, counter)
            ack = await self.insist("chat.send", tried=tried, counter=counter, **letter)
            engagement = ack["engagement"]
            sent.acks[counter] = ack["seq"]
            self._answered()
        if engagement is None:
            return
        for desk in self._desks:
            await desk.finish(engagement)
        readings = [await self.read(engagement)]
        readings += [await self._read_elsewhere(engagement) for _ in range(2)]
        for desk in self._desks:
            if engagement in desk.mine:
                with contextlib.suppress(RuntimeError):  # it was away too long: somebody else has it
                    readings.append(await desk.read(engagement))
        heard = [self._heard, *(desk.heard[engagement] for desk in self._desks if engagement in desk.heard)]
        everything = [sent, *(desk.sent[engagement] for desk in self._desks if engagement in desk.sent)]
        self._history.add(Engagement(engagement, person.device, everything, readings, heard))
        person.counter += 1
        with contextlib.suppress(RuntimeError):
            await self.insist("engagement.leave", counter=person.counter, engagement=engagement)
        for desk in self._desks:
            desk.forget(engagement)

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
    urls: list[str],
    http: aiohttp.ClientSession,
    count: int,
    chance: random.Random,
    desks: list[Desk],
    history: History,
) -> list[Writer]:
    return [
        Writer(await visitor(urls[number % len(urls)], http, SITE), urls, chance, desks, history)
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
