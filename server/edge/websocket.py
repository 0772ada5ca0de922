"""The WebSocket under engine.io: no compression, hostile frames made harmless, close codes, byte count.

`Clients` is Socket.IO's list of who is connected, without its rooms: here events go to connections by name.

engine.io parses the first character of a frame as a number and fails loudly on anything else; such a
frame is turned into an empty message, which the gateway answers as `malformed_packet`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import socketio
from aiohttp import WSMsgType, web

WRITE_DEADLINE_S = 10.0
_MESSAGE = "4"
_KNOWN = frozenset("123456")


class GatedWebSocket:
    """What engine.io's aiohttp driver expects of a WebSocket, with our limits."""

    def __init__(self, handler: Any, server: Any) -> None:
        self._handler = handler
        self._max_bytes = server.max_http_buffer_size
        self._response = web.WebSocketResponse(
            max_msg_size=self._max_bytes, compress=False, autoping=True, timeout=2.0
        )
        self._request: web.Request | None = None

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        self._request = environ["aiohttp.request"]
        await self._response.prepare(self._request)
        # the bound handler's owner is engine.io's socket: the gateway finds us by it
        self._handler.__self__.gated = self
        await self._handler(self)
        return self._response

    async def close(self) -> None:
        await self._response.close()

    async def close_with(self, code: int, reason: str) -> None:
        await self._response.close(code=code, message=reason.encode())

    def abort(self) -> None:
        """Cut the connection now: its reader is too far behind to be told anything."""
        if self._request is not None and self._request.transport is not None:
            self._request.transport.abort()

    async def send(self, message: str | bytes) -> None:
        socket = self._handler.__self__
        try:
            async with asyncio.timeout(WRITE_DEADLINE_S):
                if isinstance(message, str):
                    await self._response.send_str(message)
                else:
                    await self._response.send_bytes(message)
        except TimeoutError:
            self.abort()  # to close it in order would wait for the same reader
            raise
        finally:
            socket.outbox_bytes = max(0, getattr(socket, "outbox_bytes", 0) - size_of(message) + 1)

    async def wait(self) -> str | bytes:
        """The next frame as engine.io may see it. Raises: OSError when the connection is over."""
        message = await self._response.receive()
        if message.type is WSMsgType.BINARY:
            return _MESSAGE + "5-"  # answered as binary_not_allowed
        if message.type is not WSMsgType.TEXT:
            raise OSError("closed")
        text: str = message.data
        return text if text[:1] in _KNOWN else _MESSAGE


def size_of(message: str | bytes) -> int:
    """Bytes on the wire."""
    return len(message if isinstance(message, bytes) or message.isascii() else message.encode())


class Clients(socketio.AsyncManager):  # type: ignore[misc]  # the library is untyped
    """A client is in no room but its own, so one that leaves need not be looked for in everybody's."""

    def basic_disconnect(self, sid: str, namespace: str, **_: Any) -> None:
        self.callbacks.pop(sid, None)
        for pending in (self.pending_connect, self.pending_disconnect):
            if sid in pending.get(namespace, ()):
                pending[namespace].remove(sid)
        for room in (sid, None):
            self.basic_leave_room(sid, namespace, room)
