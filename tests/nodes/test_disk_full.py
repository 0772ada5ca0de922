"""The disk is full, SQLite's and PostgreSQL's: `unavailable`, nothing acked is lost, all is back by itself.

"Full" is a limit of the kernel on how long the files of a running process may get: what would make one longer
fails, as on a disk without space.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest

from benchmarks.services import Postgres, end_of_log, limit_files
from benchmarks.session_client import Person, visitor
from tests.conftest import Shared
from tests.nodes.conftest import SITE, Nodes, says, texts
from tests.server_process import BENCH_TOKEN, Server, start

PEOPLE = 6
MOST_TEXTS = 120  # of one person: a snapshot has 200 items
PACE_S = 0.02
QUIET_S = 2.5
FULL_WITHIN_S = 25.0
BACK_WITHIN_S = 15.0
GROWN_MB = 32
ROOM_BYTES = 50_000
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(900_000)


@contextmanager
def full(process: subprocess.Popen[bytes], most: int) -> Iterator[None]:
    limit_files(process, str(most))
    try:
        yield
    finally:
        limit_files(process, "unlimited")


class Writers:
    """People who write all the time, and again what was refused; `told` is what was acked, by person."""

    def __init__(self, people: list[Person], nodes: list[Server]) -> None:
        self.people = people
        self.told: list[list[str]] = [[] for _ in people]
        self.engagements = [""] * len(people)
        self._nodes = nodes
        self._before_mb = [node.rss_mb for node in nodes]
        self._over = False

    async def _write(self, number: int) -> None:
        person, told = self.people[number], self.told[number]
        while not self._over and len(told) < MOST_TEXTS:
            text = f"{len(told)} " + "x" * 1_500
            self.engagements[number] = await says(person, text, self.engagements[number] or None)
            told.append(text)
            await asyncio.sleep(PACE_S)

    def acked(self) -> int:
        return sum(map(len, self.told))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Whoever was refused in the body is heard soon after it. Raises: TimeoutError."""
        async with asyncio.TaskGroup() as tasks:
            work = [tasks.create_task(self._write(number)) for number in range(len(self.people))]
            yield
            before = [len(told) for told in self.told]
            async with asyncio.timeout(BACK_WITHIN_S):
                while any(len(told) == was for told, was in zip(self.told, before, strict=True)):
                    await asyncio.sleep(0.05)
                self._over = True
                await asyncio.gather(*work)

    async def all_refused(self) -> None:
        """Wait until nothing has been acked for a while. Raises: TimeoutError."""
        loop = asyncio.get_running_loop()
        acked, since_s = -1, loop.time()
        async with asyncio.timeout(FULL_WITHIN_S):
            while loop.time() < since_s + QUIET_S:
                if self.acked() != acked:
                    acked, since_s = self.acked(), loop.time()
                await asyncio.sleep(0.05)
        assert max(map(len, self.told)) < MOST_TEXTS, "the disk was never full"
        for node, before_mb in zip(self._nodes, self._before_mb, strict=True):
            assert node.rss_mb - before_mb < GROWN_MB

    async def all_there(self) -> None:
        """What was acked, once, in order."""
        for person, engagement, told in zip(self.people, self.engagements, self.told, strict=True):
            assert await texts(person, engagement) == told

    async def close(self) -> None:
        for person in self.people:
            await person.close()


async def code_of(http: aiohttp.ClientSession, url: str, body: Any, token: str = "") -> str:
    """What an HTTP request is answered: "" when it is done."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    fields = {"data": body} if isinstance(body, bytes) else {"json": body}
    async with http.post(url, headers=headers, **fields) as answer:
        if answer.status == 200:
            return ""
        assert (answer.status, answer.content_type) == (503, "application/problem+json")
        return str((await answer.json(content_type=None))["code"])


def unfinished_files(directory: Path) -> list[Path]:
    return list(directory.rglob("*.part"))


def longest_file(directory: Path) -> int:
    return max(path.stat().st_size for path in directory.rglob("*") if path.is_file())


@pytest.mark.timeout(90)
async def test_sqlite_on_a_full_disk(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """Also a crash afterwards loses nothing."""
    server = start(tmp_path, "--bench-token", BENCH_TOKEN)
    people = [await visitor(server.url, http, SITE) for _ in range(PEOPLE)]
    codes: set[str] = set()
    for person in people:
        person.on_event = lambda name, data, _: codes.add(data["error"]["code"]) if name == "error" else None
    writers = Writers(people, [server])
    upload = f"{server.url}/v1/files?name=a.png"
    async with writers.at_work():
        with full(server.process, longest_file(tmp_path) + ROOM_BYTES):
            await writers.all_refused()
            assert await code_of(http, upload, PICTURE, people[0].token) == "unavailable"
            known = {"site": SITE, "credential": people[0].token}
            assert await code_of(http, f"{server.url}/v1/visitors/session", known) == ""
    await writers.all_there()
    assert codes <= {"unavailable"}
    assert not unfinished_files(tmp_path), "half a file takes room that the log needs"
    assert await code_of(http, upload, PICTURE, people[0].token) == ""
    assert "Traceback" not in server.log
    server.kill()
    again = start(tmp_path, "--bench-token", BENCH_TOKEN, port=server.port)
    for person in people:
        await person.close()
        await person.connect()
    await writers.all_there()
    await writers.close()
    assert again.stop() == 0


def end_of_tables(url: str) -> int:
    """How long the table of events is, once it is longer than a file of the write-ahead log."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO events (actor, seq, epoch, at_ms, record) SELECT 'e:filler', number, 1, 1, "
            "convert_to(repeat('x', 1900), 'UTF8') FROM generate_series(1, 9200) AS number"
        )
        row = connection.execute("SELECT pg_relation_size('events')").fetchone()
    assert row is not None
    assert row[0] > 16 * 1024 * 1024
    return int(row[0])


@pytest.mark.timeout(90)
async def test_postgres_whose_tables_cannot_grow(
    shared: Shared, own_postgres: Postgres, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """Both nodes say so, and what is there can be read, also by who comes only now."""
    nodes = Nodes(shared, tmp_path)
    for _ in range(2):
        nodes.start()
    people = [await visitor(nodes[number % 2].url, http, SITE) for number in range(PEOPLE)]
    writers = Writers(people, nodes.servers)
    reader = Person(nodes[1].url, http, people[0].token, SITE)
    async with writers.at_work():
        with full(own_postgres.service.process, end_of_tables(own_postgres.service.url) + ROOM_BYTES):
            await writers.all_refused()
            await reader.connect()
            assert await texts(reader, writers.engagements[0]) == writers.told[0]
    await writers.all_there()
    await reader.close()
    await writers.close()
    nodes.stop()


@pytest.mark.timeout(90)
async def test_postgres_whose_log_cannot_grow(
    shared: Shared, own_postgres: Postgres, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """It panics in the middle of commits, and may not come up again before there is space."""
    nodes = Nodes(shared, tmp_path)
    node = nodes.start()
    people = [await visitor(node.url, http, SITE) for _ in range(PEOPLE)]
    writers = Writers(people, nodes.servers)
    async with writers.at_work():
        with full(own_postgres.service.process, end_of_log(own_postgres.service.url) + ROOM_BYTES):
            await writers.all_refused()
            session = f"{node.url}/v1/visitors/session"
            assert await code_of(http, session, {"site": SITE}) == "unavailable"
        if own_postgres.service.process.poll() is not None:
            await asyncio.to_thread(own_postgres.start)
    await writers.all_there()
    await writers.close()
    nodes.stop()
