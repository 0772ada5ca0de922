"""The cobrowse socket: one per tab that is shared, one per window that shows it.

It reads HELLO, finds room and role, and then only moves messages: what they mean is the room's business.
Every fault is answered by a message or a close code of docs/cobrowse_wire.md; no text of a page is ever
logged.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
from aiohttp import WSMessage, WSMsgType, web

from cobrowse.control import judge
from cobrowse.errors import InvalidDiff
from cobrowse.frames import Items, decode
from cobrowse.ops import MAX_FRAME_BYTES, SIDE
from cobrowse.stream import Stream
from server.cobrowse.line import Line
from server.cobrowse.node import Cobrowse
from server.cobrowse.room import MAX_VIEWERS, Room, Tab, Viewer, now_ms
from server.cobrowse.tokens import Pass, Role
from server.edge.origin import OriginGate
from signaling.errors import Unauthenticated

logger = logging.getLogger(__name__)

HELLO_S = 5.0
COMPRESS_OVER = 1_024
MESSAGES_PER_S, MESSAGE_BURST = 400.0, 1_200.0
BYTES_PER_S, BYTE_BURST = 4e6, 32e6
MAX_FAULTS = 20
_WINDOW = 15
MAX_BUFFERED = 64 * 1024


class _Over(Exception):
    """The socket is to be closed with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Budget:
    """Messages and bytes that one socket may send."""

    def __init__(self) -> None:
        self._messages, self._bytes, self._at = MESSAGE_BURST, BYTE_BURST, time.monotonic()

    def spend(self, size: int) -> None:
        now = time.monotonic()
        passed, self._at = now - self._at, now
        self._messages = min(MESSAGE_BURST, self._messages + passed * MESSAGES_PER_S) - 1
        self._bytes = min(BYTE_BURST, self._bytes + passed * BYTES_PER_S) - size
        if self._messages < 0 or self._bytes < 0:
            raise _Over(4429, "too much")


class CobrowseSocket:
    """`routes()` for the main application."""

    def __init__(self, cobrowse: Cobrowse, gate: OriginGate) -> None:
        self._cobrowse = cobrowse
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/cobrowse", self.serve)]

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        self._gate.check(request)
        socket = web.WebSocketResponse(max_msg_size=MAX_FRAME_BYTES, compress=True, heartbeat=20.0)
        await socket.prepare(request)
        line = Line()
        try:
            hello = await self._hello(socket)
            if len(hello) > 3:
                await self._record(request, socket, hello)
            else:
                await self._view(request, socket, hello)
        except _Over as over:
            line.closing = (over.code, over.reason)
        except Unauthenticated:
            line.closing = (4401, "unauthenticated")
        if line.closing is not None and not socket.closed:
            await socket.close(code=line.closing[0], message=line.closing[1].encode())
        return socket

    async def _hello(self, socket: web.WebSocketResponse) -> Items:
        try:
            async with asyncio.timeout(HELLO_S):
                items = _items(await socket.receive())
        except TimeoutError:
            raise _Over(4408, "no hello") from None
        if items[0] != 0 or len(items) < 3 or items[1] != SIDE["HELLO"]:
            raise _Over(4400, "no hello")
        return items

    def _enter(self, token: object, role: Role) -> tuple[Pass, Room]:
        granted = self._cobrowse.tokens.read(token, role)
        room = self._cobrowse.rooms.get(granted.engagement)
        if room is None or not room.gate.open:
            raise _Over(4403, "nothing is shared")
        return granted, room

    # --- the visitor's tab ----------------------------------------------------------------------------

    async def _record(self, request: web.Request, socket: web.WebSocketResponse, hello: Items) -> None:
        granted, room = self._enter(hello[2], "recorder")
        if type(hello[3]) is not str or not 1 <= len(hello[3]) <= 64:
            raise _Over(4400, "no document")
        if not room.continues_on(request.headers.get("Origin", "")):
            raise _Over(4406, "another origin")
        line = Line()
        device = request.headers.get("User-Agent", "")[:300]
        tab, last = room.attach(granted.device, hello[3], line, device)
        hold = 0 if room.gate.shows else 2
        policy = msgspec.to_builtins(room.policy)
        line.say(SIDE["WELCOME"], last, tab.stream.epoch, policy, self._cobrowse.tokens.issue(granted), hold)
        room.tell_watchers()

        async def each(raw: bytes) -> None:
            items = None if Stream.large(raw) else decode(raw)
            if items is None or items[0] > 0:
                await room.push(tab, raw, items)
            else:
                self._from_recorder(room, tab, line, granted, items)

        try:
            await _both_ways(request, socket, line, lambda: True, each)
        finally:
            room.detach(tab, line)

    def _from_recorder(self, room: Room, tab: Tab, line: Line, granted: Pass, items: Items) -> None:
        code, values = items[1], items[2:]
        if code == SIDE["HAVE"] and values and isinstance(values[0], list):
            digests = [digest for digest in values[0][:256] if isinstance(digest, str)]
            line.say(SIDE["WANT"], self._cobrowse.assets.lacks(granted.site, digests))
        elif code == SIDE["BYE"]:
            room.detach(tab, line)
        elif code == SIDE["DID"] and len(values) == 2:
            for viewer in room.viewers.values():
                viewer.line.say(SIDE["DID"], *values)
        elif code in (SIDE["POINT"], SIDE["MARK"], SIDE["DRAW"]):
            for viewer in room.viewers.values():
                if viewer.tab is tab:
                    viewer.line.say(code, 0, *values[1:])

    # --- a window that shows it -------------------------------------------------------------------------

    async def _view(self, request: web.Request, socket: web.WebSocketResponse, hello: Items) -> None:
        granted, room = self._enter(hello[2], "viewer")
        if not room.gate.admits(granted.participant):
            raise _Over(4403, "takes part no longer")
        if len(room.viewers) >= MAX_VIEWERS:
            raise _Over(1013, "too many viewers")
        first = not room.looks(granted.participant)
        viewer = room.join(granted.participant, granted.name, granted.person)
        pictures = self._cobrowse.tokens.issue(msgspec.structs.replace(granted, role="pictures"))
        viewer.line.say(
            SIDE["WELCOME"], viewer.number, self._cobrowse.tokens.issue(granted), f"/a/{pictures}/"
        )
        listener = self._cobrowse.listener
        if first and listener is not None:
            listener.viewer_joined(granted.engagement, granted.participant)
        try:
            async with asyncio.TaskGroup() as tasks:
                catching_up = tasks.create_task(_catch_up(room, viewer), name="keyframes")
                room.tell_watchers()
                room.tell_streams()

                def shows() -> bool:
                    return room.gate.shows and room.gate.admits(granted.participant)

                async def each(raw: bytes) -> None:
                    self._from_viewer(room, viewer, decode(raw))

                await _both_ways(request, socket, viewer.line, shows, each)
                catching_up.cancel()
        finally:
            room.leave(viewer)
            if listener is not None and not room.looks(granted.participant):
                listener.viewer_left(granted.engagement, granted.participant)

    def _from_viewer(self, room: Room, viewer: Viewer, items: Items) -> None:
        if items[0] != 0 or len(items) < 2:
            raise InvalidDiff("a viewer sends no frames")
        if not room.gate.admits(viewer.participant):
            return
        code, values = items[1], items[2:]
        if code == SIDE["ACK"] and values and type(values[0]) is int:
            room.acked(viewer, values[0])
            if viewer.catching_up:
                room.needs(viewer)
        elif code == SIDE["SELECT"] and values and type(values[0]) is str:
            room.select(viewer, values[0][:64])
        elif code == SIDE["NEED"]:
            room.needs(viewer)
        elif code in (SIDE["POINT"], SIDE["MARK"], SIDE["DRAW"]):
            if room.gate.shows and room.gate.grant("point", now_ms()) is not None:
                room.relay(viewer, code, values[1:])
        elif code == SIDE["CONTROL"]:
            self._control(room, viewer, values)

    def _control(self, room: Room, viewer: Viewer, values: list[Any]) -> None:
        request = values[0] if values and type(values[0]) is int else 0
        if viewer.tab is None or viewer.tab.line is None:
            viewer.line.say(SIDE["DID"], request, "gone")
            return
        verdict, _ = judge(room.gate, viewer.tab.stream.mirror, values, now_ms())
        if verdict == "ok":
            viewer.tab.line.say(SIDE["CONTROL"], *values)
        else:
            viewer.line.say(SIDE["DID"], request, verdict)


async def _catch_up(room: Room, viewer: Viewer) -> None:
    while True:
        await viewer.late.wait()
        viewer.late.clear()
        await room.catch_up(viewer)


def _items(message: WSMessage) -> Items:
    if message.type is WSMsgType.BINARY:
        return decode(message.data)
    if message.type is WSMsgType.TEXT:
        raise _Over(4400, "binary messages only")
    raise _Over(1000, "closed")


async def _both_ways(
    request: web.Request,
    socket: web.WebSocketResponse,
    line: Line,
    shows: Callable[[], bool],
    each: Callable[[bytes], Awaitable[None]],
) -> None:
    """Write what waits in the line, read what comes, until either ends."""
    compress = _WINDOW if socket.compress else None
    # Each message is compressed for itself or not at all: no state per connection, nothing for small ones.
    if socket._writer is not None:
        socket._writer.compress = 0

    async def write(data: bytes) -> None:
        await socket.send_frame(data, WSMsgType.BINARY, compress if len(data) > COMPRESS_OVER else None)

    def at_once(data: bytes) -> bool:
        transport = request.transport
        if len(data) > COMPRESS_OVER or transport is None or transport.get_write_buffer_size() > MAX_BUFFERED:
            return False
        return _step(socket.send_frame(data, WSMsgType.BINARY))

    async def writing() -> None:
        try:
            line.at_once = at_once
            await line.run(write, shows)
        except ConnectionError:
            line.close(1006, "lost")
        code, reason = line.closing or (1000, "")
        await socket.close(code=code, message=reason.encode())

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writing(), name="cobrowse-writer")
        try:
            await _read(socket, each)
        except _Over as over:
            line.close(over.code, over.reason)
        else:
            line.close(1000, "closed")


def _step(sending: Coroutine[Any, Any, None]) -> bool:
    """Run a sending to its end, which it reaches without waiting unless the socket is full."""
    try:
        sending.send(None)
    except StopIteration:
        return True
    except ConnectionError:
        return False
    # It waits for room only after it has written.
    sending.close()
    return True


async def _read(socket: web.WebSocketResponse, each: Callable[[bytes], Awaitable[None]]) -> None:
    budget = Budget()
    faults = 0
    while True:
        message = await socket.receive()
        if message.type is not WSMsgType.BINARY:
            if message.type is WSMsgType.TEXT:
                raise _Over(4400, "binary messages only")
            return
        budget.spend(len(message.data))
        try:
            await each(message.data)
        except InvalidDiff:
            faults += 1
            if faults >= MAX_FAULTS:
                raise _Over(4400, "malformed") from None
