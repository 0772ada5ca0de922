"""The servers of `talknow bench media`, each a process of its own on one core, all asked the same way.

`async with start(name, core) as server`: `await server.calls(n, media)` gives 2n connected paths (2i and
2i + 1 are one call), then `cpu_ns` and `resident_bytes` are the kernel's figures of that process.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import AsyncIterator
from typing import Any, Protocol

import aiohttp

from benchmarks import accounting
from benchmarks.journey import own_server
from benchmarks.peer import PeerPath

SETUPS_AT_ONCE = 8
CONNECT_S = 15.0
KINDS = {"voice": ["audio"], "video": ["video"]}


class Failed(Exception):
    """A server did not start or carried nothing; the text says which."""


class Server(Protocol):
    def cpu_ns(self) -> int: ...
    def resident_bytes(self) -> int: ...
    async def calls(self, count: int, media: str) -> list[PeerPath]: ...


def installed() -> list[str]:
    """Peers that can run here."""
    return [name for name in ("janus",) if shutil.which(name)]


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

    async def calls(self, count: int, media: str) -> list[PeerPath]:
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


@contextlib.asynccontextmanager
async def start(name: str, core: int) -> AsyncIterator[Server]:
    """A fresh server process on `core`."""
    if name in ("plain", "fast"):
        async with _ours(name, core) as server:
            yield server
        return
    raise Failed(f"{name}: not yet")


@contextlib.asynccontextmanager
async def _ours(engine: str, core: int) -> AsyncIterator[Server]:
    token = secrets.token_urlsafe(24)
    headers = {"Authorization": f"Bearer {token}"}
    async with own_server(token, "--media-engine", engine, "--log-level", "WARNING") as (url, pid):
        accounting.pin(pid, core)
        async with aiohttp.ClientSession(url, headers=headers) as http:
            await Ours(pid, http).calls(4, "voice")  # imports, first certificates, allocator
            yield Ours(pid, http)
