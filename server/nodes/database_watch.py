"""A node that alone no longer reaches the database steps down, so that others take what is its own.

When nobody reaches it nobody steps down: there is no one to take over, and calls and shared pages go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from server.backend import Bus, Log
from server.nodes.messages import Reaches
from server.nodes.peers import Peers
from signaling.errors import BackendError
from signaling.protocol import NodeId

logger = logging.getLogger(__name__)

ASK_EVERY_S = 0.4
ANSWER_S = 0.6
PATIENCE_S = 0.7
WHY = "database"


class DatabaseWatch:
    """One per node among several; `run` asks until it is cancelled."""

    def __init__(self, bus: Bus, log: Log, peers: Peers, send_away: Callable[[], None]) -> None:
        """send_away: called when this node has stepped down; its clients are better off elsewhere."""
        self._bus = bus
        self._send_away = send_away
        self._log = log
        self._peers = peers
        self._fine_since_s: float | None = time.monotonic()
        self._failed_since_s = 0.0
        self._away = False
        peers.asks[Reaches] = self._reaches

    async def run(self) -> None:
        while True:
            asked_s = time.monotonic()
            if await self._log.reached(ANSWER_S):
                self._answered()
            else:
                await self._silent(asked_s)
            await asyncio.sleep(ASK_EVERY_S)

    def _answered(self) -> None:
        if self._fine_since_s is None:
            self._fine_since_s = time.monotonic()
        if self._away:
            self._away = False
            logger.warning("the database answers again")
            self._bus.step_up(WHY)

    async def _silent(self, asked_s: float) -> None:
        if self._fine_since_s is not None:
            self._fine_since_s, self._failed_since_s = None, asked_s
        failed_s = time.monotonic() - self._failed_since_s
        if self._away or failed_s < PATIENCE_S:
            return
        with contextlib.suppress(BackendError):
            others = await self._peers.ask_all(Reaches())
            if any(fine_s > failed_s for fine_s in others):
                self._away = True
                logger.warning("stepping down: this node alone does not reach the database")
                self._bus.step_down(WHY)
                self._send_away()

    async def _reaches(self, _: NodeId, __: Reaches) -> float:
        return -1.0 if self._fine_since_s is None else time.monotonic() - self._fine_since_s
