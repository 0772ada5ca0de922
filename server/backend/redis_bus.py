"""The bus of several nodes: a lease in Redis' address book, epochs in the log, envelopes over links.

A node acts while its lease holds: it has written its beat within TTL_S by its own clock. Another node
counts as dead when its beat has stood still for PEER_S, or when its machine says that nobody listens any
more (SILENT_S). Both waits are by the observer's clock; wall clocks are compared nowhere. Redis is only
the address book: which node may append is decided by the epoch in the append's own transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set

from msgspec import Struct

from server.backend import EpochStore, Neighbours, NodeInfo, Ownership
from server.backend.address_book import BEAT_S, AddressBook, Entry
from server.backend.links import Links
from signaling.errors import BackendUnavailable, OwnershipLost
from signaling.protocol import ActorId, NodeId

logger = logging.getLogger(__name__)

TTL_S = 1.2
PEER_S = 1.5
SILENT_S = 0.6
QUICK_S = 0.1  # between beats while somebody is not reached: who gives way is read from beats
FRESH_S = 0.6  # who has been silent for so long may be dead: what it said of its links counts no more
JOIN_S = 1.5  # so long who is new, or was away, counts as linked before it is
REACH_S = 1.0
FORGET_S = 5.0  # then its entry goes: a new node takes every entry for a living node until it knows better
MAX_KNOWN_OWNERS = 200_000


def now_s() -> float:
    """Seconds that also pass while the machine sleeps, so that a lease does not outlive a suspend."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class _Peer(Struct):
    node: NodeInfo
    beat: int
    changed_s: float
    alive: bool = False
    linked: Set[NodeId] | None = None
    joined_s: float = 0.0  # when it came to life, for us
    reached_us: bool = False  # it has said so since


class RedisBus:
    """One per node; `run` renews the lease and watches the others until it is cancelled."""

    shared = True

    def __init__(self, me: NodeInfo, book: AddressBook, links: Links, epochs: EpochStore) -> None:
        self.neighbours: Neighbours | None = None
        self._me = me
        self._book = book
        self._links = links
        self._epochs = epochs
        self._beat = 0
        self._until_s = 0.0
        self._held = False
        self._since_s = 0.0  # when the lease was taken
        self._read_s = 0.0  # when the address book was read
        self._soon = asyncio.Event()
        self._left = False
        self._away: set[str] = set()  # why it is away
        self._peers: dict[NodeId, _Peer] = {}
        self._owners: OrderedDict[ActorId, NodeId] = OrderedDict()
        links.users = self

    # --- the address book ---------------------------------------------------------------------

    @property
    def node_id(self) -> NodeId:
        return self._me.id

    @property
    def holds(self) -> bool:
        return self._held and now_s() < self._until_s

    def peers(self) -> Sequence[NodeInfo]:
        return [peer.node for peer in self._peers.values() if peer.alive]

    async def start(self) -> None:
        """The first beat: from here on the others know us. Raises: BackendUnavailable."""
        await self._renew()

    async def run(self) -> None:
        while not self._left:
            began_s = now_s()
            try:
                await self._renew()
            except BackendUnavailable as error:
                logger.warning("lease not renewed", extra={"reason": str(error.args[1:])})
            self._judge()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.05, self._pause_s() - (now_s() - began_s))):
                    await self._soon.wait()
            self._soon.clear()

    def _pause_s(self) -> float:
        linked = self._links.linked()
        whole = all(peer.node.id in linked for peer in self._peers.values() if peer.alive)
        return BEAT_S if whole else QUICK_S

    async def leave(self) -> None:
        """Say goodbye, so that nobody waits for our lease to run out."""
        self._held = False
        self._left = True  # what is heard of links from now on brings no beat that would take it back
        with contextlib.suppress(BackendUnavailable):
            await self._book.beat(Entry(self._me, self._beat + 1, True), [])
        await self._book.close()

    async def _renew(self) -> None:
        asked_s = now_s()
        self._beat += 1
        gone = [peer for peer in self._peers.values() if not peer.alive]
        old = [peer.node.id for peer in gone if asked_s - peer.changed_s > FORGET_S]
        entries = await self._book.beat(self._entry(), old)
        for node in old:
            self._peers.pop(node, None)
            self._links.leave(node)
        self._read_s = now_s()
        for entry in entries:
            if entry.node.id != self._me.id:
                self._saw(entry, now_s())
        if self._away or self._left:
            return
        late = not self._held or asked_s >= self._until_s
        self._until_s = asked_s + TTL_S
        if late:
            # What we did not see while we were away says nothing about the others.
            for peer in self._peers.values():
                peer.changed_s = now_s()
            self._regain()

    def _entry(self) -> Entry:
        return Entry(self._me, self._beat, bool(self._away), tuple(self._links.linked()))

    def _saw(self, entry: Entry, at_s: float) -> None:
        peer = self._peers.get(entry.node.id)
        if peer is None:
            peer = self._peers[entry.node.id] = _Peer(entry.node, entry.beat - 1, at_s)
        peer.linked = None if entry.linked is None else frozenset(entry.linked)
        if not (beats := entry.beat != peer.beat) and not entry.left:
            return
        if beats:
            peer.beat, peer.changed_s = entry.beat, at_s
        if entry.left:
            self._bury(peer)
            if beats and entry.linked is not None:
                self._links.join(peer.node)  # it is only away, and comes back when it is reached
        elif not peer.alive:
            peer.alive, peer.joined_s, peer.reached_us = True, at_s, False
            logger.info("node joined", extra={"node": peer.node.id})
            self._links.join(peer.node)
            if peer.node.id in self._links.linked():
                self.link_up(peer.node.id)
        peer.reached_us |= peer.linked is not None and self._me.id in peer.linked

    def _judge(self) -> None:
        """Who has not been heard of is dead; and are we?"""
        at_s = now_s()
        if self._held and at_s >= self._until_s:
            self._lapse()
        if not self.holds:
            return
        for peer in self._peers.values():
            silent_s = at_s - peer.changed_s
            if silent_s > (SILENT_S if self._links.refuses(peer.node.id) else PEER_S):
                self._bury(peer)

    def step_down(self, why: str) -> None:
        """A beat says that we left; nothing is done from now on."""
        self._away.add(why)
        self._soon.set()
        self._until_s = 0.0
        self._judge()

    def step_up(self, why: str) -> None:
        self._away.discard(why)

    def linked(self) -> Mapping[NodeId, Set[NodeId] | None]:
        mine = set(self._links.linked())
        found: dict[NodeId, Set[NodeId] | None] = {self._me.id: mine}
        until_s = self._since_s + JOIN_S
        for peer in self._peers.values():
            node = peer.node.id
            silent = self._read_s - peer.changed_s > FRESH_S
            if not peer.alive or silent or self._links.refuses(node):
                continue
            # A link that is not there yet is awaited; one that has been there and is not is broken.
            joins_s = peer.joined_s + JOIN_S
            if now_s() < (until_s if self._links.had(node) else max(until_s, joins_s)):
                mine.add(node)
            found[node] = peer.linked
            said_s = until_s if peer.reached_us else max(until_s, joins_s)
            if peer.linked is not None and peer.changed_s < said_s:
                found[node] = peer.linked | {self._me.id}
        return found

    def _lapse(self) -> None:
        self._held = False
        logger.warning("lease lost: nothing is done until it is renewed")
        if self.neighbours is not None:
            self.neighbours.lapsed()

    def _regain(self) -> None:
        again = self._beat > 1
        if again and self._held:
            self._lapse()  # we slept through it and have only now seen it
        self._held = True
        self._since_s = now_s()
        if again:
            self._owners.clear()
            logger.warning("lease held again")
            if self.neighbours is not None:
                self.neighbours.regained()

    def _bury(self, peer: _Peer) -> None:
        if not peer.alive:
            return
        peer.alive = False
        logger.warning("node is gone", extra={"node": peer.node.id})
        self._links.leave(peer.node.id)
        if self.neighbours is not None:
            self.neighbours.node_left(peer.node.id)

    # --- links (links.py tells) ---------------------------------------------------------------

    def link_up(self, node: NodeId) -> None:
        self._soon.set()
        peer = self._peers.get(node)
        if self.neighbours is not None and peer is not None and peer.alive:
            self.neighbours.node_joined(peer.node)

    def link_down(self, node: NodeId) -> None:
        self._soon.set()
        if self.neighbours is not None:
            self.neighbours.node_left(node)

    def link_refused(self, node: NodeId) -> None:
        self._judge()

    # --- owners -------------------------------------------------------------------------------

    def owner(self, actor: ActorId) -> NodeId | None:
        node = self._owners.get(actor)
        if node is None:
            return None
        if (peer := self._peers.get(node)) is not None and peer.alive:
            return node
        del self._owners[actor]
        return None

    def forget(self, actor: ActorId) -> None:
        self._owners.pop(actor, None)

    async def claim(self, actor: ActorId) -> Ownership:
        if not self.holds:
            raise OwnershipLost("no lease", retry_after_ms=500)
        others = [peer.node.id for peer in self._peers.values() if peer.alive]
        owned = await self._epochs.claim(actor, self._me.id, others)
        if owned.node != self._me.id:
            self._owners[actor] = owned.node
            if len(self._owners) > MAX_KNOWN_OWNERS:
                self._owners.popitem(last=False)
        return owned

    # --- the post -----------------------------------------------------------------------------

    async def reach(self, node: NodeId) -> None:
        """A claim that was asked while it lived may still name one that is gone: nobody waits for that."""
        if node == self._me.id:
            return
        if (peer := self._peers.get(node)) is not None and not peer.alive:
            raise BackendUnavailable("gone", node)
        await self._links.reach(node, REACH_S)

    def send(self, node: NodeId, envelope: bytes) -> None:
        if node == self._me.id:
            try:
                self._links.inbox.put_nowait((node, envelope))
            except asyncio.QueueFull:
                raise BackendUnavailable("bus inbox is full") from None
        else:
            self._links.send(node, envelope)

    def open_door(self, door: Callable[[], asyncio.BaseProtocol]) -> None:
        self._links.door = door

    async def knock(self, node: NodeId) -> asyncio.StreamWriter:
        return await self._links.knock(node)

    async def receive(self) -> AsyncIterator[tuple[NodeId, bytes]]:
        while True:
            yield await self._links.inbox.get()
