"""Real nodes as processes on loopback, over a real Redis and PostgreSQL; people who keep on writing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest
from socketio.exceptions import SocketIOError

from benchmarks.services import Postgres
from benchmarks.session_client import Person
from tests.conftest import Shared
from tests.server_process import BENCH_TOKEN, Server, start

SITE = "bench"


class Nodes:
    """The nodes of one test, by number; `start` makes one more."""

    def __init__(self, shared: Shared, directory: Path) -> None:
        self._shared = shared
        self._directory = directory
        self.servers: list[Server] = []

    def start(self, *extra: str, port: int = 0, program: str = "server") -> Server:
        """A further node, ready."""
        server = self._run(len(self.servers), *extra, port=port, program=program)
        self.servers.append(server)
        return server

    def start_three(self, *extra: str, ports: Sequence[int] = (0, 0, 0), urls: Sequence[str] = ()) -> None:
        """At the same time: each takes some seconds. urls: each node's own address."""
        with ThreadPoolExecutor(3) as pool:
            runs = []
            for number, port in enumerate(ports):
                own = ("--node-url", urls[number]) if urls else ()
                runs.append(pool.submit(self._run, number, *extra, *own, port=port))
        self.servers += [run.result() for run in runs if run.exception() is None]
        for run in runs:
            run.result()

    def _run(self, number: int, *extra: str, port: int = 0, program: str = "server") -> Server:
        data = self._directory / f"n{number}"
        data.mkdir()
        places = ("--redis", self._shared.redis_url, "--database", self._shared.database_url)
        keys = ("--keys", str(self._shared.keys_dir), "--bench-token", BENCH_TOKEN)
        server = start(
            data, *places, *keys, *extra, port=port, prefix=self._shared.redis_prefix, program=program
        )
        server.database = self._shared.database_url
        return server

    def __getitem__(self, number: int) -> Server:
        return self.servers[number]

    def stop(self) -> None:
        ended = [server.stop() for server in self.servers if server.process.poll() is None]
        assert not any(ended), [server.log for server in self.servers]
        for server in self.servers:
            assert "Traceback" not in server.log, server.log


@pytest.fixture
def nodes(shared: Shared, tmp_path: Path) -> Iterator[Nodes]:
    """Three, which know each other."""
    made = Nodes(shared, tmp_path)
    with ExitStack() as stack:
        stack.callback(made.stop)
        made.start_three()
        yield made


@pytest.fixture
def own_postgres(shared: Shared) -> Iterator[Postgres]:
    """One that a test may stop or fill; the nodes of the test use it."""
    own = Postgres()
    with own:
        shared.database_url = own.service.url
        yield own


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def says(person: Person, text: str, engagement: str | None = None) -> str:
    """Write, again with the same counter while the service is unavailable; the engagement."""
    person.counter += 1
    fields = {} if engagement is None else {"engagement": engagement}
    while True:
        try:
            if not person.socket.connected:
                await person.connect()
            async with asyncio.timeout(1.5):  # a connection that ends answers no more
                ack = await person.command("chat.send", counter=person.counter, text=text, **fields)
        except RuntimeError as refused:
            assert str(refused) == "chat.send: unavailable"
        except (TimeoutError, OSError, aiohttp.ClientError, SocketIOError):
            await person.socket.disconnect()
        else:
            return str(ack["engagement"])
        await asyncio.sleep(0.1)


async def texts(person: Person, engagement: str) -> list[str]:
    ack = await person.command("engagement.sync", engagement=engagement, after_seq=0)
    return [item["text"] for item in ack["snapshot"]["items"] if item["kind"] == "message"]
