"""Janus (Debian's package) as `talknow bench media` measures it: plugin videocall, over its WebSocket API.

Videocall relays between two people, a PeerConnection each: the work our forwarder does. Run as Debian
ships it (a thread per person, libsrtp on NSS), all other plugins and transports left out, debug level 2.
Janus skips loopback when it gathers, so both sides use the machine's own address; the kernel routes that
over loopback too. Source: janus.conf.meetecho.com/docs/videocall.html, /rest.html.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import accounting
from benchmarks.journey import free_port
from benchmarks.peers.full_ice import FullIcePath, own_address
from benchmarks.peers.servers import CONNECT_S, SETUPS_AT_ONCE, Failed, Leg, Process

LIBRARIES = Path("/usr/lib")


class Api:
    """One WebSocket, one session; requests by transaction, events by handle."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._session = 0
        self._answers: dict[str, asyncio.Future[Any]] = {}
        self._events: dict[int, asyncio.Queue[Any]] = {}

    async def read(self) -> None:
        async for frame in self._socket:
            message = frame.json()
            if message["janus"] == "event":  # may come before the ack of the same transaction
                self._events[message["sender"]].put_nowait(message)
                continue
            waiting = self._answers.pop(message.get("transaction", ""), None)
            if waiting is not None:
                waiting.set_result(message)

    async def ask(self, verb: str, **fields: Any) -> Any:
        transaction = secrets.token_hex(8)
        answer = self._answers[transaction] = asyncio.get_running_loop().create_future()
        session = {"session_id": self._session} if self._session else {}
        await self._socket.send_json({"janus": verb, "transaction": transaction, **session, **fields})
        found = await answer
        if found["janus"] == "error":
            raise Failed(f"janus: {found['error']}")
        return found

    async def open(self) -> None:
        self._session = (await self.ask("create"))["data"]["id"]

    async def attach(self) -> int:
        handle: int = (await self.ask("attach", plugin="janus.plugin.videocall"))["data"]["id"]
        self._events[handle] = asyncio.Queue(64)
        return handle

    async def tell(self, handle: int, body: dict[str, Any], **fields: Any) -> None:
        await self.ask("message", handle_id=handle, body=body, **fields)

    async def event(self, handle: int, name: str) -> Any:
        """Wait for the plugin's event of that name; its description."""
        while True:
            message = await self._events[handle].get()
            data = message["plugindata"]["data"]
            if "error" in data:
                raise Failed(f"janus: {data['error']}")
            if data.get("result", {}).get("event") == name:
                return message.get("jsep", {}).get("sdp", "")


class Janus(Process):
    def __init__(self, pid: int, api: Api) -> None:
        super().__init__(pid)
        self._api = api
        self._gate = asyncio.Semaphore(SETUPS_AT_ONCE)
        self._address = own_address()

    async def calls(self, count: int, media: str) -> Sequence[Leg]:
        made = await asyncio.gather(*(self._call(media) for _ in range(count)))
        return [path for pair in made for path in pair]

    async def _call(self, media: str) -> Sequence[FullIcePath]:
        async with self._gate, asyncio.timeout(CONNECT_S):
            names = [secrets.token_hex(8) for _ in range(2)]
            handles = [await self._api.attach() for _ in names]
            for handle, name in zip(handles, names, strict=True):
                await self._api.tell(handle, {"request": "register", "username": name})
                await self._api.event(handle, "registered")
            caller, callee = FullIcePath(), FullIcePath()
            offer = {"type": "offer", "sdp": caller.describe(media, "actpass")}
            await self._api.tell(handles[0], {"request": "call", "username": names[1]}, jsep=offer)
            callee.towards(await self._api.event(handles[1], "incomingcall"))
            answer = {"type": "answer", "sdp": callee.describe(media, "passive")}
            await self._api.tell(handles[1], {"request": "accept"}, jsep=answer)
            caller.towards(await self._api.event(handles[0], "accepted"))
            for path in (caller, callee):
                await path.start(self._address)
            await asyncio.gather(caller.connected, callee.connected)
            return caller, callee


@contextlib.asynccontextmanager
async def started(core: int) -> AsyncIterator[Janus]:
    """A fresh Janus of our own configuration on `core`."""
    with tempfile.TemporaryDirectory(prefix="talknow-janus-") as folder:
        port = free_port()
        _configure(Path(folder), port)
        process = await asyncio.create_subprocess_exec(
            "janus",
            "-F",
            folder,
            "-d",
            "2",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with aiohttp.ClientSession() as http:
                socket = await _connected(http, f"ws://127.0.0.1:{port}/")
                api = Api(socket)
                accounting.pin(process.pid, core)
                try:
                    async with asyncio.TaskGroup() as tasks:
                        reading = tasks.create_task(api.read(), name="janus-events")
                        await api.open()
                        yield Janus(process.pid, api)
                        reading.cancel()
                except* Failed as group:
                    raise Failed(str(group.exceptions[0])) from None
        finally:
            process.terminate()
            await process.wait()


def _configure(folder: Path, port: int) -> None:
    """Only videocall and WebSockets; everything else as the package has it."""
    for kind, name in (("plugins", "videocall"), ("transports", "websockets")):
        (folder / kind).mkdir()
        found = next(LIBRARIES.glob(f"*/janus/{kind}/libjanus_{name}.so"))
        (folder / kind / found.name).symlink_to(found)
    (folder / "janus.jcfg").write_text(
        f'general: {{ configs_folder = "{folder}"\n plugins_folder = "{folder}/plugins"\n'
        f' transports_folder = "{folder}/transports"\n log_to_stdout = false\n session_timeout = 0 }}\n'
        f'nat: {{ ice_enforce_list = "{own_address()}" }}\n'
    )
    (folder / "janus.transport.websockets.jcfg").write_text(
        f'general: {{ json = "compact"\n ws = true\n ws_port = {port}\n ws_ip = "127.0.0.1" }}\n'
    )
    (folder / "janus.plugin.videocall.jcfg").write_text("general: { events = false }\n")


async def _connected(http: aiohttp.ClientSession, url: str) -> aiohttp.ClientWebSocketResponse:
    for _ in range(200):
        with contextlib.suppress(aiohttp.ClientError):
            return await http.ws_connect(url, protocols=("janus-protocol",))
        await asyncio.sleep(0.05)
    raise Failed("janus: did not start")
