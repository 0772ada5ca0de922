"""The bus of one node: every actor is ours, envelopes go round in memory.

The epoch still comes from the log's database, so that a second process on the same data is fenced.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from server.backend import Ownership
from signaling.errors import BackendUnavailable
from signaling.protocol import ActorId, NodeId

MAX_ENVELOPES = 10_000


class EpochStore(Protocol):
    """Who keeps the epochs (the log's database)."""

    async def claim(self, actor: ActorId, node: NodeId) -> int: ...


class MemoryBus:
    """Ordered, at most once, one node. Raises: BackendUnavailable when the inbox is full."""

    def __init__(self, node_id: NodeId, epochs: EpochStore) -> None:
        self._node_id = node_id
        self._epochs = epochs
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue(MAX_ENVELOPES)

    @property
    def node_id(self) -> NodeId:
        return self._node_id

    async def claim(self, actor: ActorId) -> Ownership:
        return Ownership(actor, self._node_id, await self._epochs.claim(actor, self._node_id))

    async def release(self, actor: ActorId) -> None:
        """Nothing to give back: no other node could take it."""

    async def send(self, node: NodeId, envelope: bytes) -> None:
        if node != self._node_id:
            raise BackendUnavailable("no such node", node)
        try:
            self._inbox.put_nowait(envelope)
        except asyncio.QueueFull:
            raise BackendUnavailable("bus inbox is full") from None

    async def receive(self) -> AsyncIterator[bytes]:
        while True:
            yield await self._inbox.get()
