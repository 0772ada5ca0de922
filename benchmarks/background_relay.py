"""The UDP relay on a thread of its own, for callers without a running loop (tests that drive a browser)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from benchmarks.impairment import Counts, Profile
from benchmarks.relay import Address, UdpRelay

T = TypeVar("T")


class BackgroundRelay:
    """`with BackgroundRelay(target) as relay`: a UdpRelay on its own thread, for callers without a loop."""

    def __init__(self, target: Address, **settings: Any) -> None:
        """settings: as Relay."""
        self._relay = UdpRelay(target, **settings)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._relay.__aenter__(), self._loop).result(5)
        except BaseException:
            self._end()
            raise
        self.port = self._relay.port
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._relay.__aexit__(), self._loop).result(5)
        finally:
            self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _call(self, change: Callable[[], T]) -> T:
        async def run() -> T:
            return change()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(5)

    def impair(
        self, both: Profile | None = None, *, up: Profile | None = None, down: Profile | None = None
    ) -> None:
        """Set what is wrong from now on; a direction that is not named stays as it was."""

        def change() -> None:
            for direction, named in ((self._relay.up, up), (self._relay.down, down)):
                direction.setting.profile = named or both or direction.setting.profile

        self._call(change)

    def cut(self, *, up: bool = True, down: bool = True) -> None:
        """Cut (True) or mend (False) each direction by hand."""

        def change() -> None:
            self._relay.up.setting.cut, self._relay.down.setting.cut = up, down

        self._call(change)

    def mend(self) -> None:
        self.cut(up=False, down=False)

    def rebind(self, client: Address | None = None) -> None:
        self._call(lambda: self._relay.rebind(client))

    @property
    def clients(self) -> tuple[Address, ...]:
        return self._call(lambda: self._relay.clients)

    def counts(self) -> tuple[Counts, Counts]:
        """What passed and what did not so far: up, down."""
        return self._call(lambda: (self._relay.up.counts, self._relay.down.counts))
