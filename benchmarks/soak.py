"""`talknow bench soak`: what a server keeps of people who came and went.

Own server, real clients: visitors come, chat, half of them talk, some change the page in mid-call, the agent
ends it and wraps up. Every few seconds the kernel and `/metrics` are asked what the server holds. In the end
all have left and what still lives is compared with the same moment after the first of them. Rows:
`soak.lives`, `soak.failed`; `soak.rss_mb`; `soak.rss_mb_per_h`, the slope of a straight line through the last
two thirds; `soak.kept` tasks, descriptors, threads, actors and unfinished files.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import linear_regression
from typing import Any

import aiohttp
from msgspec import Struct, field
from rich.progress import Progress

from benchmarks import harness
from benchmarks.accounting import PROC, resident_bytes
from benchmarks.journey import own_server
from benchmarks.media_source import tone_packets
from benchmarks.session_client import CONSENT, LegClient, Person, agents, visitor

SITE = "bench"
AGENTS = 4
EVERY_S = 5.0
LIFE_S = 20.0
ASLEEP_S = 75  # an actor without work is put away after 60 s
WARM_UP = 20
LETTERS = 6
COUNTED = ("tasks", "descriptors", "threads", "actors", "files")
BLOCKS = "▁▂▃▄▅▆▇█"


class Held(Struct):
    """What the server holds at some moment. at_s: monotonic."""

    at_s: float
    rss_mb: float
    tasks: float
    descriptors: int
    threads: int
    actors: float
    files: int


class Outcome(Struct):
    lives: int = 0
    failed: int = 0
    held: list[Held] = field(default_factory=list)
    kept: dict[str, float] = field(default_factory=dict)


class Soak:
    """One run against one server. data: its directory."""

    def __init__(self, url: str, pid: int, token: str, data: Path, options: argparse.Namespace) -> None:
        self._url = url
        self._pid = pid
        self._token = token
        self._data = data
        self._options = options
        self._chance = random.Random(options.seed)
        self._tones = list(tone_packets(440.0)), list(tone_packets(660.0))
        self._agents: list[Person] = []
        self._taken: dict[str, asyncio.Future[Person]] = {}
        self.outcome = Outcome()

    async def run(self, bar: Progress) -> Outcome:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as tasks:
            self._agents = await agents(self._url, http, self._token, AGENTS, 100)
            for agent in self._agents:
                agent.on_event = self._accepts(agent, tasks)
            first = iter(range(WARM_UP))
            await self._live(http, lambda: next(first, None) is not None)
            before = await self._alone(http, bar)
            watching = tasks.create_task(self._watch(http, bar))
            until_s = time.monotonic() + self._options.minutes * 60
            await self._live(http, lambda: time.monotonic() < until_s)
            watching.cancel()
            after = await self._alone(http, bar)
            for agent in self._agents:
                await agent.close()
        self.outcome.kept = {name: getattr(after, name) - getattr(before, name) for name in COUNTED}
        self.outcome.kept["rss_mb"] = after.rss_mb - before.rss_mb
        return self.outcome

    # --- lives --------------------------------------------------------------------------------

    async def _live(self, http: aiohttp.ClientSession, goes_on: Callable[[], bool]) -> None:
        """One life after the other, `at_once` beside each other."""

        async def one_after_the_other() -> None:
            while goes_on():
                try:
                    async with asyncio.timeout(LIFE_S):
                        await self._life(http)
                    self.outcome.lives += 1
                except (TimeoutError, RuntimeError, OSError, aiohttp.ClientError):
                    self.outcome.failed += 1

        await asyncio.gather(*(one_after_the_other() for _ in range(self._options.at_once)))

    async def _life(self, http: aiohttp.ClientSession) -> None:
        customer = await visitor(self._url, http, SITE)
        try:
            ack = await customer.durable("chat.send", text="hello")
            engagement = str(ack["engagement"])
            agent = await self._taken.setdefault(engagement, asyncio.get_running_loop().create_future())
            for number in range(LETTERS):
                writer = self._chance.choice((customer, agent))
                await writer.durable("chat.send", engagement=engagement, text=f"letter {number} " * 8)
            if self._chance.random() < 0.5:
                await self._talk(customer, agent, engagement)
            await agent.durable("engagement.end", engagement=engagement)
            await agent.durable("engagement.wrap_up", engagement=engagement, code="done")
            agent.legs.pop(engagement, LegClient(agent)).close()
            del self._taken[engagement]
        finally:
            await customer.close()

    async def _talk(self, customer: Person, agent: Person, engagement: str) -> None:
        await customer.durable("call.start", engagement=engagement, consent=CONSENT)
        await agent.durable("call.join", engagement=engagement)
        theirs, ours = customer.leg(engagement), agent.leg(engagement)
        theirs.speak(self._tones[0], frozenset(self._tones[1]))
        ours.speak(self._tones[1], frozenset(self._tones[0]))
        await asyncio.gather(theirs.heard.wait(), ours.heard.wait())
        await asyncio.sleep(self._chance.uniform(1.0, 4.0))
        if theirs.ticket is not None and self._chance.random() < 0.5:
            theirs.drop_path()  # the page changes
            await customer.socket.disconnect()
            await asyncio.gather(theirs.take(theirs.ticket), customer.connect(engagement))
        await customer.durable("call.hang_up", engagement=engagement)

    def _accepts(self, agent: Person, tasks: asyncio.TaskGroup) -> Any:
        async def accept(offer: dict[str, Any]) -> None:
            with contextlib.suppress(RuntimeError):
                await agent.command("offer.accept", engagement=offer["engagement"], offer=offer["offer"])
                loop = asyncio.get_running_loop()
                self._taken.setdefault(offer["engagement"], loop.create_future()).set_result(agent)

        return lambda name, data, _: tasks.create_task(accept(data)) if name == "offer.made" else None

    # --- what the server holds ----------------------------------------------------------------

    async def _watch(self, http: aiohttp.ClientSession, bar: Progress) -> None:
        task = bar.add_task(f"{self._options.at_once} come and go", total=self._options.minutes * 60)
        while True:
            self.outcome.held.append(await self._look(http))
            await asyncio.sleep(EVERY_S)
            bar.advance(task, EVERY_S)

    async def _alone(self, http: aiohttp.ClientSession, bar: Progress) -> Held:
        """When all have left and what they left is asleep."""
        seconds = 2 if self._options.short else ASLEEP_S
        task = bar.add_task("all have left", total=seconds)
        for _ in range(seconds):
            await asyncio.sleep(1)
            bar.advance(task)
        return await self._look(http)

    async def _look(self, http: aiohttp.ClientSession) -> Held:
        async with http.get(self._url + "/metrics") as answer:
            metrics = dict(
                line.rsplit(" ", 1) for line in (await answer.text()).splitlines() if not line.startswith("#")
            )
        process = PROC / str(self._pid)
        return Held(
            at_s=time.monotonic(),
            rss_mb=resident_bytes(self._pid) / 1e6,
            tasks=float(metrics["talknow_tasks"]),
            descriptors=len(list((process / "fd").iterdir())),
            threads=len(list((process / "task").iterdir())),
            actors=float(metrics["talknow_live_actors"]),
            files=sum(1 for _ in self._data.rglob("*.part")),
        )


def slope_per_h(held: Sequence[Held]) -> float:
    """MB an hour, by least squares through the last two thirds."""
    last = held[len(held) // 3 :]
    line = linear_regression([one.at_s for one in last], [one.rss_mb for one in last])
    return line.slope * 3_600


def drawn(values: Sequence[float], width: int = 60) -> str:
    """A line of blocks, from the least to the greatest."""
    least, most = min(values), max(values)
    step = (most - least) / (len(BLOCKS) - 1) or 1.0
    shown = values[:: max(1, len(values) // width)]
    return "".join(BLOCKS[round((value - least) / step)] for value in shown)


def rows(outcome: Outcome, options: argparse.Namespace) -> list[harness.Row]:
    params = {"minutes": options.minutes, "at_once": options.at_once}
    rss = [one.rss_mb for one in outcome.held]
    made = [
        harness.count("soak.lives", "count", outcome.lives, params),
        harness.count("soak.failed", "count", outcome.failed, params),
        harness.row("soak.rss_mb", "MB", rss, params),
        harness.count("soak.rss_mb_per_h", "MB/h", round(slope_per_h(outcome.held), 2), params),
    ]
    for name, value in outcome.kept.items():
        made.append(harness.count("soak.kept", "count", round(value, 1), params | {"of": name}))
    return made


async def _measure(options: argparse.Namespace) -> Outcome:
    token = secrets.token_urlsafe(16)
    with tempfile.TemporaryDirectory(prefix="talknow-soak-") as data, harness.progress() as bar:
        async with own_server(token, data=Path(data)) as (url, pid):
            return await Soak(url, pid, token, Path(data), options).run(bar)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="talknow bench soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long people come and go")
    parser.add_argument("--at-once", type=int, default=12, help="how many are there at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="do not wait in the end: does it run at all")
    parser.add_argument("--json", help="append rows to this file (- for stdout)")
    options = parser.parse_args(arguments)
    outcome = harness.generate(_measure(options))
    harness.publish(rows(outcome, options), options.json)
    rss = [one.rss_mb for one in outcome.held]
    harness.console.print(f"memory, {min(rss):.0f} to {max(rss):.0f} MB: {drawn(rss)}")
    return 1 if outcome.failed else 0
