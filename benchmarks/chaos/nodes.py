"""Three nodes as processes, with what they share; killed, stopped and started again by number."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg

from benchmarks import harness
from benchmarks.chaos.wires import Wires
from benchmarks.services import Postgres, Redis, both
from benchmarks.serving import until_ready

NODES = 3
ALLOWED = ("on", "nopass", "~*", "+@all")
STOP_S = 15.0


class Nodes:
    """urls: where each node is, also while it is down. program: the module they run.

    wires: the links' network, where each node has an address that can be taken away.
    """

    def __init__(
        self,
        redis: Redis,
        postgres: Postgres,
        directory: Path,
        first_port: int,
        program: str,
        wires: Wires | None = None,
    ) -> None:
        self._program = program
        self.wires = wires
        self.redis = redis
        self.postgres = postgres
        self.token = secrets.token_urlsafe(16)
        self._directory = directory
        # as where it is installed, a node that starts again finds itself compiled
        self._environ = os.environ | {"PYTHONPYCACHEPREFIX": str(directory / "bytecode")}
        self._environ.pop("PYTHONDONTWRITEBYTECODE", None)
        self._ports = [first_port + 4 * number for number in range(NODES)]
        self._processes: list[asyncio.subprocess.Process | None] = [None] * NODES
        self.up: list[bool] = [False] * NODES
        self.ended: list[str] = []

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self._ports]

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes if process is not None]

    async def start(self, number: int) -> None:
        """Raises: TimeoutError when it is not ready soon."""
        data = self._directory / f"node{number}"
        data.mkdir(exist_ok=True)
        redis = self.redis.service.url.replace("//", f"//{user_of(number)}:-@")
        database = self.postgres.service.url.replace("//talknow@", f"//{user_of(number)}@")
        shared = ["--redis", redis, "--database", database]
        own = [
            "--port",
            str(self._ports[number]),
            "--data",
            str(data),
            "--keys",
            str(self._directory / "keys"),
        ]
        if self.wires is not None:
            own += ["--link-listen", f"{self.wires.address(number)}:{self._ports[number] + 3}"]
        with (data / "log").open("ab") as log:
            self._processes[number] = await asyncio.create_subprocess_exec(
                *[sys.executable, "-m", self._program, "serve", "--log-level", "WARNING", *own, *shared],
                *["--bench-token", self.token],
                cwd=Path(__file__).parents[2],
                stdout=log,
                stderr=log,
                env=self._environ,
            )
        await until_ready(self.urls[number] + "/readyz")
        self.up[number] = True

    async def kill(self, number: int) -> None:
        self.look(number)
        self.up[number] = False
        self._signal(number, signal.SIGKILL)
        await self._wait(number)

    def pause(self, number: int) -> None:
        self.up[number] = False
        self._signal(number, signal.SIGSTOP)

    def resume(self, number: int) -> None:
        self._signal(number, signal.SIGCONT)
        self.up[number] = True

    def shift(self, number: int, ahead: bool) -> None:
        """Its wall clock jumps."""
        self._signal(number, signal.SIGUSR1 if ahead else signal.SIGUSR2)

    async def drain(self, number: int) -> None:
        self.look(number)
        self.up[number] = False
        self._signal(number, signal.SIGTERM)
        await self._wait(number)

    async def stop(self) -> None:
        for number, process in enumerate(self._processes):
            if process is not None and process.returncode is None:
                self._signal(number, signal.SIGCONT)
                await self.drain(number)

    def look(self, number: int) -> None:
        """Has it ended by itself?"""
        process = self._processes[number]
        if self.up[number] and process is not None and process.returncode is not None:
            self.ended.append(f"node {number} ended by itself: {process.returncode}")

    def logs(self) -> str:
        return "".join(file.read_text() for file in sorted(self._directory.glob("node*/log")))

    def _signal(self, number: int, sent: signal.Signals) -> None:
        process = self._processes[number]
        if process is not None and process.returncode is None:
            process.send_signal(sent)

    async def _wait(self, number: int) -> None:
        process = self._processes[number]
        if process is not None:
            async with asyncio.timeout(STOP_S):
                await process.wait()


def user_of(number: int) -> str:
    """Each node is a user of its own, of Redis and of PostgreSQL, so that one alone can be cut off."""
    return f"node{number}"


@asynccontextmanager
async def running(
    first_port: int, program: str = "server", wires: Wires | None = None
) -> AsyncIterator[Nodes]:
    """Redis, PostgreSQL and three nodes on first_port and the eleven ports after it."""
    directory = Path(tempfile.mkdtemp(prefix="talknow-chaos-"))
    try:
        users = [word for number in range(NODES) for word in ("--user", user_of(number), *ALLOWED)]
        with both(*users) as (redis, postgres):
            with psycopg.connect(postgres.service.url, autocommit=True) as connection:
                for number in range(NODES):
                    user = user_of(number)
                    connection.execute(f"CREATE ROLE {user} LOGIN IN ROLE talknow")
                    connection.execute(f"ALTER ROLE {user} SET role = talknow")
            nodes = Nodes(redis, postgres, directory, first_port, program, wires)
            try:
                for number in range(NODES):
                    await nodes.start(number)
                yield nodes
            except BaseException:
                harness.console.print(nodes.logs()[-4_000:], markup=False)
                raise
            finally:
                await nodes.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
