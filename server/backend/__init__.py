"""Where state is kept and how nodes talk: three small interfaces and one `open_backend`.

`Log` is the judge (append-only, one transaction per append, fenced by epoch), `Bus` the address
book and post office between nodes, `Blobs` keeps photos and other bytes. Embedded: MemoryBus,
SqliteLog, DirectoryBlobs; the same contract suite (`tests/test_backend.py`) holds for every
implementation. Start here, then `sqlite_log.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from msgspec import Struct

from signaling.protocol import ActorId, EngagementId, NodeId, ParticipantId, PhaseName, SiteId


class Ownership(Struct, frozen=True):
    """The right to append for `actor`; a later claim has a greater epoch and ends this one."""

    actor: ActorId
    node: NodeId
    epoch: int


class Projection(Struct, frozen=True):
    """The `engagements` row as of the append it travels with (upserted in the same transaction)."""

    engagement: EngagementId
    site: SiteId
    visitor: ParticipantId
    agent: ParticipantId | None
    phase: PhaseName
    opened_ms: int
    changed_ms: int
    ended_ms: int


class IndexQuery(Struct, frozen=True, kw_only=True):
    """Conjunction of what is given; newest first. phases: any of; empty = all."""

    site: SiteId | None = None
    visitor: ParticipantId | None = None
    agent: ParticipantId | None = None
    phases: tuple[PhaseName, ...] = ()
    limit: int = 100


class Checkpoint(Struct, frozen=True):
    seq: int
    state: bytes


class Loaded(Struct, frozen=True):
    """checkpoint: newest one or None; records: everything after it (or after_seq), seq dense."""

    checkpoint: Checkpoint | None
    records: Sequence[bytes]


class Bus(Protocol):
    """Raises BackendUnavailable. `send` is ordered per (sender, node), at most once."""

    @property
    def node_id(self) -> NodeId: ...
    async def claim(self, actor: ActorId) -> Ownership: ...
    async def release(self, actor: ActorId) -> None: ...
    async def send(self, node: NodeId, envelope: bytes) -> None: ...
    def receive(self) -> AsyncIterator[bytes]: ...


class Log(Protocol):
    """Raises StaleEpoch (a later claim exists), SeqConflict, BackendUnavailable; never half-done."""

    async def append(
        self,
        actor: ActorId,
        epoch: int,
        after_seq: int,
        records: Sequence[bytes],
        projections: Sequence[Projection] = (),
    ) -> int: ...
    async def load(self, actor: ActorId, after_seq: int = 0) -> Loaded: ...
    async def checkpoint(self, actor: ActorId, epoch: int, seq: int, state: bytes) -> None: ...
    async def query(self, query: IndexQuery) -> Sequence[Projection]: ...


class Blobs(Protocol):
    """Whole objects by random key. Raises NotFound, BackendUnavailable."""

    async def put(self, key: str, data: bytes) -> None: ...
    async def get(self, key: str) -> bytes: ...
    async def delete(self, key: str) -> None: ...
