"""The servers of `talknow bench media`, each a process of its own on one core, all asked the same way.

`async with start(name, core) as server`: `await server.calls(n, media)` gives 2n connected paths (2i and
2i + 1 are one call), then `cpu_ns` and `resident_bytes` are the kernel's figures of that process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from benchmarks import accounting
from benchmarks.journey import own_server
from benchmarks.peer import PeerPath
from benchmarks.peers import bound, native

ROOT = Path(__file__).parents[2]
SETUPS_AT_ONCE = 8
CONNECT_S = 15.0
KINDS = {"voice": ["audio"], "video": ["video"]}


class Failed(Exception):
    """A server did not start or carried nothing; the text says which."""


class Leg(Protocol):
    """One side of a call that is up: its connected socket and libsrtp contexts (inbound, outbound)."""

    def connect(self) -> int: ...
    def handles(self) -> tuple[Any, Any]: ...
    def close(self) -> None: ...


class Server(Protocol):
    def cpu_ns(self) -> int: ...
    def resident_bytes(self) -> int: ...
    async def calls(self, count: int, media: str) -> Sequence[Leg]: ...


def installed() -> list[str]:
    """Peers that can run here."""
    return [*(name for name in ("janus",) if shutil.which(name)), "mediarelay"]


class Process:
    """The kernel's figures of one process."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def cpu_ns(self) -> int:
        return accounting.run_time_ns(self._pid)

    def resident_bytes(self) -> int:
        return accounting.resident_bytes(self._pid)


class Ours(Process):
    """`talknow serve`, asked by the bench door."""

    def __init__(self, pid: int, http: aiohttp.ClientSession) -> None:
        super().__init__(pid)
        self._http = http
        self._gate = asyncio.Semaphore(SETUPS_AT_ONCE)

    async def calls(self, count: int, media: str) -> Sequence[Leg]:
        made = await asyncio.gather(*(self._call(media) for _ in range(count)))
        return [path for pair in made for path in pair]

    async def _call(self, media: str) -> list[PeerPath]:
        async with self._gate, asyncio.timeout(CONNECT_S):
            opened = await self._post("calls", {"kinds": KINDS[media]})
            return await asyncio.gather(*(self._leg(offer) for offer in opened["offers"]))

    async def _leg(self, offer: dict[str, Any]) -> PeerPath:
        path = PeerPath(offer["sdp"], lambda header, packet, at_ns: None)
        await path.start()
        body = {key: offer[key] for key in ("leg", "path", "revision")}
        await self._post("answers", {**body, "sdp": path.answer_sdp})
        await path.connected
        return path

    async def _post(self, name: str, body: dict[str, Any]) -> Any:
        async with self._http.post(f"/v1/bench/{name}", json=body) as answer:
            if answer.status >= 300:
                raise Failed(f"the bench door refused: {await answer.text()}")
            return await answer.json() if answer.status == 200 else None


class KeyedLeg:
    """A leg without ICE and DTLS: keys are agreed beforehand. Stands in for PeerPath."""

    def __init__(self, port: int) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.bind(("127.0.0.1", 0))
        self._sock.connect(("127.0.0.1", port))
        self.port: int = self._sock.getsockname()[1]
        self.keys = (secrets.token_hex(28), secrets.token_hex(28))
        self._srtp = (bound.session(self.keys[1], inbound=True), bound.session(self.keys[0], inbound=False))

    def connect(self) -> int:
        return self._sock.fileno()

    def handles(self) -> tuple[Any, Any]:
        return self._srtp[0]._srtp[0], self._srtp[1]._srtp[0]

    def close(self) -> None:
        self._sock.close()


class Bound(Process):
    """bound.c in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        super().__init__(process.pid)
        self._process = process
        self._port = port

    async def calls(self, count: int, media: str) -> Sequence[Leg]:
        legs = [KeyedLeg(self._port) for _ in range(2 * count)]
        assert self._process.stdin is not None and self._process.stdout is not None
        asked = {"keys": [leg.keys for leg in legs], "ports": [leg.port for leg in legs]}
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        if await self._process.stdout.readline() != b"ready\n":
            raise Failed("bound: did not start")
        return legs


@contextlib.asynccontextmanager
async def _bound(core: int) -> AsyncIterator[Server]:
    native.build("bound")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.peers.bound", stdin=PIPE, stdout=PIPE, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline() or b"0")
        accounting.pin(process.pid, core)
        yield Bound(process, port)
    finally:
        process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def start(name: str, core: int) -> AsyncIterator[Server]:
    """A fresh server process on `core`."""
    if name in ("plain", "fast"):
        async with _ours(name, core) as server:
            yield server
        return
    if name == "bound":
        async with _bound(core) as server:
            yield server
        return
    if name == "janus":
        from benchmarks.peers.janus import started

        async with started(core) as server:
            yield server
        return
    if name == "mediarelay":
        from benchmarks.peers.mediarelay import started as relayed

        async with relayed(core) as server:
            yield server
        return
    raise Failed(f"{name}: cannot be measured here")


@contextlib.asynccontextmanager
async def _ours(engine: str, core: int) -> AsyncIterator[Server]:
    token = secrets.token_urlsafe(24)
    headers = {"Authorization": f"Bearer {token}"}
    async with own_server(token, "--media-engine", engine, "--log-level", "WARNING") as (url, pid):
        accounting.pin(pid, core)
        async with aiohttp.ClientSession(url, headers=headers) as http:
            await Ours(pid, http).calls(4, "voice")  # imports, first certificates, allocator
            yield Ours(pid, http)
