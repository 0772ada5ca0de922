"""Janus (Debian's package) as `talknow bench media` measures it: plugin videocall, over its WebSocket API.

Videocall relays between two people, a PeerConnection each: the work our forwarder does. Run as Debian
ships it (a thread per person, libsrtp on NSS), all other plugins and transports left out, debug level 2.
Janus skips loopback when it gathers, so both sides use the machine's own address; the kernel routes that
over loopback too. Source: janus.conf.meetecho.com/docs/videocall.html, /rest.html.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from aioice import stun

from benchmarks import accounting
from benchmarks.journey import free_port
from benchmarks.peer import _IDENTITY, PeerPath
from benchmarks.peers.servers import CONNECT_S, SETUPS_AT_ONCE, Failed, Leg, Process
from media.guard import Kind, classify
from media.rtp import LEVEL_ID, MID_ID, TWCC_ID
from media.sdp import OPUS, VP8

LIBRARIES = Path("/usr/lib")
NOWHERE = "a=ice-ufrag:none\r\na=ice-pwd:none\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n"


def own_address() -> str:
    """The machine's address that is not loopback. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        address: str = probe.getsockname()[0]
    return address


def description(media: str, ufrag: str, password: str, setup: str) -> str:
    """Our side as offer or answer: one section, one codec, the extensions our packets carry."""
    voice = media == "voice"
    payload_type, name = (OPUS, "opus/48000/2") if voice else (VP8, "VP8/90000")
    extension = f"{LEVEL_ID} urn:ietf:params:rtp-hdrext:ssrc-audio-level"
    if not voice:
        extension = f"{TWCC_ID} http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
    mid = "0" if voice else "1"  # as in the packets
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {mid}",
        f"m={'audio' if voice else 'video'} 9 UDP/TLS/RTP/SAVPF {payload_type}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{mid}",
        "a=sendrecv",
        "a=rtcp-mux",
        f"a=rtpmap:{payload_type} {name}",
        f"a=extmap:{extension}",
        f"a=extmap:{MID_ID} urn:ietf:params:rtp-hdrext:sdes:mid",
        f"a=ice-ufrag:{ufrag}",
        f"a=ice-pwd:{password}",
        f"a=fingerprint:sha-256 {_IDENTITY.fingerprint}",
        f"a=setup:{setup}",
    ]
    return "\r\n".join(lines) + "\r\n"


class FullIcePath(PeerPath):
    """A path to a peer that checks too: its binding requests are answered. We are always DTLS server."""

    def __init__(self) -> None:
        super().__init__(NOWHERE, lambda header, packet, at_ns: None)

    def describe(self, media: str, setup: str) -> str:
        return description(media, self._ufrag, self._password, setup)

    def towards(self, sdp: str) -> None:
        """The peer's description is here. Raises: Failed when it says no address."""
        found = [re.search(pattern, sdp, re.M) for pattern in (r"^a=ice-ufrag:(\S+)", r"^a=ice-pwd:(\S+)")]
        place = re.search(r"^a=candidate:\S+ 1 udp \d+ ([\d.]+) (\d+) typ host", sdp, re.M | re.I)
        if found[0] is None or found[1] is None or place is None:
            raise Failed("janus: its description has no address")
        self._remote_ufrag, self._remote_password = found[0][1], found[1][1]
        self._server = place[1], int(place[2])

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if classify(data) is Kind.STUN:
            message = stun.parse_message(data)
            if message.message_class == stun.Class.REQUEST:
                response = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, message.transaction_id)
                response.attributes["XOR-MAPPED-ADDRESS"] = addr
                response.add_message_integrity(self._password.encode())
                self._send(bytes(response))
                return
        super().datagram_received(data, addr)


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
