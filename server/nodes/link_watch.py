"""Two nodes that both live and do not reach each other: one gives way, so that everybody reaches the rest.

Redis is the witness: every beat says to whom a node has a link. Of two without one the node that reaches
fewer others steps down; when both reach as many, the one whose name comes later. Others go on calling it, so
that it sees in their beats when they reach it again, and comes back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Set

from server.backend import Bus
from signaling.protocol import NodeId

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.05
PATIENCE_S = 0.6  # a link that broke is there again much sooner, or not soon
WELL_S = 1.0
WHY = "links"

Linked = Mapping[NodeId, Set[NodeId] | None]


def reach(linked: Linked, one: NodeId, other: NodeId) -> bool:
    """Each of the two has a link to the other, or does not say."""

    def says(links: Set[NodeId] | None, node: NodeId) -> bool:
        return links is None or node in links

    return says(linked[one], other) and says(linked[other], one)


def gives_way(me: NodeId, linked: Linked) -> bool:
    """linked: to whom each living node has a link; None when it does not say (an earlier version)."""

    def rank(one: NodeId) -> tuple[int, NodeId]:
        """Less: stays."""
        return -sum(reach(linked, one, other) for other in linked if other != one), one

    return any(not reach(linked, me, other) and rank(other) < rank(me) for other in linked if other != me)


class LinkWatch:
    """One per node among several; `run` looks until it is cancelled. send_away: our clients, when we go."""

    def __init__(self, bus: Bus, send_away: Callable[[], None]) -> None:
        self._bus = bus
        self._send_away = send_away
        self._since_s: float | None = None  # how long what would change our mind has held
        self._away = False

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look(time.monotonic())

    def look(self, now_s: float) -> None:
        linked, me = self._bus.linked(), self._bus.node_id
        if self._away:
            changes = all(reach(linked, me, other) for other in linked if other != me)
        else:
            changes = self._bus.holds and gives_way(me, linked)
        if not changes:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        elif now_s - self._since_s >= (WELL_S if self._away else PATIENCE_S):
            self._since_s = None
            self._turn()

    def _turn(self) -> None:
        self._away = not self._away
        if self._away:
            logger.warning("stepping down: a node that reaches more does not reach this one")
            self._bus.step_down(WHY)
            self._send_away()
        else:
            logger.warning("links to all others again")
            self._bus.step_up(WHY)
