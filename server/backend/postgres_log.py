"""The log in PostgreSQL: what is queued from all actors is one transaction, judged append by append.

A batch takes two round trips: lock the owners' rows and read what is there; then write whatever passed.
The lock (FOR SHARE on `ownership`) makes a claim wait for the appends of the epoch before it, so a new
owner reads everything that was acked. synchronous_commit stays on: a commit is on disk.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple
from psycopg.errors import LockNotAvailable

from server.backend import AT_WORK, Checkpoint, IndexQuery, Loaded, Ownership, Projection
from server.backend.index import COLUMNS, conditions
from server.backend.postgres import Connection, Pool, Pulse, connection
from signaling.errors import BackendError, BackendUnavailable, SeqConflict, StaleEpoch
from signaling.protocol import ActorId, NodeId

MAX_BATCH = 1_000

_LOCK = "SELECT actor, epoch FROM ownership WHERE actor = ANY(%s) ORDER BY actor FOR SHARE"
_LAST = """
SELECT asked.actor, (SELECT max(seq) FROM events WHERE events.actor = asked.actor)
FROM unnest(%s::text[]) AS asked(actor)
"""
_INSERT = """
INSERT INTO events (actor, seq, epoch, at_ms, record)
SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bytea[])
"""
_UPSERT = f"""
INSERT INTO engagements ({COLUMNS})
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                     %s::bigint[], %s::bigint[], %s::bigint[])
ON CONFLICT (engagement) DO UPDATE SET agent = excluded.agent, phase = excluded.phase,
changed_ms = excluded.changed_ms, ended_ms = excluded.ended_ms
"""
_CLAIM = """
INSERT INTO ownership (actor, node, epoch) VALUES (%s, %s, 1) ON CONFLICT (actor)
DO UPDATE SET node = excluded.node, epoch = ownership.epoch + 1
WHERE NOT (ownership.node = ANY(%s)) RETURNING node, epoch
"""
_FENCE = """
SELECT pg_terminate_backend(pid) FROM ownership JOIN pg_stat_activity ON application_name = %s || node
WHERE actor = %s AND NOT (node = ANY(%s)) AND pg_has_role(usesysid, 'MEMBER')
"""
_NAME = "talknow "


class _Append(Struct):
    actor: ActorId
    epoch: int
    after_seq: int
    records: Sequence[bytes]
    projections: Sequence[Projection]
    done: asyncio.Future[int]


def name_of(node: NodeId) -> str:
    """What PostgreSQL calls a node's connections, so that others can end them."""
    return _NAME + node


class PostgresLog:
    """Log and epoch store over one database whose schema is already there. `run` is its writer."""

    def __init__(self, pool: Pool, locks: Pool, pulse: Pulse) -> None:
        """locks: a pool of its own, so that who holds one can always write."""
        self._pulse = pulse
        self._pool = pool
        self._locks = locks
        self._queue: asyncio.Queue[_Append] = asyncio.Queue()
        self.commits = 0

    async def reached(self, seconds: float) -> bool:
        return await self._pulse.beats(seconds)

    # --- writing ----------------------------------------------------------------------------

    async def append(
        self,
        actor: ActorId,
        epoch: int,
        after_seq: int,
        records: Sequence[bytes],
        projections: Sequence[Projection] = (),
    ) -> int:
        """Append `records` as after_seq+1…; returns the last seq. Raises StaleEpoch, SeqConflict."""
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Append(actor, epoch, after_seq, records, projections, done))
        return await done

    async def run(self) -> None:
        """Write batches for ever: everything that waits, one append per actor at a time."""
        later: list[_Append] = []
        while True:
            batch, kept = {}, []
            waiting = later or [await self._queue.get()]
            while len(waiting) < MAX_BATCH and not self._queue.empty():
                waiting.append(self._queue.get_nowait())
            for one in waiting:
                if one.actor in batch:
                    kept.append(one)
                else:
                    batch[one.actor] = one
            later = kept
            await self._write(list(batch.values()))

    async def _write(self, batch: list[_Append]) -> None:
        try:
            async with connection(self._pool, "log write") as one:
                results = await _commit(one, batch)
            self.commits += 1
        except BackendUnavailable as error:
            results = [error] * len(batch)
        for append, result in zip(batch, results, strict=True):
            if append.done.done():
                continue
            if isinstance(result, BackendError):
                append.done.set_exception(result)
            else:
                append.done.set_result(result)

    async def claim(self, actor: ActorId, node: NodeId, others: Sequence[NodeId] = ()) -> Ownership:
        """Take the actor unless one of `others` has it: who owns it now, by which epoch.

        A node that is gone may hang in the middle of an append, its locks held: its connections are ended.
        """
        async with connection(self._pool, "claim") as one:
            for _ in range(3):
                try:
                    cursor = await one.execute(_CLAIM, (actor, node, list(others)))
                except LockNotAvailable:
                    await one.execute(_FENCE, (_NAME, actor, [node, *others]))
                    continue
                row = await cursor.fetchone()
                if row is None:
                    found = "SELECT node, epoch FROM ownership WHERE actor = %s"
                    row = await (await one.execute(found, (actor,))).fetchone()
                if row is not None:
                    return Ownership(actor, NodeId(row[0]), row[1])
        raise BackendUnavailable("claim", actor)

    async def release(self, actors: Sequence[ActorId], node: NodeId) -> None:
        """They belong to nobody from now on, and whoever comes next may claim them."""
        async with connection(self._pool, "release") as one:
            free = "UPDATE ownership SET node = '' WHERE actor = ANY(%s) AND node = %s"
            await one.execute(free, (list(actors), node))

    async def kept(self, owned: Sequence[Ownership]) -> set[ActorId]:
        """Those of `owned` that no later claim has ended."""
        async with connection(self._pool, "owners") as one:
            asked = "SELECT actor, epoch FROM ownership WHERE actor = ANY(%s)"
            rows = await (await one.execute(asked, ([own.actor for own in owned],))).fetchall()
        epochs: dict[str, int] = dict(rows)
        return {own.actor for own in owned if epochs.get(own.actor) == own.epoch}

    async def checkpoint(self, actor: ActorId, epoch: int, seq: int, state: bytes) -> None:
        async with connection(self._pool, "checkpoint") as one, one.transaction():
            row = await (await one.execute(_LOCK, ([actor],))).fetchone()
            if row is None or row[1] != epoch:
                raise StaleEpoch(actor, epoch, row and row[1])
            await one.execute(
                "INSERT INTO checkpoints (actor, seq, state) VALUES (%s, %s, %s) ON CONFLICT (actor) "
                "DO UPDATE SET seq = excluded.seq, state = excluded.state",
                (actor, seq, state),
            )

    # --- content keys and what nodes share ---------------------------------------------------

    async def put_key(self, engagement: str, subject: str, wrapped_key: bytes) -> None:
        """Keep a content key (server/sealing.py); the first one of an engagement stays."""
        async with connection(self._pool, "key") as one:
            await one.execute(
                "INSERT INTO content_keys (engagement, subject, wrapped_key) VALUES (%s, %s, %s) "
                "ON CONFLICT DO NOTHING",
                (engagement, subject, wrapped_key),
            )

    async def get_key(self, engagement: str) -> bytes | None:
        async with connection(self._pool, "key") as one:
            cursor = await one.execute(
                "SELECT wrapped_key FROM content_keys WHERE engagement = %s", (engagement,)
            )
            row = await cursor.fetchone()
        return None if row is None else bytes(row[0])

    async def drop_key(self, engagement: str) -> None:
        """Erase the content of an engagement for good; its log still folds."""
        async with connection(self._pool, "key") as one:
            await one.execute("DELETE FROM content_keys WHERE engagement = %s", (engagement,))

    async def agree(self, name: str, value: bytes) -> bytes:
        """What all nodes have in common under `name`: ours when we are the first to say."""
        async with connection(self._pool, "shared") as one:
            await one.execute(
                "INSERT INTO shared (name, value) VALUES (%s, %s) ON CONFLICT DO NOTHING", (name, value)
            )
            row = await (await one.execute("SELECT value FROM shared WHERE name = %s", (name,))).fetchone()
        assert row is not None
        return bytes(row[0])

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        """One at a time, over all nodes: a lock of a transaction that is open meanwhile."""
        async with connection(self._locks, "lock") as one, one.transaction():
            await one.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))
            yield

    # --- reading ----------------------------------------------------------------------------

    async def load(self, actor: ActorId, after_seq: int = 0) -> Loaded:
        async with connection(self._pool, "load") as one, one.pipeline():
            kept = await one.execute(
                "SELECT seq, state FROM checkpoints WHERE actor = %s AND seq > %s", (actor, after_seq)
            )
            rows = await one.execute(
                "SELECT record FROM events WHERE actor = %s AND seq > greatest(%s, coalesce("
                "(SELECT seq FROM checkpoints WHERE actor = %s), 0)) ORDER BY seq",
                (actor, after_seq, actor),
                binary=True,
            )
            found = await kept.fetchone()
            records = [bytes(record) for (record,) in await rows.fetchall()]
        return Loaded(None if found is None else Checkpoint(found[0], bytes(found[1])), records)

    async def query(self, query: IndexQuery) -> Sequence[Projection]:
        where, values = conditions(query, "%s")
        async with connection(self._pool, "query") as one:
            cursor = await one.execute(
                f"SELECT {COLUMNS} FROM engagements WHERE {where} ORDER BY opened_ms DESC LIMIT %s",
                (*values, query.limit),
            )
            return [Projection(*row) for row in await cursor.fetchall()]

    async def orphans(self, living: Sequence[NodeId], limit: int) -> Sequence[ActorId]:
        """Actors with work to do (engagements that have not ended, queues) whose owner does not live."""
        async with connection(self._pool, "orphans") as one:
            cursor = await one.execute(
                "SELECT actor FROM engagements JOIN ownership ON actor = 'e:' || engagement "
                "WHERE phase = ANY(%s) AND NOT (node = ANY(%s)) UNION ALL SELECT actor FROM ownership "
                "WHERE actor >= 'q:' AND actor < 'q;' AND NOT (node = ANY(%s)) LIMIT %s",
                (list(AT_WORK), list(living), list(living), limit),
            )
            return [ActorId(actor) for (actor,) in await cursor.fetchall()]


async def _commit(one: Connection, batch: list[_Append]) -> list[Any]:
    """Judge and write in one transaction; a result is the last seq or the append's BackendError."""
    actors = [append.actor for append in batch]
    async with one.transaction():
        async with one.pipeline():
            locked = await one.execute(_LOCK, (actors,))
            ends = await one.execute(_LAST, (actors,))
        epochs: dict[str, int] = dict(await locked.fetchall())
        last: dict[str, int | None] = dict(await ends.fetchall())
        results = [_judged(append, epochs.get(append.actor), last[append.actor] or 0) for append in batch]
        passed = [
            append for append, result in zip(batch, results, strict=True) if not isinstance(result, Exception)
        ]
        async with one.pipeline():
            await _insert(one, passed)
    return results


def _judged(append: _Append, epoch: int | None, last: int) -> int | BackendError:
    if epoch != append.epoch:
        return StaleEpoch(append.actor, append.epoch, epoch)
    if last != append.after_seq:
        return SeqConflict(append.actor, last, append.after_seq)
    return append.after_seq + len(append.records)


async def _insert(one: Connection, passed: list[_Append]) -> None:
    now_ms = time.time_ns() // 1_000_000
    rows = [
        (append.actor, append.after_seq + number, append.epoch, now_ms, record)
        for append in passed
        for number, record in enumerate(append.records, 1)
    ]
    if rows:
        await one.execute(_INSERT, [list(column) for column in zip(*rows, strict=True)])
    changed = {p.engagement: p for append in passed for p in append.projections}
    if changed:
        fields = [astuple(projection) for projection in changed.values()]
        await one.execute(_UPSERT, [list(column) for column in zip(*fields, strict=True)])
