"""What waits to be written to one socket: bounded, in order, and nothing of a page once its gate is closed.

Whoever has something puts it here and goes on. It is written at once where the socket takes it without
waiting (`at_once`: no turn of a task for each frame), else by the socket's own task (`run`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

MAX_BYTES = 4 * 1024 * 1024
_encode = msgspec.msgpack.Encoder().encode


class Line:
    """`frame` for bytes of a page, `say` for messages beside it; `run` writes until `close`.

    at_once: writes these bytes now, or returns False when that would have to wait.
    """

    def __init__(self) -> None:
        self.at_once: Callable[[bytes], bool] | None = None
        self._writing = False
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._shows: Callable[[], bool] = bool
        self.closing: tuple[int, str] | None = None

    def frame(self, data: bytes) -> None:
        self._put(data, True)

    def say(self, code: int, *values: object) -> None:
        self._put(_encode([0, code, *values]), False)

    def purge(self) -> None:
        """Drop every frame that was not written yet."""
        self._waiting = deque(entry for entry in self._waiting if not entry[1])
        self._bytes = sum(len(data) for data, _ in self._waiting)

    def close(self, code: int, reason: str) -> None:
        self.closing = self.closing or (code, reason)
        self._wake.set()

    async def run(self, write: Callable[[bytes], Awaitable[None]], shows: Callable[[], bool]) -> None:
        """Write what comes; `shows` is asked right before each frame."""
        self._shows = shows
        wake = self._wake
        while self.closing is None or self._waiting:
            if not self._waiting:
                wake.clear()
                await wake.wait()
                continue
            data, is_frame = self._waiting.popleft()
            self._bytes -= len(data)
            if not is_frame or shows():
                self._writing = True
                await write(data)
                self._writing = False

    def _put(self, data: bytes, is_frame: bool) -> None:
        if self.closing is not None:
            return
        if self.at_once is not None and not self._waiting and not self._writing:
            if is_frame and not self._shows():
                return
            if self.at_once(data):
                return
        self._waiting.append((data, is_frame))
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            self._waiting.clear()
            self.close(1013, "too slow")
        self._wake.set()
