"""The Socket.IO gateway: packets to commands, acks after the commit, events out by a bounded outbox.

python-socketio keeps connections and packets in shape for stock clients; its handler machinery acks
too early and reorders, so packets are taken before it: decoded strictly, queued per connection,
executed in order, and answered by an ACK packet of our own once the service returns (= committed).
A bad input is answered to its sender and touches nobody else. Source: docs/protocol.md, 2-4 and 9.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import socketio
from aiohttp import web
from engineio import packet as eio_packet
from msgspec import Struct
from msgspec.structs import replace

from server import wire
from server.auth import Auth
from server.edge.origin import OriginGate
from server.edge.websocket import Clients, GatedWebSocket, size_of
from server.service import Service
from server.sessions import Session
from server.tasks import start
from server.telemetry import Metrics
from signaling import protocol as p
from signaling.errors import (
    LimitExceeded,
    Malformed,
    NotPermitted,
    TalkError,
    Unauthenticated,
)

logger = logging.getLogger(__name__)

AUTH_DEADLINE_S = 10.0
FLUSH_S = 0.2
GOODBYE_S = 3.0
MAX_OUTBOX_BYTES = 4 * 1024 * 1024
MAX_WAITING = 256
COMMANDS_PER_S = 50.0
COMMAND_BURST = 150.0
MAX_ERRORS, ERROR_WINDOW_S = 20, 10.0
_MEDIA = (p.CallOpenPath, p.CallAnswer)


class Waiting(Struct):
    command: p.AnyCommand
    ack_id: int | None
    since: float


class Connection:
    """One authenticated client: its session, ordered inbox and bounded outbox (sessions.OwnOutlet)."""

    def __init__(self, socket: Any, session: Session, ending: Callable[[], None]) -> None:
        """ending: closes the socket, soon."""
        self.session = session
        self._ending = ending
        self.inbox: asyncio.Queue[Waiting | None] = asyncio.Queue(MAX_WAITING + 1)  # None: no more follow
        self._socket = socket
        self._held: list[str] | None = []
        self._over = False
        self._tokens = COMMAND_BURST
        self._filled = time.monotonic()

    def begin(self, ready: p.SessionReady) -> None:
        held, self._held = self._held or [], None
        push(self._socket, wire.encode_event(ready), counts=False)  # as long as it must be, and but once
        for text in held:
            self.relay(text)

    def start_over(self) -> bool:
        over, self._over = self._over, False
        if over:
            self._held = []
        return over

    def send(self, event: p.ServerEvent) -> None:
        self.relay(wire.encode_event(event))

    def relay(self, text: str) -> None:
        if self._held is not None:
            self._held.append(text)
        else:
            push(self._socket, text)

    def come_back(self, code: str, retry_after_ms: int) -> None:
        if self._held is not None:
            self._over = True
            return
        push(self._socket, wire.encode_event(p.SessionClosing(code, retry_after_ms)))
        self._ending()

    def ack(self, ack_id: int, ack: p.Ack) -> None:
        push(self._socket, wire.encode_ack(ack_id, ack))

    def spend(self) -> bool:
        """One command's worth of the connection's rate; False when there is none left."""
        now = time.monotonic()
        self._tokens = min(COMMAND_BURST, self._tokens + (now - self._filled) * COMMANDS_PER_S)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def push(socket: Any, text: str, *, counts: bool = True) -> None:
    """Queue a Socket.IO packet without waiting; a reader too far behind is cut off and resumes by seq."""
    waiting = getattr(socket, "outbox_bytes", 0) + size_of(text) * counts
    if socket.closed or socket.closing:
        return
    if waiting > MAX_OUTBOX_BYTES:
        abort(socket)
        return
    socket.outbox_bytes = waiting
    socket.queue.put_nowait(eio_packet.Packet(eio_packet.MESSAGE, data=text))


def abort(socket: Any) -> None:
    websocket = getattr(socket, "gated", None)
    if websocket is not None:
        websocket.abort()


class Gateway(socketio.AsyncServer):  # type: ignore[misc]  # the library is untyped
    """The server subclass; one per node."""

    def __init__(
        self,
        service: Service,
        auth: Auth,
        gate: OriginGate,
        metrics: Metrics,
        tasks: asyncio.TaskGroup,
    ) -> None:
        super().__init__(
            client_manager=Clients(),
            async_mode="aiohttp",
            transports=["websocket"],
            async_handlers=False,
            allow_upgrades=False,
            cors_allowed_origins=[],  # our own gate stands in front (edge/origin.py)
            max_http_buffer_size=p.MAX_FRAME_BYTES,
            ping_interval=10,
            ping_timeout=8,
            logger=False,
            engineio_logger=False,
            json=_Orjson,
        )
        self._service = service
        self._auth = auth
        self._gate = gate
        self._metrics = metrics
        self._tasks = tasks
        self._connections: dict[str, Connection] = {}
        self._introduced: set[str] = set()
        self._errors: dict[str, deque[float]] = {}
        self._draining = False
        self.eio._async = {**self.eio._async, "websocket": GatedWebSocket}
        self.on("connect", self._authenticate)
        self.on("disconnect", self._disconnected)

    # --- coming and going ---------------------------------------------------------------------

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        if self._draining:
            await self._close(eio_sid, 1001, "draining")
            return
        start(self._tasks, self._auth_deadline(eio_sid), "auth-deadline")

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        await super()._handle_eio_disconnect(eio_sid, reason)
        self._errors.pop(eio_sid, None)  # also of those who never authenticated
        self._introduced.discard(eio_sid)

    async def _auth_deadline(self, eio_sid: str) -> None:
        """Who says nothing is cut off; how long we take to answer is not their fault."""
        await asyncio.sleep(AUTH_DEADLINE_S)
        if eio_sid in self.environ and eio_sid not in self._introduced:
            self._metrics.refused.labels("auth_timeout").inc()
            await self._close(eio_sid, 4401, "auth_timeout")

    async def _authenticate(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        """The CONNECT packet: who is it, from which page. Refused with code and public words."""
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        try:
            if eio_sid in self._connections:
                raise Malformed(code="malformed_packet")
            session = await self._session(environ["aiohttp.request"], auth)
        except TalkError as error:
            self._metrics.refused.labels(error.wire_code).inc()
            said = {"code": error.wire_code, "retry_after_ms": error.retry_after_ms}
            raise socketio.exceptions.ConnectionRefusedError(error.public, said) from None
        self._connections[eio_sid] = Connection(
            self.eio.sockets[eio_sid], session, lambda: self._close_soon(eio_sid, 1012, "moved")
        )

    async def _session(self, request: web.BaseRequest, auth: Any) -> Session:
        asked = wire.decode_struct(auth, p.ConnectAuth)
        if asked.protocol != p.PROTOCOL_VERSION:
            raise Malformed(code="unsupported_protocol")
        origin = self._gate.check(request, asked.site)
        session = await self._auth.session(asked.token, asked.device, site=asked.site, page=asked.page)
        return replace(session, origin=origin or "")

    async def _handle_connect(self, eio_sid: str, namespace: str, data: Any) -> None:
        self._introduced.add(eio_sid)
        await super()._handle_connect(eio_sid, namespace, data)
        connection = self._connections.get(eio_sid)
        if connection is None or self._draining:
            await self._close(eio_sid, *((1001, "draining") if self._draining else (4401, "unauthenticated")))
            return
        self._metrics.connections.labels(connection.session.role).inc()
        start(self._tasks, self._serve(eio_sid, connection, data), "connection")

    async def _serve(self, eio_sid: str, connection: Connection, auth: dict[str, Any]) -> None:
        """Attach, then execute this connection's commands one after the other until it is gone."""
        try:
            await self._service.attach(connection, auth.get("engagement"), auth.get("after_seq", 0))
        except TalkError as error:
            self._refuse(eio_sid, error, None, bad=False)
            await self._close(eio_sid, 1011, error.wire_code)
        except Exception:
            logger.exception("not attached")
            await self._close(eio_sid, 1011, "internal")
        while (waiting := await connection.inbox.get()) is not None:
            await self._execute(eio_sid, connection, waiting)
        await self._service.detach(connection)

    async def _disconnected(self, sid: str, reason: str) -> None:
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        connection = self._connections.pop(eio_sid, None)
        if connection is not None:
            self._metrics.connections.labels(connection.session.role).dec()
            connection.inbox.put_nowait(None)

    # --- packets ------------------------------------------------------------------------------

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        try:
            packet = wire.decode_packet(data)
            if packet.kind == 0:
                await self._handle_connect(eio_sid, "/", packet.data)
            elif packet.kind == 1:
                await self._handle_disconnect(eio_sid, "/", self.reason.CLIENT_DISCONNECT)
            elif packet.kind == 2:
                self._take(eio_sid, packet)
        except TalkError as error:
            self._refuse(eio_sid, error, getattr(error, "ack_id", None))
            if error.wire_code == "payload_too_large":
                await self._close(eio_sid, 1009, "payload_too_large")

    def _take(self, eio_sid: str, packet: wire.Packet) -> None:
        """Decode and queue a command; answered later, by `_execute`."""
        connection = self._connections.get(eio_sid)
        try:
            command = wire.decode_command(packet.data)
            if connection is None:
                raise Unauthenticated()
            if connection.session.role not in command.roles:
                raise NotPermitted(type(command).__name__)
            if isinstance(command, p.SessionCheck):
                if packet.ack_id is not None:
                    connection.ack(packet.ack_id, p.Ack())
                return
            if not connection.spend() or connection.inbox.qsize() >= MAX_WAITING:
                raise LimitExceeded("commands", retry_after_ms=1_000)
        except TalkError as error:
            self._refuse(eio_sid, error, packet.ack_id)
            return
        waiting = Waiting(command, packet.ack_id, time.monotonic())
        if isinstance(command, _MEDIA):
            self._tasks.create_task(self._execute(eio_sid, connection, waiting), name="media-command")
        else:
            connection.inbox.put_nowait(waiting)

    async def _execute(self, eio_sid: str, connection: Connection, waiting: Waiting) -> None:
        """Ack = committed: nothing is answered before the service returns."""
        command = waiting.command
        name = str(command.__struct_config__.tag)
        try:
            ack = await self._service.execute(connection.session, command)
        except TalkError as error:
            self._metrics.commands.labels(name, error.wire_code).inc()
            self._refuse(eio_sid, error, waiting.ack_id, ref=_ref(command), bad=False)
            return
        except Exception:
            logger.exception("command failed", extra={"code": name})
            self._refuse(eio_sid, TalkError(), waiting.ack_id, ref=_ref(command), bad=False)
            return
        self._metrics.commands.labels(name, "ok").inc()
        self._metrics.ack_seconds.observe(time.monotonic() - waiting.since)
        if waiting.ack_id is not None:
            connection.ack(waiting.ack_id, ack)

    def _refuse(
        self, eio_sid: str, error: TalkError, ack_id: int | None, *, ref: str = "", bad: bool = True
    ) -> None:
        """Answer a fault to its sender; too many bad inputs end the connection."""
        socket = self.eio.sockets.get(eio_sid)
        if socket is None:
            return
        said = wire.wire_error(error, ref)
        if ack_id is not None:
            push(socket, wire.encode_ack(ack_id, p.Ack(error=said)))
        else:
            push(socket, wire.encode_event(p.ErrorEvent(said)))
        if bad:
            self._metrics.refused.labels(error.wire_code).inc()
            self._count_bad(eio_sid)

    def _count_bad(self, eio_sid: str) -> None:
        times = self._errors.setdefault(eio_sid, deque(maxlen=MAX_ERRORS))
        times.append(time.monotonic())
        if len(times) == MAX_ERRORS and times[-1] - times[0] < ERROR_WINDOW_S:
            self._close_soon(eio_sid, 1008, "too_many_errors")

    # --- ending -------------------------------------------------------------------------------

    def _close_soon(self, eio_sid: str, code: int, reason: str) -> None:
        start(self._tasks, self._close(eio_sid, code, reason), "close")

    async def _close(self, eio_sid: str, code: int, reason: str) -> None:
        socket = self.eio.sockets.get(eio_sid)
        websocket = getattr(socket, "gated", None)
        if websocket is not None:
            await _flushed(socket)
            await websocket.close_with(code, reason)

    async def say_goodbye(self, code: str, retry_after_ms: int) -> None:
        """Drain: tell every client to come back later, then close. Nobody comes in any more."""
        self._draining = True
        event = wire.encode_event(p.SessionClosing(code, retry_after_ms))
        for eio_sid in list(self._connections):
            if (socket := self.eio.sockets.get(eio_sid)) is not None:
                push(socket, event)
        await asyncio.sleep(0.05)
        with contextlib.suppress(TimeoutError):  # who does not listen is not waited for
            async with asyncio.timeout(GOODBYE_S):
                await asyncio.gather(
                    *(self._close(eio_sid, 1001, code) for eio_sid in list(self.eio.sockets))
                )


async def _flushed(socket: Any) -> None:
    """Let what was pushed go out first; a reader who does not read is not waited for."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FLUSH_S):
            await socket.queue.join()
    await asyncio.sleep(FLUSH_S / 20)


class _Orjson:
    """What python-socketio itself encodes (CONNECT, CONNECT_ERROR), by orjson."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return wire.dumps(value)

    @staticmethod
    def loads(text: str) -> Any:
        raise ValueError("incoming packets are decoded by server/wire.py alone")


def _ref(command: p.AnyCommand) -> str:
    return str(getattr(command, "counter", ""))
