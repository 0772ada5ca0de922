"""`cobrowse.streams_per_core`: how many shared pages one core of a real server carries.

Each stream is a recorder's WebSocket that sends 20 frames of 1 KB a second, deflated as a browser does
it, and a viewer's that takes each of them and acks ten times a second. The server is on one core, this
process on another; the figure is streams divided by the share of its core that the server used, measured
where it is busy but keeps up: `cobrowse.relay_ms` is the time from sent to seen there. Where this process
has no more to give before the server is busy, it is measured at what it used until then, and the row says
`extrapolated`; `core_share` is that use. With `checks=off` the server's second look is left out
(benchmarks/peers/unchecked.py); mirror and log stay."""

from __future__ import annotations

import asyncio
import base64
import secrets
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from rich.progress import Progress
from socketio.exceptions import SocketIOError

from benchmarks import harness
from benchmarks.accounting import cores, pin, pinned, run_time_ns
from benchmarks.journey import own_server
from benchmarks.paragraphs import changes, snapshot
from benchmarks.relay import LOOPBACK
from benchmarks.session_client import VIEW_CONSENT, Person, agents, visitor
from cobrowse.ops import SIDE, WIRE_VERSION

FRAMES_PER_S = 20
ACKS_PER_S = 10
NODES = 60
FIRST_SEQ = 2
SLOTS = 50
STARTS = 100
MEASURE_S = 8.0
WARM_S = 2.0
WINDOWS = 3
BUSY, FULL = 0.8, 0.85
# of this process: beyond it, what it is late with would be told of the server
SPENT = 0.7
MOST_MORE = 1.6
AT_ONCE = 8
SITE = "bench"
encode = msgspec.msgpack.encode


def frame(seq: int) -> bytes:
    """About 1 KB: texts change, never to the same."""
    lines = [(seq * 7 + number * 3) % NODES for number in range(18)]
    texts = [f"Order {seq % 89} of {number}: in delivery, left the store" for number in range(18)]
    return changes(seq, zip(lines, texts, strict=True))


class Sender:
    """What a recorder sends: masked, deflated with one context, as a browser does it."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(wbits=-15)
        self._made: list[bytes] = []

    def at(self, seq: int) -> bytes:
        """The message of frame `seq`; streams that began together send the same, so it is made once."""
        while len(self._made) <= seq - FIRST_SEQ:
            data = self._deflate.compress(frame(FIRST_SEQ + len(self._made)))
            data += self._deflate.flush(zlib.Z_SYNC_FLUSH)
            self._made.append(_message(data[:-4], deflated=True))
        return self._made[seq - FIRST_SEQ]


def _message(data: bytes, *, deflated: bool = False) -> bytes:
    """A client's binary message, RFC 6455 section 5.2, masked as browsers mask."""
    head = bytes([0x82 | (0x40 if deflated else 0)])
    size = struct.pack("!B", 0x80 | len(data)) if len(data) < 126 else struct.pack("!BH", 0xFE, len(data))
    mask = secrets.token_bytes(4)
    return head + size + mask + bytes(byte ^ mask[at & 3] for at, byte in enumerate(data))


class Socket(asyncio.Protocol):
    """A WebSocket of which as little as possible is done here, so that the server is what is measured.

    sent_at: when the frames that it gets were sent, by seq modulo its length.
    """

    def __init__(self, waits: list[float], sent_at: list[float]) -> None:
        self._waits = waits
        self._sent_at = sent_at
        self._rest = b""
        self._answer: asyncio.Future[bytes] | None = asyncio.get_running_loop().create_future()
        self._acked_at = 0.0
        self.transport: asyncio.Transport | None = None
        self.acks = False
        self.received = 0
        self.lost = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    @classmethod
    async def open(cls, port: int, origin: str, waits: list[float], sent_at: list[float]) -> Socket:
        """Raises: RuntimeError when the server says no."""
        _, made = await asyncio.get_running_loop().create_connection(
            lambda: cls(waits, sent_at), LOOPBACK, port
        )
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = (
            "GET /v1/cobrowse HTTP/1.1",
            f"Host: {LOOPBACK}:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Extensions: permessage-deflate",
            f"Origin: {origin}",
            "User-Agent: bench",
        )
        made.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        assert made._answer is not None
        answer = await asyncio.wait_for(made._answer, 10)
        made._answer = None
        if b" 101 " not in answer or b"permessage-deflate" not in answer:
            raise RuntimeError(answer.split(b"\r\n")[0].decode())
        return made

    def write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def say(self, *items: Any) -> None:
        self.write(_message(encode(items)))

    def data_received(self, data: bytes) -> None:
        if self._answer is not None:
            head, _, data = data.partition(b"\r\n\r\n")
            if not self._answer.done():
                self._answer.set_result(head)
        if not self.acks:
            return
        data = self._rest + data
        at = 0
        while (body := _body(data, at)) is not None:
            start, end = body
            if data[at] == _BINARY:
                self._frame(_seq(data, start))
            at = end
        self._rest = data[at:]

    def _frame(self, seq: int) -> None:
        if seq == 0:
            return
        now = time.monotonic()
        self.received += 1
        self._waits.append(now - self._sent_at[seq % len(self._sent_at)])
        if now - self._acked_at > 1 / ACKS_PER_S:
            self._acked_at = now
            self.say(0, SIDE["ACK"], seq)


_BINARY = 0x82


def _body(data: bytes, at: int) -> tuple[int, int] | None:
    """(start, end) of the payload of the server's message at `at`, or None when it is not all there."""
    left = len(data) - at
    if left < 2:
        return None
    size, start = data[at + 1], at + 2
    if size == 126:
        size, start = int.from_bytes(data[at + 2 : at + 4]), at + 4
    elif size == 127:
        size, start = int.from_bytes(data[at + 2 : at + 10]), at + 10
    return (start, start + size) if start + size <= len(data) else None


def _seq(data: bytes, start: int) -> int:
    """The first item of a flat msgpack array."""
    head = data[start]
    at = start + (3 if head == 0xDC else 5 if head == 0xDD else 1)
    kind = data[at]
    if kind < 0x80:
        return kind
    size = {0xCC: 1, 0xCD: 2, 0xCE: 4}[kind]
    return int.from_bytes(data[at + 1 : at + 1 + size])


class Recording:
    """A recorder's socket and its next frame."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.seq = FIRST_SEQ


class Slot:
    """Streams that send in the same millisecond."""

    def __init__(self) -> None:
        self.streams: list[Recording] = []
        self.waiting: list[Socket] = []
        self.sent_at = [0.0] * 4_096


class Load:
    """Streams that are added until the server is busy."""

    def __init__(self, url: str, http: aiohttp.ClientSession, token: str, group: asyncio.TaskGroup) -> None:
        self._url = url
        self._port = int(url.rpartition(":")[2])
        self._http = http
        self._token = token
        self._agents: list[Person] = []
        self._accepted: dict[str, asyncio.Future[Person]] = {}
        self._group = group
        self._tasks: list[asyncio.Task[None]] = []
        self._sender = Sender()
        self._slots = [Slot() for _ in range(SLOTS)]
        self.viewers: list[Socket] = []
        self.waits: list[float] = []

    async def hire(self, count: int) -> None:
        self._agents = await agents(self._url, self._http, self._token, (count + 49) // 50, 60)
        for agent in self._agents:
            agent.on_event = lambda name, data, _, agent=agent: self._take(agent, name, data)  # type: ignore[misc]
        self._start(self._send())

    def _take(self, agent: Person, name: str, data: Any) -> None:
        if name == "offer.made":
            self._start(self._accept(agent, data["engagement"], data["offer"]))

    async def _accept(self, agent: Person, engagement: str, offer: str) -> None:
        await agent.command("offer.accept", engagement=engagement, offer=offer)
        self._taken(engagement).set_result(agent)

    def _taken(self, engagement: str) -> asyncio.Future[Person]:
        """Who accepted it, as soon as somebody has."""
        return self._accepted.setdefault(engagement, asyncio.get_running_loop().create_future())

    async def fill(self, wanted: int, tell: Callable[[int], None]) -> bool:
        """Add streams up to `wanted`; False when the server takes no more."""
        while len(self.viewers) < wanted:
            some = min(AT_ONCE, wanted - len(self.viewers))
            try:
                await asyncio.gather(*[self.add() for _ in range(some)])
            except (RuntimeError, TimeoutError, OSError, SocketIOError):
                return False
            tell(len(self.viewers))
        return True

    async def add(self) -> None:
        """One more visitor who shares a page with an agent who looks."""
        person = await visitor(self._url, self._http, SITE)
        engagement = (await person.durable("chat.send", text="hello"))["engagement"]
        agent = await asyncio.wait_for(self._taken(engagement), 15)
        await agent.durable("cobrowse.request", engagement=engagement)
        await person.durable("cobrowse.start", engagement=engagement, consent=VIEW_CONSENT)
        tokens = [
            (await one.command("cobrowse.open", engagement=engagement))["cobrowse"]["token"]
            for one in (person, agent)
        ]
        slot = self._slots[len(self.viewers) % SLOTS]
        recorder = await Socket.open(self._port, self._url, [], slot.sent_at)
        recorder.say(0, SIDE["HELLO"], tokens[0], "doc", 1, WIRE_VERSION)
        await asyncio.sleep(0.01)
        recorder.write(_message(snapshot(1, ["hello"] * NODES)))
        viewer = await Socket.open(self._port, self._url, self.waits, slot.sent_at)
        viewer.acks = True
        viewer.say(0, SIDE["HELLO"], tokens[1])
        self.viewers.append(viewer)
        slot.waiting.append(recorder)
        await person.close()

    async def _send(self) -> None:
        """Each slot has its millisecond of the 50; who is new joins its slot with the first frame."""
        loop = asyncio.get_running_loop()
        began, tick = loop.time(), 0
        while True:
            tick += 1
            await asyncio.sleep(max(0.0, began + tick / FRAMES_PER_S / SLOTS - loop.time()))
            slot = self._slots[tick % SLOTS]
            now = time.monotonic()
            slot.streams += [Recording(socket) for socket in slot.waiting]
            slot.waiting.clear()
            for stream in slot.streams:
                slot.sent_at[stream.seq % len(slot.sent_at)] = now
                stream.socket.write(self._sender.at(stream.seq))
                stream.seq += 1

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(self._group.create_task(work))

    @property
    def failed(self) -> int:
        return sum(viewer.lost for viewer in self.viewers)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for agent in self._agents:
            await agent.close()


async def _window(load: Load, pid: int) -> tuple[float, float]:
    """(share of the core, share of frames that arrived) over MEASURE_S."""
    load.waits.clear()
    before, began = run_time_ns(pid), time.monotonic()
    frames = sum(viewer.received for viewer in load.viewers)
    await asyncio.sleep(MEASURE_S)
    took = time.monotonic() - began
    arrived = sum(viewer.received for viewer in load.viewers) - frames
    wanted = took * FRAMES_PER_S * len(load.viewers)
    return (run_time_ns(pid) - before) / 1e9 / took, arrived / wanted


async def _carry(checks: str, bar: Progress) -> list[harness.Row]:
    module = "server" if checks == "on" else "benchmarks.peers.unchecked"
    task = bar.add_task(f"streams, checks {checks}", total=1)
    token = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="talknow-bench-") as folder:
        data = Path(folder) / "data"
        async with (
            own_server(token, data=data, module=module) as (url, pid),
            aiohttp.ClientSession() as http,
            pinned(cores()[0]),
            asyncio.TaskGroup() as group,
        ):
            pin(pid, cores()[1])
            load = Load(url, http, token, group)
            await load.hire(1_500)
            wanted, share, own = STARTS, 0.0, 0.0
            while share < BUSY and own < SPENT:
                bar.update(task, total=wanted)
                if not await load.fill(wanted, lambda count: bar.update(task, completed=count)):
                    break
                await asyncio.sleep(WARM_S)
                spent, began = time.process_time(), time.monotonic()
                share, _ = await _window(load, pid)
                own = (time.process_time() - spent) / (time.monotonic() - began)
                more = min(MOST_MORE, FULL / share, (SPENT + 0.05) / own)
                wanted = max(wanted + 1, int(wanted * more))
            found = [await _window(load, pid) for _ in range(WINDOWS)]
            waits = [wait * 1e3 for wait in load.waits]
            carried = [len(load.viewers) / share for share, _ in found]
            params = {"checks": checks, "streams": len(load.viewers)}
            said = {"checks": checks} | ({} if share >= BUSY else {"extrapolated": True})
            made = [
                harness.row("cobrowse.streams_per_core", "count", carried, said),
                harness.row("cobrowse.core_share", "share", [share for share, _ in found], params),
                harness.row("cobrowse.relay_ms", "ms", waits, params),
                harness.row("cobrowse.frames_arrived", "share", [share for _, share in found], params),
                harness.count("cobrowse.sockets_failed", "count", load.failed, params),
            ]
            await load.close()
            return made


async def streams_per_core(bar: Progress) -> list[harness.Row]:
    return [*await _carry("on", bar), *await _carry("off", bar)]
