"""What waits to be written to one socket: bounded, in order, and nothing of a page once its gate is closed.

The socket's own task writes; whoever has something puts it here and goes on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

MAX_BYTES = 4 * 1024 * 1024
_encode = msgspec.msgpack.Encoder().encode


class Line:
    """`frame` for bytes of a page, `say` for messages beside it; `run` writes until `close`."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
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
        wake = self._wake
        while self.closing is None or self._waiting:
            if not self._waiting:
                wake.clear()
                await wake.wait()
                continue
            data, is_frame = self._waiting.popleft()
            self._bytes -= len(data)
            if not is_frame or shows():
                await write(data)

    def _put(self, data: bytes, is_frame: bool) -> None:
        if self.closing is not None:
            return
        self._waiting.append((data, is_frame))
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            self._waiting.clear()
            self.close(1013, "too slow")
        self._wake.set()
