"""Where state is kept and how nodes talk: three small interfaces and one `open_backend`.

`Log` is the judge (append-only, one transaction per append, fenced by epoch), `Bus` the address
book and post office between nodes, `Blobs` keeps photos and other bytes. Embedded: MemoryBus,
SqliteLog, DirectoryBlobs; several nodes: RedisBus, PostgresLog, PostgresBlobs. The same contract
suite (`tests/test_backend.py`) holds for every implementation. Start here, then `sqlite_log.py`.
"""

from __future__ import annotations

from asyncio import BaseProtocol, StreamWriter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from signaling.protocol import ActorId, EngagementId, NodeId, ParticipantId, PhaseName, SiteId

# Phases in which an engagement has work to do.
AT_WORK: tuple[PhaseName, ...] = ("open", "queued", "offered", "active", "wrap_up")


class NodeInfo(Struct, frozen=True):
    """A node in the address book. link: host:port for other nodes; url: for browsers, "" when all share one.

    version: of the program, so that two of them can run side by side.
    """

    id: NodeId
    link: str = ""
    url: str = ""
    version: str = ""


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


class Neighbours(Protocol):
    """Who listens to a bus: what becomes of the other nodes, and of our own right to act."""

    def node_joined(self, node: NodeInfo) -> None: ...
    def node_left(self, node: NodeId) -> None:
        """It is dead, or the link to it is cut: what it had from us or sent to us is void."""

    def lapsed(self) -> None:
        """Our lease ran out: others may take what is ours."""

    def regained(self) -> None: ...


class Bus(Protocol):
    """The address book and the post between nodes.

    shared: there may be other nodes. claim: who owns the actor now; us, with a new epoch, unless another
    node that lives has it.
    owner: another node that is known to have the actor, without asking anybody. forget: it has it no more.
    holds: may this node act at all? (Its lease is renewed.) step_down: it acts no more, and others may take
    what is ours, until step_up for every reason. linked: whom each node that was heard of just now, we too,
    has a link to; None when it does not say. send: ordered per (sender, node), at most once. open_door: who
    speaks HTTP to other nodes that knock; knock: a stream to that of another node, as long as it is kept.
    Raises: OwnershipLost while the lease is not held, BackendUnavailable.
    """

    shared: bool
    neighbours: Neighbours | None

    @property
    def node_id(self) -> NodeId: ...
    @property
    def holds(self) -> bool: ...
    def peers(self) -> Sequence[NodeInfo]: ...
    def owner(self, actor: ActorId) -> NodeId | None: ...
    def forget(self, actor: ActorId) -> None: ...
    async def claim(self, actor: ActorId) -> Ownership: ...
    def step_down(self, why: str) -> None: ...
    def step_up(self, why: str) -> None: ...
    def linked(self) -> Mapping[NodeId, Set[NodeId] | None]: ...
    async def reach(self, node: NodeId) -> None: ...
    def send(self, node: NodeId, envelope: bytes) -> None: ...
    def receive(self) -> AsyncIterator[tuple[NodeId, bytes]]: ...
    def open_door(self, door: Callable[[], BaseProtocol]) -> None: ...
    async def knock(self, node: NodeId) -> StreamWriter: ...


class EpochStore(Protocol):
    """Who keeps the epochs: the log's database."""

    async def claim(self, actor: ActorId, node: NodeId, others: Sequence[NodeId] = ()) -> Ownership: ...


class Log(Protocol):
    """Raises StaleEpoch (a later claim exists), SeqConflict, BackendUnavailable; never half-done.

    kept: which of our ownerships no later claim has ended. release: given back, for whoever asks next.
    orphans: actors with work to do whose owner is none of `living`. alone: one at a time, over all nodes.
    reached: does the database answer within so many seconds?
    """

    @property
    def commits(self) -> int: ...
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
    async def claim(self, actor: ActorId, node: NodeId, others: Sequence[NodeId] = ()) -> Ownership: ...
    async def release(self, actors: Sequence[ActorId], node: NodeId) -> None: ...
    async def kept(self, owned: Sequence[Ownership]) -> set[ActorId]: ...
    async def orphans(self, living: Sequence[NodeId], limit: int) -> Sequence[ActorId]: ...
    async def reached(self, seconds: float) -> bool: ...
    def alone(self, name: str) -> AbstractAsyncContextManager[None]: ...
    async def put_key(self, engagement: str, subject: str, wrapped_key: bytes) -> None: ...
    async def get_key(self, engagement: str) -> bytes | None: ...
    async def drop_key(self, engagement: str) -> None: ...
    async def agree(self, name: str, value: bytes) -> bytes: ...


class Blobs(Protocol):
    """Whole objects by random key. Raises NotFound, BackendUnavailable."""

    async def put(self, key: str, data: bytes) -> None: ...
    async def get(self, key: str) -> bytes: ...
    async def delete(self, key: str) -> None: ...
