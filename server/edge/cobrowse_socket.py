"""The cobrowse socket: one per tab that is shared, one per window that shows it.

It reads HELLO, finds room and role, and then only moves messages: what they mean is the room's business.
Every fault is answered by a message or a close code of docs/cobrowse_wire.md; no text of a page is ever
logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import msgspec
from aiohttp import web

from cobrowse.attributes import FOR_RECORDER
from cobrowse.control import VERDICTS, judge
from cobrowse.errors import InvalidDiff
from cobrowse.frames import Items, decode
from cobrowse.ops import SIDE
from cobrowse.patterns import expressions
from cobrowse.pointing import is_sound
from cobrowse.stream import LARGE_BYTES
from server.cobrowse.keeper import now_ms
from server.cobrowse.line import Line
from server.cobrowse.members import Tab, Viewer, Watcher
from server.cobrowse.node import Cobrowse
from server.cobrowse.room import MAX_VIEWERS, Room
from server.cobrowse.tokens import Pass, Role
from server.cobrowse.websocket import Refused
from server.edge.origin import OriginGate
from server.edge.page_door import PASSED_ON, pass_on
from server.edge.page_socket import Handler, PageSocket, Turn
from server.service import Service
from signaling.errors import BackendError, Unauthenticated
from signaling.protocol import EngagementId, NodeId

logger = logging.getLogger(__name__)

Knock = Callable[[NodeId], Awaitable[asyncio.StreamWriter]]

HELLO_S = 5.0
MAX_FAULTS = 20
_ACK = SIDE["ACK"]


class CobrowseSocket:
    """`routes()` for the main application. knock: a stream to another node's HTTP (backend.Bus)."""

    def __init__(self, cobrowse: Cobrowse, gate: OriginGate, service: Service, knock: Knock) -> None:
        self._cobrowse = cobrowse
        self._gate = gate
        self._service = service
        self._knock = knock
        self._turn = Turn()

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/cobrowse", self.serve)]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self._gate.check(request)
        socket, response = await PageSocket.open(request, self._turn)
        code, reason = 1000, "closed"
        try:
            hello = await self._hello(socket)
            records = len(hello) > 3 and not isinstance(hello[3], list)
            granted = self._cobrowse.tokens.read(hello[2], "recorder" if records else "viewer")
            if (node := await self._service.elsewhere(granted.engagement)) is not None:
                await self._elsewhere(request, socket, granted.engagement, node)
                return response
            if records:
                await self._record(request, socket, hello)
            else:
                await self._view(socket, hello)
        except Refused as refused:
            code, reason = refused.code, refused.reason
        except Unauthenticated:
            code, reason = 4401, "unauthenticated"
        except BackendError:
            code, reason = 1012, "try again"
        await socket.end(code, reason)
        return response

    async def _elsewhere(
        self, request: web.Request, socket: PageSocket, engagement: EngagementId, node: NodeId
    ) -> None:
        """Raises: Refused when it is not there either, or cannot be reached: nothing is passed on twice."""
        try:
            if PASSED_ON in request.headers:
                raise Refused(1012, "moved")
            await pass_on(socket, request, partial(self._knock, node))
        finally:
            self._service.ask_again(engagement)

    async def _hello(self, socket: PageSocket) -> Items:
        try:
            items = decode(await socket.first(HELLO_S))
        except TimeoutError:
            raise Refused(4408, "no hello") from None
        except InvalidDiff:
            raise Refused(4400, "malformed") from None
        if items[0] != 0 or len(items) < 3 or items[1] != SIDE["HELLO"]:
            raise Refused(4400, "no hello")
        return items

    def _enter(self, token: object, role: Role) -> tuple[Pass, Room]:
        granted = self._cobrowse.tokens.read(token, role)
        room = self._cobrowse.rooms.get(granted.engagement)
        if room is None or not room.gate.open:
            raise Refused(4403, "nothing is shared")
        return granted, room

    # --- the visitor's tab ----------------------------------------------------------------------------

    async def _record(self, request: web.Request, socket: PageSocket, hello: Items) -> None:
        granted, room = self._enter(hello[2], "recorder")
        if type(hello[3]) is not str or not 1 <= len(hello[3]) <= 64:
            raise Refused(4400, "no document")
        if not room.continues_on(request.headers.get("Origin", "")):
            raise Refused(4406, "another origin")
        line = socket.line
        device = request.headers.get("User-Agent", "")[:300]
        tab, last = await room.attach(granted.device, hello[3], line, device)
        hold = 0 if room.gate.shows else 2
        told = {"ids": expressions(room.policy.ids), "attributes": FOR_RECORDER}
        policy = msgspec.to_builtins(room.policy) | told
        line.say(SIDE["WELCOME"], last, tab.stream.epoch, policy, self._cobrowse.tokens.issue(granted), hold)
        room.tell_watchers()

        def each(raw: bytes) -> Coroutine[Any, Any, None] | None:
            if len(raw) > LARGE_BYTES:
                return room.push_large(tab, raw)
            items = decode(raw)
            if items[0] > 0:
                return room.push(tab, raw, items)
            self._from_recorder(room, tab, line, granted, items)
            return None

        try:
            await socket.run(_patient(each))
        finally:
            room.detach(tab, line)

    def _from_recorder(self, room: Room, tab: Tab, line: Line, granted: Pass, items: Items) -> None:
        if len(items) < 2:
            raise InvalidDiff("no message")
        code, values = items[1], items[2:]
        if code == SIDE["HAVE"] and values and isinstance(values[0], list):
            digests = [digest for digest in values[0][:256] if isinstance(digest, str)]
            line.say(SIDE["WANT"], self._cobrowse.assets.lacks(granted.site, digests))
        elif code == SIDE["BYE"]:
            room.detach(tab, line)
        elif code == SIDE["DID"] and len(values) == 2 and values[1] in VERDICTS:
            room.answered(values[0], values[1])

    # --- a window that shows it -------------------------------------------------------------------------

    async def _view(self, socket: PageSocket, hello: Items) -> None:
        granted, room = self._enter(hello[2], "viewer")
        if not room.gate.admits(granted.participant):
            raise Refused(4403, "takes part no longer")
        if len(room.viewers) >= MAX_VIEWERS:
            raise Refused(1013, "too many viewers")
        first = not room.looks(granted.participant)
        viewer = room.join(Watcher(granted.participant, granted.name, granted.person), socket.line)
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
                if len(hello) > 3:
                    room.resume(viewer, hello[3])
                room.tell_watchers()
                room.tell_streams()
                socket.shows = lambda: room.gate.shows and room.gate.admits(granted.participant)
                await socket.run(_patient(partial(self._from_viewer, room, viewer)))
                catching_up.cancel()
        finally:
            room.leave(viewer)
            if listener is not None and not room.looks(granted.participant):
                listener.viewer_left(granted.engagement, granted.participant)

    def _from_viewer(self, room: Room, viewer: Viewer, raw: bytes) -> None:
        items = decode(raw)
        if items[0] != 0 or len(items) < 2:
            raise InvalidDiff("a viewer sends no frames")
        if not room.gate.admits(viewer.participant):
            return
        code, values = items[1], items[2:]
        if code == _ACK and values and type(values[0]) is int:
            room.acked(viewer, values[0])
            if viewer.catching_up:
                room.needs(viewer)
        elif code == SIDE["SELECT"] and values and type(values[0]) is str:
            room.select(viewer, values[0][:64])
        elif code == SIDE["NEED"]:
            room.needs(viewer)
        elif code in (SIDE["POINT"], SIDE["MARK"], SIDE["DRAW"]):
            granted = room.gate.shows and room.gate.grant("point", now_ms()) is not None
            if granted and is_sound(code, values[1:]):
                room.relay(viewer, code, values[1:])
        elif code == SIDE["CONTROL"]:
            self._control(room, viewer, values)

    def _control(self, room: Room, viewer: Viewer, values: list[Any]) -> None:
        request = values[0] if values and type(values[0]) is int else 0
        if viewer.tab is None or viewer.tab.line is None:
            viewer.line.say(SIDE["DID"], request, "gone")
            return
        mirror = viewer.tab.stream.mirror
        verdict = judge(room.gate, mirror, values, by=viewer.participant, now_ms=now_ms())
        if verdict == "ok":
            viewer.tab.line.say(SIDE["CONTROL"], room.asked(viewer, request), *values[1:])
        else:
            viewer.line.say(SIDE["DID"], request, verdict)


async def _catch_up(room: Room, viewer: Viewer) -> None:
    while True:
        await viewer.late.wait()
        viewer.late.clear()
        await room.catch_up(viewer)


def _patient(each: Handler) -> Handler:
    """So many messages that cannot be are borne from one socket."""
    left = MAX_FAULTS

    def borne(raw: bytes) -> Coroutine[Any, Any, None] | None:
        nonlocal left
        try:
            return each(raw)
        except InvalidDiff:
            left -= 1
            if left > 0:
                return None
            raise Refused(4400, "malformed") from None

    return borne
