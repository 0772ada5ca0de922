"""What becomes of our connections and actors when other nodes come and go, or when we lose our lease.

Every node is told of agents' connections, so that work can ring at them from anywhere. A client whose
engagement lived on a node that is gone is asked to come back: it connects again within a moment, here or
elsewhere, and reads on where it stopped. Actors with work to do are adopted by whoever finds them first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random

from server.backend import Bus, NodeInfo
from server.effects import Effects
from server.hub import Hub
from server.nodes import messages as m
from server.owner import Owner
from server.presence import HERE, Outlets
from server.service import Service
from server.sessions import OwnOutlet
from server.tasks import start
from signaling.errors import BackendError, TalkError
from signaling.protocol import NodeId

logger = logging.getLogger(__name__)

SWEEP_S = 5.0
ASK_AGAIN_S = 0.1
VERIFY_AGAIN_S = 0.5
SETTLE_S = 3.2  # a lease (1.2 s) that was renewed just before our first beat, and a claim on its way (2 s)
COME_BACK_MS = 150
COME_BACK_EACH_MS = 0.5


class Cluster:
    """The bus' listener (backend.Neighbours); one per node."""

    def __init__(
        self, bus: Bus, hub: Hub, owner: Owner, service: Service, effects: Effects, outlets: Outlets
    ) -> None:
        self._bus = bus
        self._peers = effects.peers
        self._hub = hub
        self._owner = owner
        self._outlets = outlets
        self._beginnings = 0
        self._peers.notes |= {
            m.Here: owner.here,
            m.Gone: owner.gone,
            m.Deliver: self._deliver,
            m.ComeBack: self._come_back,
            m.Opened: service.opened,
            m.Places: lambda _, note: effects.tell_places(note),
        }
        self._peers.asks[m.Holds] = self._holds
        bus.neighbours = self

    async def sweep(self) -> None:
        """Again and again: whose owner died without anybody having an event for it?"""
        while True:
            await asyncio.sleep(SWEEP_S)
            await self._adopt()

    # --- other nodes (backend.Neighbours) -------------------------------------------------------

    def node_joined(self, node: NodeInfo) -> None:
        for outlet in self._outlets.at(HERE):
            name = self._outlets.name(outlet)
            if name is not None and outlet.session.role != "visitor":
                self._peers.note(node.id, m.Here(name[1], outlet.session))

    def node_left(self, node: NodeId) -> None:
        self._peers.lost(node)
        for theirs in self._outlets.at(node):
            last = self._owner.forget(theirs)
            if last and theirs.session.role != "visitor":
                self._owner.agent_lost(theirs.session)
        ours = self._outlets.dependent(node)
        spread_ms = COME_BACK_MS + COME_BACK_EACH_MS * len(ours)
        for outlet in ours:
            outlet.come_back("moved", int(random.uniform(0, spread_ms)))
        if all(peer.id != node for peer in self._bus.peers()):
            start(self._hub.tasks, self._adopt(), "adopt")

    def lapsed(self) -> None:
        """The hub takes nothing while the bus does not hold. Are we alone in that?"""
        start(self._hub.tasks, self._send_away(), "send away")

    async def _send_away(self) -> None:
        """Where others still hold, whoever reads something is better off there; else nobody is."""
        await asyncio.sleep(ASK_AGAIN_S)
        with contextlib.suppress(TalkError):
            await self._send_away_where_others_hold()

    async def _send_away_where_others_hold(self) -> None:
        held = await self._peers.ask_all(m.Holds())
        if any(held) and not self._bus.holds:
            self.send_away()

    def send_away(self) -> None:
        """Whoever reads something is better off at another node."""
        for outlet in self._outlets.at(HERE):
            if self._outlets.reads(outlet):
                outlet.come_back("draining", int(random.uniform(0, COME_BACK_MS)))

    def hand_over(self) -> None:
        """Our actors are given away: their readers on other nodes look for the new owner."""
        for outlet in self._outlets.elsewhere():
            if self._outlets.reads(outlet):
                outlet.come_back("moved", 0)

    async def _holds(self, _: NodeId, __: m.Holds) -> bool:
        return self._bus.holds

    def regained(self) -> None:
        self._hub.doubt()
        start(self._hub.tasks, self._verify(), "verify")
        start(self._hub.tasks, self.settle(), "settle")

    async def settle(self) -> None:
        """After the first beat, at the start or after a cut: others do not know at once that we live."""
        self._hub.settled = False
        self._beginnings += 1
        mine = self._beginnings
        await asyncio.sleep(SETTLE_S)
        await self._verify()
        if mine == self._beginnings:
            self._hub.settled = True

    async def _verify(self) -> None:
        while True:
            try:
                await self._hub.verify()
                return
            except BackendError as error:
                logger.warning("owned actors not verified", extra={"code": error.wire_code})
            await asyncio.sleep(VERIFY_AGAIN_S)

    async def _adopt(self) -> None:
        if not self._bus.holds:
            return
        try:
            taken = await self._hub.adopt([peer.id for peer in self._bus.peers()])
        except BackendError as error:
            logger.warning("orphans not read", extra={"code": error.wire_code})
            return
        if taken:
            logger.info("adopted", extra={"count": taken})

    # --- notes for our connections ------------------------------------------------------------------

    def _deliver(self, node: NodeId, note: m.Deliver) -> None:
        if (outlet := self._own(node, note.conn)) is not None:
            outlet.relay(note.text)

    def _come_back(self, node: NodeId, note: m.ComeBack) -> None:
        if (outlet := self._own(node, note.conn)) is not None:
            outlet.come_back("moved", note.retry_after_ms)

    def _own(self, node: NodeId, conn: int) -> OwnOutlet | None:
        outlet = self._outlets.named((HERE, conn))
        if outlet is not None:
            self._outlets.depends(outlet, node)
        return outlet  # type: ignore[return-value]
