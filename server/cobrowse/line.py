"""What waits to be written to one socket: bounded, in order, and nothing of a page once its gate is closed.

One message of any size may wait (a keyframe of a big page has no other way); beside it at most MAX_BYTES.

Whoever has something puts it here and goes on; the socket takes it when the turn of the event loop is over
(`wake`), all of it in one write, and asks the gate right before. What the socket has no room for stays here.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from server.cobrowse.websocket import Page, framed

MAX_BYTES = 4 * 1024 * 1024
_encode = msgspec.msgpack.Encoder().encode


class Line:
    """`frame` for bytes of a page, `say` for messages beside it, until `close`; the socket calls `take`.

    wake: something waits, or the line was closed. deflated: permessage-deflate was agreed on this socket.
    """

    def __init__(self, wake: Callable[[], None], *, deflated: bool) -> None:
        self._wake = wake
        self._deflated = deflated
        self._waiting: list[tuple[bytes, bool]] = []
        self._bytes = self._largest = 0
        self.closing: tuple[int, str] | None = None

    def frame(self, page: Page) -> None:
        self._put(page.wire(deflated=self._deflated), True)

    def say(self, code: int, *values: object) -> None:
        self._put(framed(_encode([0, code, *values])), False)

    def take(self, *, shows: bool) -> bytes:
        """Everything that waits, as bytes for the socket. shows: whether frames of the page may pass now."""
        waiting, self._waiting = self._waiting, []
        self._bytes = self._largest = 0
        if len(waiting) == 1:
            data, is_frame = waiting[0]
            return data if shows or not is_frame else b""
        return b"".join([data for data, is_frame in waiting if shows or not is_frame])

    def purge(self) -> None:
        """Drop every frame that was not written yet."""
        self._waiting = [entry for entry in self._waiting if not entry[1]]
        sizes = [len(data) for data, _ in self._waiting]
        self._bytes, self._largest = sum(sizes), max(sizes, default=0)

    def close(self, code: int, reason: str) -> None:
        """Nothing is taken any more; what waits is still written."""
        self.closing = self.closing or (code, reason)
        self._wake()

    def _put(self, data: bytes, is_frame: bool) -> None:
        if self.closing is not None:
            return
        waiting = self._waiting
        waiting.append((data, is_frame))
        if len(waiting) == 1:
            self._bytes = self._largest = len(data)
            self._wake()
            return
        self._bytes += len(data)
        self._largest = max(self._largest, len(data))
        if self._bytes - self._largest > MAX_BYTES:
            waiting.clear()
            self.close(1013, "too slow")
