"""The socket of a page that is shared on another node: its bytes go there and back, unread.

The first message was read here to know where; the bytes it came in, and all after them, go on as they are
(compression has a state that only the other node may keep). Source: RFC 6455; docs/scaling.md.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web

from server.cobrowse.websocket import Refused
from server.edge.page_socket import PageSocket
from signaling.errors import BackendError

REACH_S = 2.0
MAX_HEAD = 8_192
MAX_WAITING = 256 * 1024
PASSED_ON = "Talknow-Passed-On"
_PASSED = ("Host", "Origin", "User-Agent", "Sec-WebSocket-Extensions")


class _Side(asyncio.Protocol):
    """One end; what comes goes to the other, which slows it down when it does not keep up."""

    def __init__(self, over: asyncio.Event, before: asyncio.BaseProtocol | None = None) -> None:
        self._over = over
        self._before = before
        self.other: asyncio.Transport | None = None
        self._head: asyncio.Future[bytes] | None = None
        self._early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.set_write_buffer_limits(MAX_WAITING)  # type: ignore[attr-defined]

    def head(self) -> asyncio.Future[bytes]:
        """Everything up to the empty line, before anything is passed on."""
        self._head = asyncio.get_running_loop().create_future()
        return self._head

    def data_received(self, data: bytes) -> None:
        if self._head is None or self._head.done():
            if self.other is not None:
                self.other.write(data)
            return
        self._early += data
        head, empty_line, rest = bytes(self._early).partition(b"\r\n\r\n")
        if empty_line:
            self._head.set_result(head)
            if rest and self.other is not None:
                self.other.write(rest)
        elif len(self._early) > MAX_HEAD:
            self._head.set_exception(ConnectionError("no answer to the handshake"))

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._over.set()
        if self.other is not None:
            self.other.close()
        if self._head is not None and not self._head.done():
            self._head.set_exception(ConnectionError("gone"))
        if isinstance(self._before, asyncio.Protocol):
            self._before.connection_lost(exc)


async def pass_on(
    socket: PageSocket, request: web.Request, knock: Callable[[], Awaitable[asyncio.StreamWriter]]
) -> None:
    """Until one of both ends. knock: a stream to the other node. Raises: Refused when it is not let in."""
    over = asyncio.Event()
    side = _Side(over)
    theirs: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(REACH_S):
            theirs = await knock()
            theirs.transport.set_protocol(side)
            side.connection_made(theirs.transport)
            head = side.head()
            theirs.write(_handshake(request))
            if not (await head).startswith(b"HTTP/1.1 101"):
                raise ConnectionError("refused")
            if over.is_set():
                raise ConnectionError("gone")
    except (OSError, TimeoutError, BackendError):
        if theirs is not None:
            theirs.transport.abort()
        raise Refused(1012, "moved") from None
    transport, early, before = socket.release()
    if transport.is_closing():
        theirs.transport.abort()
        return
    ours = _Side(over, before)
    ours.connection_made(transport)
    ours.other, side.other = cast(asyncio.Transport, theirs.transport), transport
    transport.set_protocol(ours)
    theirs.write(early)
    transport.resume_reading()
    await over.wait()


def _handshake(request: web.Request) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {request.path} HTTP/1.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        f"{PASSED_ON}: 1",
        *(f"{name}: {request.headers[name]}" for name in _PASSED if name in request.headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode()
