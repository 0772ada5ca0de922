"""Which frames of a room are kept: those that pass while the visitor's grant to record holds, and no others.

Gate, grant and its expiry are read right before each frame is kept, after whatever was done beside the event
loop; what became of the grant in between is what counts. Where they are kept is `recordings.py`. Source:
docs/architecture.md, "the shared page".
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from cobrowse.gate import Gate
from cobrowse.stream import Pushed
from server.cobrowse.members import BIG_MIRROR, Tab


class Sink(Protocol):
    """Where frames are kept (recordings.py). After `close` nothing is taken."""

    def begins(self, stream: str) -> bool: ...
    def take(self, stream: str, epoch: int, frame: bytes, at_ms: int) -> None: ...
    def close(self) -> None: ...


class Keeper:
    """`sink` while a recording goes on. beside: does work in another thread."""

    def __init__(self, gate: Gate, beside: Callable[[Callable[[], Any]], Awaitable[Any]]) -> None:
        self._gate = gate
        self._beside = beside
        self.sink: Sink | None = None

    def keep(self, tab: Tab, pushed: Pushed) -> Coroutine[Any, Any, None] | None:
        """Keep the frame; where a block begins, a whole picture, made beside the loop if it is a big one."""
        sink = self._now()
        if sink is None:
            return None
        frame = pushed.frame
        if sink.begins(tab.id) and not pushed.snapshot:
            if len(tab.stream.mirror.nodes) > BIG_MIRROR:
                return self._keep_big(tab, sink)
            frame = tab.stream.whole()
        sink.take(tab.id, tab.stream.epoch, frame, now_ms())
        return None

    async def _keep_big(self, tab: Tab, sink: Sink) -> None:
        closings, epoch = self._gate.closings, tab.stream.epoch
        async with tab.lock:
            if epoch != tab.stream.epoch or not tab.stream.live:
                return
            frame = await self._beside(tab.stream.whole)
            if self._gate.passes(closings) and self._now() is sink:
                sink.take(tab.id, epoch, frame, now_ms())

    def _now(self) -> Sink | None:
        """Where a frame may be kept at this moment."""
        if self.sink is not None and self._gate.grant("record", now_ms()) is None:
            self.end()
        return self.sink if self._gate.shows else None

    def end(self) -> None:
        """From this moment no frame is kept; what was taken before is written."""
        sink, self.sink = self.sink, None
        if sink is not None:
            sink.close()


def now_ms() -> int:
    return int(time.time() * 1_000)
