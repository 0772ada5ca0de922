"""Wall clock and timers of the actors: SetTimer in, TimerFired out. Tests give a clock of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from signaling.events import TimerFired
from signaling.protocol import ActorId


class Clock(Protocol):
    """now_ms: epoch time; call_at_ms: run `fire` when now_ms() reaches due_ms, cancellable."""

    def now_ms(self) -> int: ...
    def call_at_ms(self, due_ms: int, fire: Callable[[], None]) -> asyncio.TimerHandle: ...


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def call_at_ms(self, due_ms: int, fire: Callable[[], None]) -> asyncio.TimerHandle:
        wait_s = max(0, due_ms - self.now_ms()) / 1_000
        return asyncio.get_running_loop().call_later(wait_s, fire)


class Timers:
    """One handle per (actor, name); setting again replaces. Nothing fires after `stop`."""

    def __init__(self, clock: Clock, fired: Callable[[ActorId, TimerFired], None]) -> None:
        self._clock = clock
        self._fired = fired
        self._handles: dict[ActorId, dict[str, asyncio.TimerHandle]] = {}

    def set(self, actor: ActorId, name: str, due_ms: int) -> None:
        self.cancel(actor, name)
        handle = self._clock.call_at_ms(due_ms, lambda: self._fire(actor, name, due_ms))
        self._handles.setdefault(actor, {})[name] = handle

    def cancel(self, actor: ActorId, name: str) -> None:
        if (handle := self._taken(actor, name)) is not None:
            handle.cancel()

    def cancel_all(self, actor: ActorId) -> None:
        """The actor is not here any more."""
        for handle in self._handles.pop(actor, {}).values():
            handle.cancel()

    def stop(self) -> None:
        for actor in list(self._handles):
            self.cancel_all(actor)

    def _fire(self, actor: ActorId, name: str, due_ms: int) -> None:
        self._taken(actor, name)
        self._fired(actor, TimerFired(at_ms=max(due_ms, self._clock.now_ms()), name=name, due_ms=due_ms))

    def _taken(self, actor: ActorId, name: str) -> asyncio.TimerHandle | None:
        handles = self._handles.get(actor, {})
        handle = handles.pop(name, None)
        if not handles:
            self._handles.pop(actor, None)
        return handle
