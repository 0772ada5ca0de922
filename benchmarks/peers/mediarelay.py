"""Plain aiortc with MediaRelay, as `talknow bench media` measures it: forwarding by its own classes.

Each side's track is decoded, relayed and encoded again for the other side, as aiortc's examples do it. Run as
`python -m benchmarks.peers.mediarelay`, it is the server: it prints its port and answers two offers at once.
It binds no loopback address, so both sides use the machine's own. Source: aiortc's contrib.media.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence

import aiohttp
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay

from benchmarks import accounting
from benchmarks.peers.full_ice import FullIcePath, own_address
from benchmarks.peers.servers import CONNECT_S, ROOT, Leg, Process


class Calls:
    """The server: two peer connections per call, each given the other's relayed track."""

    def __init__(self) -> None:
        self._relay = MediaRelay()
        self._peers: list[RTCPeerConnection] = []

    async def call(self, request: web.Request) -> web.Response:
        offers = (await request.json())["offers"]
        pair = [RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in offers]
        self._peers += pair
        for peer, sdp in zip(pair, offers, strict=True):
            await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        for peer, other in (pair, reversed(pair)):
            peer.addTrack(self._relay.subscribe(other.getReceivers()[0].track))
        for peer in pair:
            await peer.setLocalDescription(await peer.createAnswer())
        return web.json_response({"answers": [peer.localDescription.sdp for peer in pair]})


class Relayed(Process):
    """That server, asked by its one request."""

    def __init__(self, pid: int, http: aiohttp.ClientSession) -> None:
        super().__init__(pid)
        self._http = http
        self._address = own_address()

    async def calls(self, count: int, media: str) -> Sequence[Leg]:
        made = [await self._call(media) for _ in range(count)]
        return [path for pair in made for path in pair]

    async def _call(self, media: str) -> Sequence[FullIcePath]:
        async with asyncio.timeout(CONNECT_S):
            paths = FullIcePath(), FullIcePath()
            for path in paths:
                await path.start(self._address)
            offers = [path.describe(media, "actpass") + self._candidate(path) for path in paths]
            async with self._http.post("/calls", json={"offers": offers}) as answer:
                for path, sdp in zip(paths, (await answer.json())["answers"], strict=True):
                    path.towards(sdp)
            await asyncio.gather(*(path.connected for path in paths))
            return paths

    def _candidate(self, path: FullIcePath) -> str:
        port = path.local_address[1]
        return f"a=candidate:1 1 udp 2130706431 {self._address} {port} typ host\r\na=end-of-candidates\r\n"


@contextlib.asynccontextmanager
async def started(core: int) -> AsyncIterator[Relayed]:
    """A fresh server process on `core`."""
    command = (sys.executable, "-m", "benchmarks.peers.mediarelay")
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, cwd=ROOT)
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        accounting.pin(process.pid, core)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            yield Relayed(process.pid, http)
    finally:
        process.terminate()
        await process.wait()


async def _serve() -> None:
    app = web.Application()
    app.add_routes([web.post("/calls", Calls().call)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
