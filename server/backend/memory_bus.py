"""The bus of one node: every actor is ours, envelopes go round in memory.

The epoch still comes from the log's database, so that a second process on the same data is fenced.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set

from server.backend import EpochStore, Neighbours, NodeInfo, Ownership
from signaling.errors import BackendUnavailable
from signaling.protocol import ActorId, NodeId

MAX_ENVELOPES = 10_000


class MemoryBus:
    """Ordered, at most once, one node. Raises: BackendUnavailable when the inbox is full."""

    shared = False

    def __init__(self, node_id: NodeId, epochs: EpochStore) -> None:
        self.neighbours: Neighbours | None = None
        self._node_id = node_id
        self._epochs = epochs
        self._inbox: asyncio.Queue[tuple[NodeId, bytes]] = asyncio.Queue(MAX_ENVELOPES)

    @property
    def node_id(self) -> NodeId:
        return self._node_id

    @property
    def holds(self) -> bool:
        return True

    def peers(self) -> Sequence[NodeInfo]:
        return ()

    def owner(self, actor: ActorId) -> NodeId | None:
        """Nobody else."""
        return None

    def forget(self, actor: ActorId) -> None:
        """Nothing is known of others."""

    async def claim(self, actor: ActorId) -> Ownership:
        return await self._epochs.claim(actor, self._node_id)

    def step_down(self, why: str) -> None:
        """Nobody could take over."""

    def step_up(self, why: str) -> None:
        """Nothing was given up."""

    def linked(self) -> Mapping[NodeId, Set[NodeId] | None]:
        return {self._node_id: frozenset()}

    async def reach(self, node: NodeId) -> None:
        if node != self._node_id:
            raise BackendUnavailable("no such node", node)

    def send(self, node: NodeId, envelope: bytes) -> None:
        if node != self._node_id:
            raise BackendUnavailable("no such node", node)
        try:
            self._inbox.put_nowait((node, envelope))
        except asyncio.QueueFull:
            raise BackendUnavailable("bus inbox is full") from None

    def open_door(self, door: Callable[[], asyncio.BaseProtocol]) -> None:
        """Nobody knocks."""

    async def knock(self, node: NodeId) -> asyncio.StreamWriter:
        raise BackendUnavailable("no such node", node)

    async def receive(self) -> AsyncIterator[tuple[NodeId, bytes]]:
        while True:
            yield await self._inbox.get()
