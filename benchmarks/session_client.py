"""A visitor and an agent as load tests play them: stock Socket.IO client, HTTP, and real legs.

Everything goes by docs/protocol.md. The legs share media/'s DTLS and RTP parsers with the server.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Container
from typing import Any

import aiohttp
import socketio

from benchmarks.peer import PeerPath, Voice
from media import rtp

CONSENT = {"capability": "audio", "wording_sha256": "0" * 64, "language": "en"}
VIEW_CONSENT = CONSENT | {"capability": "view"}
ACK_S = 15.0
LEAVE_S = 2.5  # as web_client's OLD_PATH_MS


class Person:
    """One connection and, in a call, one leg per engagement."""

    def __init__(self, base_url: str, http: aiohttp.ClientSession, token: str, site: str | None) -> None:
        self.base_url = base_url
        self.http = http
        self.token = token
        self.site = site
        self.device = f"d_{secrets.token_hex(6)}"
        self.counter = 0
        self.legs: dict[str, LegClient] = {}
        self.on_event: Callable[[str, Any, int], None] = lambda *_: None
        self.on_lost: Callable[[], None] = lambda: None
        self.socket: Any = None

    async def connect(self, engagement: str | None = None, after_seq: int = 0) -> None:
        """A fresh socket; whatever was missed of `engagement` comes with session.ready."""
        socket = self.socket = socketio.AsyncClient(reconnection=False, http_session=self.http)

        async def heard(name: str, data: Any) -> None:
            if self.socket is socket:  # what an abandoned one still says is nobody's business
                await self._event(name, data)

        socket.on("*", heard)
        socket.on("disconnect", lambda *_: self.on_lost() if self.socket is socket else None)
        auth: dict[str, Any] = {"protocol": 1, "token": self.token, "device": self.device}
        if self.site is not None:
            auth["site"] = self.site
        if engagement is not None:
            auth |= {"engagement": engagement, "after_seq": after_seq}
        await self.socket.connect(self.base_url, auth=auth, transports=["websocket"], wait_timeout=ACK_S)

    async def _event(self, name: str, data: Any) -> None:
        at_ns = time.perf_counter_ns()
        if name == "call.offered":
            await self.leg(data["offer"]["engagement"]).take(data["offer"])
        self.on_event(name, data, at_ns)

    def leg(self, engagement: str) -> LegClient:
        if engagement not in self.legs:
            self.legs[engagement] = LegClient(self)
        return self.legs[engagement]

    async def command(self, name: str, **fields: Any) -> dict[str, Any]:
        """Send a command and wait for its ack. Raises: RuntimeError with the error's code."""
        ack = await ask(self.socket, name, fields, ACK_S)
        if ack.get("error"):
            raise RuntimeError(f"{name}: {ack['error']['code']}")
        return ack

    async def durable(self, name: str, **fields: Any) -> dict[str, Any]:
        self.counter += 1
        return await self.command(name, counter=self.counter, **fields)

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.http.post(self.base_url + path, json=body, headers=headers) as answer:
            found: dict[str, Any] = await answer.json(content_type=None)
            if answer.status >= 400:
                raise RuntimeError(f"{path}: {found.get('code')}")
            return found

    async def close(self) -> None:
        for leg in self.legs.values():
            leg.close()
        if self.socket is not None and self.socket.connected:
            await self.socket.disconnect()


async def ask(socket: Any, name: str, fields: dict[str, Any], within_s: float) -> dict[str, Any]:
    """Send a command; its ack. Raises: TimeoutError.

    Not socketio's `call`: that waits with asyncio.wait_for, which in Python 3.11 forgets that its task was
    cancelled when the answer comes at the same moment (cpython issue 86296), and a run never ends.
    """
    answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def heard(ack: dict[str, Any]) -> None:
        if not answer.done():
            answer.set_result(ack)

    async with asyncio.timeout(within_s):
        await socket.emit(name, fields, callback=heard)
        return await answer


class LegClient:
    """A leg's client side: path, voice, and when what arrived.

    A path is left as the web client does: both are used until the other side is heard on the new one.
    arrivals_ns: set it to a list, and every packet of the other side is stamped there.
    """

    def __init__(self, person: Person) -> None:
        self.person = person
        self.path: PeerPath | None = None
        self._before: PeerPath | None = None
        self.ticket: dict[str, Any] | None = None
        self.voice: Voice | None = None
        self.payloads: Container[bytes] = frozenset()
        self.first_ns: int | None = None
        self.last_ns = 0
        self.after_ns: int | None = None
        self.watch_from_ns: int | None = None
        self.arrivals_ns: list[int] | None = None
        self.heard = asyncio.Event()
        self.back = asyncio.Event()

    def watch_for_return(self) -> None:
        """From now on the next packet of the other side is its return (`back`, `after_ns`)."""
        self.back.clear()
        self.after_ns, self.watch_from_ns = None, time.perf_counter_ns()

    async def take(self, offer: dict[str, Any], before_speaking: Callable[[], None] = lambda: None) -> None:
        """Answer an offer (or a ticket): checks and description in parallel, then speak.

        before_speaking: called just before the first packet can leave on the new path.
        """
        path = PeerPath(offer["sdp"], lambda *heard: self._on_rtp(path, *heard))
        try:
            answered = await self._answer(offer, path)
        except BaseException:
            path.close()
            raise
        self.ticket = answered.get("ticket")
        self._leave_before()
        self._before, self.path = self.path, path
        before_speaking()
        if self.voice is not None:
            self.voice.path, self.voice.before = path, self._before
        if self._before is not None:
            asyncio.get_running_loop().call_later(LEAVE_S, self._leave_before, self._before)

    async def _answer(self, offer: dict[str, Any], path: PeerPath) -> dict[str, Any]:
        body = {
            "engagement": offer["engagement"],
            "device": self.person.device,
            "revision": offer["revision"],
            "sdp": path.answer_sdp,
        }
        async with asyncio.timeout(10):
            _, answered, _ = await asyncio.gather(
                path.start(), self.person.post(f"/v1/paths/{offer['path']}/answer", body), path.connected
            )
            found: dict[str, Any] = answered
        return found

    def speak(self, packets: list[bytes], expect: Container[bytes]) -> None:
        """Begin to send; count only packets whose payload is in `expect` as the other side's voice."""
        self.payloads = expect
        self.voice = Voice(packets)
        self.voice.path = self.path
        self.voice.start()

    def drop_path(self) -> None:
        """As when the page goes away."""
        self._leave_before()
        if self.voice is not None:
            self.voice.path = None
        if self.path is not None:
            self.path.close()
            self.path = None

    def close(self) -> None:
        if self.voice is not None:
            self.voice.stop()
        self.drop_path()

    def _leave_before(self, which: PeerPath | None = None) -> None:
        """The path before, or only if it still is that one."""
        if self._before is None or which not in (None, self._before):
            return
        self._before.close()
        self._before = None
        if self.voice is not None:
            self.voice.before = None

    def _on_rtp(self, path: PeerPath, header: rtp.Header, packet: bytes, at_ns: int) -> None:
        if packet[header.size :] not in self.payloads:
            return
        if path is self.path:
            self._leave_before()
        if self.arrivals_ns is not None:
            self.arrivals_ns.append(at_ns)
        if self.first_ns is None:
            self.first_ns = at_ns
            self.heard.set()
        if self.watch_from_ns is not None and at_ns > self.watch_from_ns and self.after_ns is None:
            self.after_ns = at_ns
            self.back.set()
        elif self.watch_from_ns is None:
            self.last_ns = at_ns


async def credential(base_url: str, http: aiohttp.ClientSession, site: str) -> str:
    """Of a new anonymous visitor."""
    async with http.post(base_url + "/v1/visitors/session", json={"site": site}) as answer:
        return str((await answer.json())["credential"])


async def visitor(base_url: str, http: aiohttp.ClientSession, site: str) -> Person:
    """A new anonymous visitor, connected."""
    person = Person(base_url, http, await credential(base_url, http, site), site)
    await person.connect()
    return person


async def agents(
    base_url: str, http: aiohttp.ClientSession, bench_token: str, count: int, capacity: int
) -> list[Person]:
    """Bench agents, connected and ready, who accept whatever rings."""
    headers = {"Authorization": f"Bearer {bench_token}"}
    body = {"count": count, "capacity": capacity}
    async with http.post(base_url + "/v1/bench/agents", json=body, headers=headers) as answer:
        if answer.status != 200:
            raise RuntimeError("the server allows no load tests: start it with --bench-token")
        made = (await answer.json())["agents"]
    people = [Person(base_url, http, agent["token"], None) for agent in made]
    for person in people:
        await person.connect()
        await person.command("agent.set_availability", availability="ready")
    return people
