"""Who shares a page while nodes die: a customer whose tab changes all the time, and an agent who looks at it.

Both open their sockets as the widget and the softphone do: anew when they end, and when the connection for
commands began anew, because a node that hangs ends nothing. Frames: docs/cobrowse_wire.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urljoin

import aiohttp
from msgspec import msgpack

from benchmarks.chaos.callers import TAKEN_S
from benchmarks.chaos.checker import Verdict
from benchmarks.chaos.pages import Drawn, Seen, judge_page
from benchmarks.chaos.people import LONG_S, SITE, Desk, taken
from benchmarks.chaos.roaming import CONNECT_S, FAULTS, Roaming
from benchmarks.chaos.story import SLOW_S, Slow, Story, slow
from benchmarks.session_client import VIEW_CONSENT, visitor
from cobrowse.frames import Items, decode
from cobrowse.ops import SIDE, WIRE_VERSION

EVERY_S = 0.1
FRAMES = 300  # of one document, then another is loaded
KEPT = 60
AGAIN_S = (0.1, 0.25)
Use = Callable[[aiohttp.ClientWebSocketResponse, str], Awaitable[None]]
# what a widget or softphone would not come back from
FINAL = (4400, 4401, 4403, 4406)


class Sharer:
    """gaps: when the agent saw the page change again, and the seconds since it did before.

    slow: what happened in those that were longer than SLOW_S.
    """

    def __init__(self, customer: Roaming, mark: str, chance: random.Random) -> None:
        self.customer = customer
        self.verdict = Verdict()
        self.gaps: list[tuple[float, float]] = []
        self.last = ""
        self.slow: list[Slow] = []
        self._story = Story()
        self._chance = chance
        self._desk: Desk | None = None
        self._engagement = ""
        self._drawn = Drawn(mark)
        self._doc = ""
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self._taken_by: Callable[[bytes], Awaitable[None]] | None = None
        self._seen = Seen()
        self._newest = (0, 0)
        self._seen_s = 0.0
        self._shown: list[Any] = ["", 0, 0]

    async def begin(self, desks: list[Desk]) -> None:
        """One of them takes it and is allowed to look. Raises: TimeoutError."""
        self._load()
        await self.customer.come_back()
        ack = await self.customer.person.durable("chat.send", text=self._drawn.mark)
        self._engagement = str(ack["engagement"])
        async with asyncio.timeout(TAKEN_S):
            self._desk = await taken(self._engagement, desks)
            await self._desk.person.durable("cobrowse.request", engagement=self._engagement)
            await self.customer.person.durable(
                "cobrowse.start", engagement=self._engagement, consent=VIEW_CONSENT
            )

    async def work(self) -> None:
        assert self._desk is not None
        self._seen_s = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.customer.watch())
            tasks.create_task(self._draw())
            tasks.create_task(self._again_and_again(self.customer, self._record))
            tasks.create_task(self._again_and_again(self._desk, self._look))

    @property
    def stuck(self) -> str:
        """Why the agent does not see the page as it is; "" when it does."""
        since_s = time.monotonic() - self._seen_s
        return f"shared page, {since_s:.0f} s without a change: {self.last}" if since_s > 1 else ""

    # --- the customer's tab ---------------------------------------------------------------------

    async def _draw(self) -> None:
        """The page changes whether or not anybody is connected."""
        while True:
            await asyncio.sleep(EVERY_S)
            if self._drawn.seq >= FRAMES:
                self._drawn.leave()
                self._load()
            else:
                await self._frame(self._drawn.change())

    def _load(self) -> None:
        """Another document: its recorder says HELLO when the socket of the one before has ended."""
        self._doc = secrets.token_hex(8)
        self._kept.clear()
        self._kept.append((1, self._drawn.snapshot()))
        self._taken_by = None

    async def _frame(self, frame: bytes) -> None:
        self._kept.append((self._drawn.seq, frame))
        if self._taken_by is not None:
            with contextlib.suppress(*FAULTS):
                await self._taken_by(frame)

    async def _record(self, socket: aiohttp.ClientWebSocketResponse, token: str) -> None:
        doc = self._doc
        hello = [0, SIDE["HELLO"], token, doc, self._drawn.seq + 1, WIRE_VERSION]
        await socket.send_bytes(msgpack.encode(hello))
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_until(lambda: doc != self._doc, socket))
            async for items in _messages(socket):
                if items[1] == SIDE["WELCOME"]:
                    await self._welcomed(socket, items[2])
                elif items[1] == SIDE["NEED"]:
                    self._kept.clear()
                    await self._frame(self._drawn.snapshot())
            watching.cancel()

    async def _welcomed(self, socket: aiohttp.ClientWebSocketResponse, last: int) -> None:
        """What was not taken is sent again, or all of the page."""
        self._taken_by = socket.send_bytes
        if last and self._kept and self._kept[0][0] <= last + 1:
            for seq, frame in list(self._kept):
                if seq > last:
                    await socket.send_bytes(frame)
        else:
            self._kept.clear()
            await self._frame(self._drawn.snapshot())

    # --- who looks ------------------------------------------------------------------------------

    async def _look(self, socket: aiohttp.ClientWebSocketResponse, token: str) -> None:
        has = [[*self._shown, self._seen.seq, ""]] if self._seen.seq else []
        await socket.send_bytes(msgpack.encode([0, SIDE["HELLO"], token, *has]))
        acked_s = 0.0
        async for items in _messages(socket):
            if items[0] == 0:
                if items[1] == SIDE["SWITCH"]:
                    self._shown, self._seen = items[2:5], Seen()
                continue
            now_s = time.monotonic()
            self._see(items, now_s)
            if now_s - acked_s > EVERY_S:
                acked_s = now_s
                await socket.send_bytes(msgpack.encode([0, SIDE["ACK"], self._seen.seq]))

    def _see(self, items: Items, now_s: float) -> None:
        try:
            self._seen.apply(items)
        except (ValueError, IndexError, KeyError) as fault:
            self.verdict.found("torn", 1, f"{self._drawn.mark}: {fault}")
            self._seen = Seen()
            return
        verdict = judge_page(self._drawn, self._seen, self._newest)
        self.verdict.add(verdict)
        if verdict.clean:
            self._newest = self._seen.at
        if now_s - self._seen_s > LONG_S:
            self.gaps.append((now_s, now_s - self._seen_s))
        if now_s - self._seen_s > SLOW_S and self._desk is not None:
            stories = {"customer": self.customer.story, "agent": self._desk.story, "page": self._story}
            self.slow.append(slow(f"{self._drawn.mark} does not change", stories, self._seen_s, now_s))
        self._seen_s = now_s

    # --- both -----------------------------------------------------------------------------------

    async def _again_and_again(self, who: Roaming, use: Use) -> None:
        while True:
            try:
                await self._once(who, use)
            except* FAULTS as faults:
                self.last = f"{use.__name__}: {faults.exceptions[0]!r}"
                self._story.note(self.last)
            await asyncio.sleep(self._chance.uniform(*AGAIN_S))

    async def _once(self, who: Roaming, use: Use) -> None:
        access = (await who.insist("cobrowse.open", engagement=self._engagement))["cobrowse"]
        ready, person = who.ready, who.person
        url = urljoin(person.base_url, access["url"])
        timeout = aiohttp.ClientWSTimeout(ws_close=0.2)
        async with asyncio.timeout(CONNECT_S):
            socket = await person.http.ws_connect(url, compress=15, timeout=timeout)
        self._story.note(f"{use.__name__} has a socket to {url}")
        try:
            async with asyncio.TaskGroup() as tasks:
                renewing = tasks.create_task(
                    _until(lambda: who.ready is not ready or not who.connected, socket)
                )
                await use(socket, access["token"])
                renewing.cancel()
        finally:
            await socket.close()
        if socket.close_code in FINAL:
            self.verdict.found(
                "torn", 1, f"{self._drawn.mark}: {use.__name__} ended with {socket.close_code}"
            )


async def _until(over: Callable[[], bool], socket: aiohttp.ClientWebSocketResponse) -> None:
    """End it then, without waiting for who is at its other end."""
    while True:
        await asyncio.sleep(0.02)
        if over():
            await socket.close()
            return


async def _messages(socket: aiohttp.ClientWebSocketResponse) -> Any:
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            yield decode(message.data)


async def sharer(urls: list[str], http: aiohttp.ClientSession, number: int, chance: random.Random) -> Sharer:
    customer = Roaming(await visitor(urls[number % len(urls)], http, SITE), urls, chance)
    letters = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=12))
    return Sharer(customer, f"page {letters}", chance)
