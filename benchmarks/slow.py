"""`talknow bench slow`: what everybody else notices of readers who stop reading.

Own server (SQLite). Some visitors write long messages and have many tabs open, to each of which all of them
go; beside them others chat at a steady rate (open loop: a message counts from the moment it was due). The
tabs read what comes for SECONDS, then new ones stop reading as soon as they are there, and so on by turns.
Rows: `slow.ack_ms` of the others and `slow.rss_mb` of the server for both, `slow.cut`: how many tabs it had
cut off by then, `slow.ratio` of the others' p99, one per round.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import secrets
import time
from statistics import median
from typing import Literal

import aiohttp
from rich.progress import Progress

from benchmarks import harness
from benchmarks.accounting import resident_bytes
from benchmarks.crowd import SITE, Bare
from benchmarks.journey import own_server
from benchmarks.session_client import credential

Mode = Literal["read", "stopped"]
MODES: tuple[Mode, ...] = ("read", "stopped")
NOISY = 10
LONG_PER_S = 20
LONG = '"' * 4_000  # twice as long on the wire
OTHERS = 100
RATE = 200
SECONDS = 14.0  # more than a reader is waited for: server/edge/websocket.py
LOOK_S = 0.2


class Talker:
    """A visitor with an engagement; counter: of its last message."""

    def __init__(self, bare: Bare) -> None:
        self.bare = bare
        self.counter = 0
        self.engagement = ""

    async def say(self, text: str) -> None:
        """Raises: RuntimeError, TimeoutError."""
        self.counter += 1
        fields = {"engagement": self.engagement} if self.engagement else {}
        ack = await self.bare.command("chat.send", counter=self.counter, text=text, **fields)
        self.engagement = str(ack["engagement"])


class Slow:
    """One run against one server."""

    def __init__(self, url: str, pid: int, options: argparse.Namespace, bar: Progress) -> None:
        self._url = url
        self._pid = pid
        self._options = options
        self._bar = bar
        self.ack_ms: dict[Mode, list[float]] = {mode: [] for mode in MODES}
        self.rss_mb: dict[Mode, list[float]] = {mode: [] for mode in MODES}
        self.cut: dict[Mode, int] = dict.fromkeys(MODES, 0)
        self.ratios: list[float] = []

    async def run(self) -> None:
        task = self._bar.add_task("readers", total=2 * self._options.rounds)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as tasks:
            noisy = [await self._talker(http, tasks) for _ in range(NOISY)]
            others = [await self._talker(http, tasks) for _ in range(OTHERS)]
            for _ in range(self._options.rounds):
                p99 = {}
                for mode in MODES:
                    found = await self._phase(http, noisy, others, mode)
                    self.ack_ms[mode] += found
                    p99[mode] = harness.percentile(found, 0.99)
                    self._bar.advance(task)
                self.ratios.append(p99["stopped"] / p99["read"])
            for one in (*noisy, *others):
                await one.bare.close()

    async def _talker(self, http: aiohttp.ClientSession, tasks: asyncio.TaskGroup) -> Talker:
        made = Talker(Bare(self._url, http, await credential(self._url, http, SITE), SITE))
        await made.bare.connect(tasks)
        await made.say("hello")
        return made

    async def _phase(
        self, http: aiohttp.ClientSession, noisy: list[Talker], others: list[Talker], mode: Mode
    ) -> list[float]:
        """Milliseconds until the others' messages were acked."""
        before = resident_bytes(self._pid)
        tabs = [await self._tab(http, one) for one in noisy for _ in range(self._options.tabs // NOISY)]
        found: list[float] = []
        highest = 0.0
        until_s = time.monotonic() + SECONDS
        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(self._write(one, until_s)) for one in noisy]
            if mode == "read":
                background += [tasks.create_task(_read(tab)) for tab in tabs]
            chatting = tasks.create_task(self._chat(others, until_s, found))
            while not chatting.done():
                highest = max(highest, resident_bytes(self._pid) - before)
                await asyncio.sleep(LOOK_S)
            for one in background:
                one.cancel()
        self.rss_mb[mode].append(highest / 1e6)
        self.cut[mode] += sum(await asyncio.gather(*map(_is_cut, tabs)))
        return found

    async def _tab(self, http: aiohttp.ClientSession, whose: Talker) -> aiohttp.ClientWebSocketResponse:
        """A connection more of this visitor, up to its `session.ready`."""
        made = await Bare(self._url, http, whose.bare.token, SITE).greet()
        while not (await made.receive_str()).startswith('42["session.ready"'):
            continue
        return made

    async def _write(self, talker: Talker, until_s: float) -> None:
        while time.monotonic() < until_s:
            with contextlib.suppress(RuntimeError, TimeoutError):
                await talker.say(LONG)
            await asyncio.sleep(1 / LONG_PER_S)

    async def _chat(self, others: list[Talker], until_s: float, found: list[float]) -> None:
        began_s, number = time.monotonic(), 0
        async with asyncio.TaskGroup() as tasks:
            while (due_s := began_s + number / RATE) < until_s:
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                tasks.create_task(_timed(others[number % OTHERS], due_s, found))
                number += 1


async def _timed(talker: Talker, due_s: float, found: list[float]) -> None:
    await talker.say("short")
    found.append((time.monotonic() - due_s) * 1e3)


async def _read(tab: aiohttp.ClientWebSocketResponse) -> None:
    async for message in tab:
        if message.data == "2":
            await tab.send_str("3")


async def _is_cut(tab: aiohttp.ClientWebSocketResponse) -> bool:
    """Whether it ended before we ended it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            while (await tab.receive()).type is aiohttp.WSMsgType.TEXT:
                continue
            return True
    await tab.close()
    return False


async def _measure(options: argparse.Namespace) -> list[harness.Row]:
    async with own_server(secrets.token_urlsafe(16)) as (url, pid):
        with harness.progress() as bar:
            slow = Slow(url, pid, options, bar)
            await slow.run()
    params = {"tabs": options.tabs, "rounds": options.rounds}
    made = []
    for mode in MODES:
        of = params | {"tabs_have": mode}
        made.append(harness.row("slow.ack_ms", "ms", slow.ack_ms[mode], of))
        made.append(harness.count("slow.rss_mb", "MB", round(median(slow.rss_mb[mode]), 1), of))
        made.append(harness.count("slow.cut", "count", slow.cut[mode], of))
    return [*made, harness.row("slow.ratio", "ratio", slow.ratios, params)]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="talknow bench slow", description=__doc__)
    parser.add_argument("--tabs", type=int, default=50, help="connections that stop reading")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="append rows to this file (- for stdout)")
    options = parser.parse_args(arguments)
    harness.publish(harness.generate(_measure(options)), options.json)
    return 0
