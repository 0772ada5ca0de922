"""What is done to the nodes, drawn from a seed: the same seed does the same in the same order."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence

import psycopg
from msgspec import Struct
from redis.asyncio import Redis

from benchmarks.chaos.nodes import NODES, Nodes, user_of
from benchmarks.services import end_of_log, limit_files

STOPPED_S = 4.0
PARTED_S = 8.0
DOWN_S = 1.0
KINDS = (
    "kill",
    "all",
    "stop",
    "cut",
    "split",
    "part",
    "clock",
    "drain",
    "flush",
    "redis",
    "postgres",
    "full",
)
ROOM_BYTES = 50_000


class Blow(Struct, frozen=True):
    """One disturbance: when (monotonic seconds), what, to which node (-1: to what all share)."""

    at_s: float
    kind: str
    node: int


def plan(kills: int, others: int, also: Sequence[str]) -> list[str]:
    """The kinds of all blows: the others spread evenly among the kills, each of `also` in turn."""
    timed = [((number + 0.5) / kills, "kill") for number in range(kills)]
    timed += [((number + 0.5) / others, also[number % len(also)]) for number in range(others if also else 0)]
    return [kind for _, kind in sorted(timed, key=lambda one: one[0])]


class Nemesis:
    """blows: what was done."""

    def __init__(self, nodes: Nodes, seed: int, pause_s: tuple[float, float]) -> None:
        self.blows: list[Blow] = []
        self._nodes = nodes
        self._chance = random.Random(seed)
        self._pause_s = pause_s
        self._deeds: dict[str, Callable[[int], Awaitable[None]]] = {
            "kill": self._kill,
            "all": self._kill_all,
            "stop": self._stop,
            "cut": self._cut,
            "split": self._split,
            "part": self._part,
            "clock": self._clock,
            "drain": self._drain,
            "flush": self._flush,
            "redis": self._restart_redis,
            "postgres": self._restart_postgres,
            "full": self._fill,
        }

    async def strike(self, kinds: Sequence[str], struck: Callable[[], None]) -> None:
        """All of them, one after the other; `struck` after each."""
        for kind in kinds:
            await asyncio.sleep(self._chance.uniform(*self._pause_s))
            await self._deed(kind)
            struck()

    async def _deed(self, kind: str) -> None:
        shared = kind in ("all", "flush", "redis", "postgres", "full")
        node = -1 if shared else self._chance.randrange(NODES)
        self.blows.append(Blow(time.monotonic(), kind, node))
        await self._deeds[kind](node)

    async def _kill(self, node: int) -> None:
        await self._nodes.kill(node)
        await self._nodes.start(node)

    async def _kill_all(self, _: int) -> None:
        """Every node in the same moment."""
        await asyncio.gather(*(self._nodes.kill(node) for node in range(NODES)))
        await asyncio.gather(*(self._nodes.start(node) for node in range(NODES)))

    async def _drain(self, node: int) -> None:
        await self._nodes.drain(node)
        await self._nodes.start(node)

    async def _stop(self, node: int) -> None:
        self._nodes.pause(node)
        await asyncio.sleep(STOPPED_S)
        self._nodes.resume(node)

    async def _cut(self, node: int) -> None:
        """One node alone no longer reaches Redis; everybody reaches everything else."""
        client = Redis.from_url(self._nodes.redis.service.url)
        await client.acl_setuser(user_of(node), enabled=False)
        await client.client_kill_filter(user=user_of(node))
        await asyncio.sleep(STOPPED_S)
        await client.acl_setuser(user_of(node), enabled=True)
        await client.aclose()

    async def _split(self, node: int) -> None:
        """One node alone no longer reaches PostgreSQL."""
        async with await psycopg.AsyncConnection.connect(
            self._nodes.postgres.service.url, autocommit=True
        ) as one:
            await one.execute(f"ALTER ROLE {user_of(node)} NOLOGIN")
            await one.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (user_of(node),)
            )
            await asyncio.sleep(STOPPED_S)
            await one.execute(f"ALTER ROLE {user_of(node)} LOGIN")

    async def _part(self, node: int) -> None:
        """Others no longer reach one node over links, and are not told. Raises: RuntimeError."""
        wires = self._nodes.wires
        if wires is None:
            raise RuntimeError("the links have no network of their own")
        await wires.take(node)
        await asyncio.sleep(PARTED_S)
        await wires.give(node)

    async def _clock(self, node: int) -> None:
        """Its wall clock is wrong from now on, until it is started again."""
        self._nodes.shift(node, self._chance.random() < 0.5)

    async def _flush(self, _: int) -> None:
        client = Redis.from_url(self._nodes.redis.service.url)
        await client.flushall()
        await client.aclose()

    async def _restart_redis(self, _: int) -> None:
        self._nodes.redis.service.kill()
        await asyncio.sleep(DOWN_S)
        await asyncio.to_thread(self._nodes.redis.start)

    async def _restart_postgres(self, _: int) -> None:
        self._nodes.postgres.service.kill()
        await asyncio.sleep(DOWN_S)
        await asyncio.to_thread(self._nodes.postgres.start)

    async def _fill(self, _: int) -> None:
        """PostgreSQL's disk is full: it cannot write its log, and may not come up before there is space."""
        service = self._nodes.postgres.service
        limit_files(service.process, str(await asyncio.to_thread(end_of_log, service.url) + ROOM_BYTES))
        await asyncio.sleep(STOPPED_S)
        limit_files(service.process, "unlimited")
        if service.process.poll() is not None:
            await asyncio.to_thread(self._nodes.postgres.start)
