"""The socket of a shared page: an open request's connection, taken over from aiohttp after the handshake.

Messages are handled where their bytes arrive, without a task's turn or a queue for each; what is written in
one turn of the event loop leaves after it, one write per socket. It knows no message: it moves bytes, keeps
the budget, the heartbeat and the close. Source: RFC 6455; docs/cobrowse_wire.md, "Sockets".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

from server.cobrowse.line import Line
from server.cobrowse.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Reader,
    Refused,
    accepted,
    agreed,
    closing,
    control,
)

HEARTBEAT_S = 20.0
CLOSE_S = 2.0
MAX_BUFFERED = 64 * 1024
MESSAGES_PER_S, MESSAGE_BURST = 400.0, 1_200.0
BYTES_PER_S, BYTE_BURST = 4e6, 32e6
_LOOK_AT_CLOCK = 64

# What a message needs: nothing more, or that this is awaited before the next one is read.
Handler = Callable[[bytes], Coroutine[Any, Any, None] | None]


class Budget:
    """Messages and bytes that one socket may send; the clock is looked at every 64 messages."""

    def __init__(self) -> None:
        self._messages, self._bytes, self._at = MESSAGE_BURST, BYTE_BURST, time.monotonic()
        self._until_clock = _LOOK_AT_CLOCK

    def spend(self, size: int) -> None:
        """Raises: Refused."""
        self._messages -= 1
        self._bytes -= size
        self._until_clock -= 1
        if self._until_clock > 0 and self._messages >= 0 and self._bytes >= 0:
            return
        now = time.monotonic()
        passed, self._at = now - self._at, now
        self._until_clock = _LOOK_AT_CLOCK
        self._messages = min(MESSAGE_BURST, self._messages + passed * MESSAGES_PER_S)
        self._bytes = min(BYTE_BURST, self._bytes + passed * BYTES_PER_S)
        if self._messages < 0 or self._bytes < 0:
            raise Refused(4429, "too much")


class Turn:
    """Sockets that have something to write when this turn of the event loop is over."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: list[PageSocket] = []

    def ask(self, socket: PageSocket) -> None:
        if not self._waiting:
            self._loop.call_soon(self._end)
        self._waiting.append(socket)

    def _end(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            while waiting:
                waiting.pop().write()
        finally:
            if waiting:  # one of them raised: the others are not held up by it
                self._waiting += waiting
                self._loop.call_soon(self._end)


class PageSocket(asyncio.Protocol):
    """`open`, `first` for the first message, then `run` until it is over. `line` takes what is to be written.

    shows: asked right before frames of the page are written.
    """

    def __init__(self, turn: Turn, transport: asyncio.Transport, *, deflated: bool, compresses: bool) -> None:
        self._turn = turn
        self._transport = transport
        self._before = transport.get_protocol()
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(deflated=deflated)
        self._budget = Budget()
        self._each: Handler | None = None
        self._work: Coroutine[Any, Any, None] | None = None
        self._first: asyncio.Future[bytes] = self._loop.create_future()
        self._early = bytearray()
        self._wake = asyncio.Event()
        self._busy = self._asked = self._full = self._closing = self._deaf = self._over = False
        self._heard, self._pinged = True, False
        self._timer = self._loop.call_later(HEARTBEAT_S, self._beat)
        self.shows: Callable[[], bool] = bool
        self.line = Line(self._something, deflated=compresses)

    @classmethod
    async def open(cls, request: web.Request, turn: Turn) -> tuple[PageSocket, web.StreamResponse]:
        """Answer the handshake and take the connection. Returns the socket and what the handler must return.

        Raises: HTTPBadRequest for anything but a WebSocket's handshake.
        """
        accept = accepted(request.headers.get("Sec-WebSocket-Key", ""))
        if accept is None or not web.WebSocketResponse().can_prepare(request).ok:
            raise web.HTTPBadRequest
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}
        agreement = agreed(request.headers.get("Sec-WebSocket-Extensions", ""))
        if agreement is not None:
            headers["Sec-WebSocket-Extensions"] = agreement[0]
        response = web.StreamResponse(status=101, headers=headers)
        response.force_close()
        await response.prepare(request)
        transport = request.transport
        if transport is None:
            raise ConnectionResetError
        compresses = agreement is not None and agreement[1]
        socket = cls(turn, transport, deflated=agreement is not None, compresses=compresses)
        transport.set_write_buffer_limits(MAX_BUFFERED)
        transport.set_protocol(socket)
        return socket, response

    async def first(self, within_s: float) -> bytes:
        """The first message; what follows it waits for `run`. Raises: Refused, TimeoutError."""
        async with asyncio.timeout(within_s):
            return await self._first

    async def run(self, each: Handler) -> None:
        """Give each message to `each` until the socket is over. Raises: Refused from the first one on."""
        self._each = each
        self._early.clear()
        self._proceed()
        while not (self._over or self._closing):
            await self._wake.wait()
            self._wake.clear()
            work, self._work = self._work, None
            if work is not None:
                await work
                self._proceed()

    def release(self) -> tuple[asyncio.Transport, bytes, asyncio.BaseProtocol]:
        """Instead of `run`: the connection, all that came over it until now, and whose it was before."""
        self._timer.cancel()
        self._over = True
        return self._transport, bytes(self._early), self._before

    async def end(self, code: int, reason: str) -> None:
        """Say what waits and why it ends, wait for the other's word, and be over."""
        self.line.close(code, reason)
        if not self._over:
            self._proceed()
        deadline = self._loop.time() + CLOSE_S
        while not self._over:
            try:
                async with asyncio.timeout_at(deadline):
                    await self._wake.wait()
                    self._wake.clear()
            except TimeoutError:
                self._transport.abort()
                deadline += CLOSE_S

    # --- reading -----------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._heard = True
        if self._each is None:
            self._early += data
        if self._deaf:
            return
        self._reader.feed(data)
        if not self._busy:
            self._read()

    def _proceed(self) -> None:
        """What was waited for is done: go on with what has come meanwhile."""
        self._busy = False
        if not self._deaf:
            self._read()
        if not (self._busy or self._over):
            self._transport.resume_reading()

    def _read(self) -> None:
        try:
            while not self._busy and (message := self._reader.next()) is not None:
                opcode, payload = message
                self._budget.spend(len(payload))
                if opcode != BINARY:
                    self._beside(opcode, payload)
                elif self.line.closing is not None:
                    continue
                elif self._each is None:
                    self._hold()
                    self._first.set_result(payload)
                elif (work := self._each(payload)) is not None:
                    self._hold()
                    self._work = work
                    self._wake.set()
        except Refused as refused:
            self._refuse(refused)

    def _hold(self) -> None:
        self._busy = True
        self._transport.pause_reading()

    def _refuse(self, refused: Refused) -> None:
        """Whatever comes after it is thrown away."""
        self._deaf = True
        if not self._first.done():
            self._first.set_exception(refused)
        self.line.close(refused.code, refused.reason)

    def _beside(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            raise Refused(4400, "binary messages only")
        if opcode == PING and not (self._full or self._closing):
            self._transport.write(control(PONG, payload))
        elif opcode == CLOSE:
            self._deaf = True
            self.line.close(1000, "closed")
            self.write()
            self._closing = True
            self._wake.set()
            self._transport.close()

    # --- writing -----------------------------------------------------------------------------------------

    def _something(self) -> None:
        if not self._asked:
            self._asked = True
            self._turn.ask(self)

    def write(self) -> None:
        """Write what waits, as far as the socket takes it without waiting."""
        self._asked = False
        if self._full or self._closing or self._over:
            return
        data = self.line.take(shows=self.shows())
        if data:
            self._transport.write(data)
        if self.line.closing is not None and not self._full:
            self._closing = True
            self._transport.write(closing(*self.line.closing))
            if self._deaf and self._transport.can_write_eof():
                self._transport.write_eof()  # its answer would not be understood
            self._wake.set()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self.write()

    # --- the connection ----------------------------------------------------------------------------------

    def _beat(self) -> None:
        """Nothing heard for HEARTBEAT_S: a ping; nothing after it either: gone."""
        if self._closing:
            return
        if not self._heard and self._pinged:
            self._transport.abort()
            return
        self._pinged = not self._heard
        if self._pinged:
            self._transport.write(control(PING))
        self._heard = False
        self._timer = self._loop.call_later(HEARTBEAT_S / 2 if self._pinged else HEARTBEAT_S, self._beat)

    def connection_lost(self, exc: Exception | None) -> None:
        self._over = True
        self._timer.cancel()
        self.line.close(1006, "lost")
        if not self._first.done():
            self._first.set_exception(Refused(1006, "lost"))
        self._wake.set()
        self._before.connection_lost(exc)
