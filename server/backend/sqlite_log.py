"""The log in SQLite: one writer thread, WAL, synchronous=FULL, group commit of whatever is queued.

Appends of all actors that wait while a commit runs share the next one; there is no timer. The
epoch and the sequence are checked inside the transaction; one refused append does not touch its
neighbours (a savepoint each). Reads use a second, read-only connection on a thread of their own.
Raw driver on purpose: this is the message path (docs/architecture.md, "log").
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import sqlite3
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import astuple

from server.backend import AT_WORK, Checkpoint, IndexQuery, Loaded, Ownership, Projection
from server.backend.index import COLUMNS, conditions
from signaling.errors import BackendError, BackendUnavailable, SeqConflict, StaleEpoch
from signaling.protocol import ActorId, NodeId

logger = logging.getLogger(__name__)
T = TypeVar("T")
MAX_BATCH = 1_000
EX_IOERR = 74

_UPSERT = f"""
INSERT INTO engagements ({COLUMNS})
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (engagement) DO UPDATE SET agent = excluded.agent, phase = excluded.phase,
changed_ms = excluded.changed_ms, ended_ms = excluded.ended_ms
"""


class _Job(Struct):
    run: Callable[[sqlite3.Connection], Any]
    done: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection with our pragmas: explicit transactions, WAL, every commit on disk."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA busy_timeout=5000")
    if read_only:
        connection.execute("PRAGMA query_only=ON")
    return connection


class SqliteLog:
    """Log and epoch store over one database file whose schema is already there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_loop, name="log-writer", daemon=True)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="log-reader")
        self._reading = connect(path, read_only=True)
        self._alone: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self.commits = 0
        self._writer.start()

    async def close(self) -> None:
        """Finish what is queued, then stop. No append may follow."""
        self._jobs.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._writer.join)
        self._reader.shutdown()
        self._reading.close()

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

        def run(connection: sqlite3.Connection) -> int:
            _check_epoch(connection, actor, epoch)
            last = connection.execute("SELECT max(seq) FROM events WHERE actor = ?", (actor,)).fetchone()[0]
            if (last or 0) != after_seq:
                raise SeqConflict(actor, last, after_seq)
            now_ms = time.time_ns() // 1_000_000
            rows = [
                (actor, after_seq + number, epoch, now_ms, record) for number, record in enumerate(records, 1)
            ]
            connection.executemany(
                "INSERT INTO events (actor, seq, epoch, at_ms, record) VALUES (?, ?, ?, ?, ?)", rows
            )
            connection.executemany(_UPSERT, [astuple(projection) for projection in projections])
            return after_seq + len(records)

        return await self._submit(run)

    async def claim(self, actor: ActorId, node: NodeId, others: Sequence[NodeId] = ()) -> Ownership:
        """Take the actor unless one of `others` has it: who owns it now, by which epoch."""

        def run(connection: sqlite3.Connection) -> Ownership:
            row = connection.execute(
                "INSERT INTO ownership (actor, node, epoch) VALUES (?, ?, 1) ON CONFLICT (actor) "
                "DO UPDATE SET node = excluded.node, epoch = ownership.epoch + 1 "
                f"WHERE ownership.node NOT IN ({', '.join('?' * len(others))}) RETURNING node, epoch",
                (actor, node, *others),
            ).fetchone()
            if row is None:
                found = "SELECT node, epoch FROM ownership WHERE actor = ?"
                row = connection.execute(found, (actor,)).fetchone()
            return Ownership(actor, NodeId(row[0]), int(row[1]))

        return await self._submit(run)

    async def release(self, actors: Sequence[ActorId], node: NodeId) -> None:
        """They belong to nobody from now on, and whoever comes next may claim them."""

        def run(connection: sqlite3.Connection) -> None:
            free = "UPDATE ownership SET node = '' WHERE actor = ? AND node = ?"
            connection.executemany(free, [(actor, node) for actor in actors])

        await self._submit(run)

    async def checkpoint(self, actor: ActorId, epoch: int, seq: int, state: bytes) -> None:
        def run(connection: sqlite3.Connection) -> None:
            _check_epoch(connection, actor, epoch)
            connection.execute(
                "INSERT INTO checkpoints (actor, seq, state) VALUES (?, ?, ?) ON CONFLICT (actor) "
                "DO UPDATE SET seq = excluded.seq, state = excluded.state",
                (actor, seq, state),
            )

        await self._submit(run)

    async def put_key(self, engagement: str, subject: str, wrapped_key: bytes) -> None:
        """Keep a content key (server/sealing.py); the first one of an engagement stays."""

        def run(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO content_keys (engagement, subject, wrapped_key) VALUES (?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                (engagement, subject, wrapped_key),
            )

        await self._submit(run)

    async def get_key(self, engagement: str) -> bytes | None:
        def run() -> bytes | None:
            row = self._reading.execute(
                "SELECT wrapped_key FROM content_keys WHERE engagement = ?", (engagement,)
            ).fetchone()
            return None if row is None else bytes(row[0])

        return await self._read(run)

    async def drop_key(self, engagement: str) -> None:
        """Erase the content of an engagement for good; its log still folds."""

        def run(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM content_keys WHERE engagement = ?", (engagement,))

        await self._submit(run)

    async def agree(self, name: str, value: bytes) -> bytes:
        """What all nodes have in common under `name`: ours when we are the first to say."""

        def run(connection: sqlite3.Connection) -> bytes:
            connection.execute(
                "INSERT INTO shared (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, value)
            )
            return bytes(connection.execute("SELECT value FROM shared WHERE name = ?", (name,)).fetchone()[0])

        return await self._submit(run)

    async def reached(self, seconds: float) -> bool:
        """It is a file of ours."""
        return True

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        """One at a time. The database is ours alone, so a lock in memory does."""
        lock = self._alone.setdefault(name, asyncio.Lock())
        async with lock:
            yield

    # --- reading ----------------------------------------------------------------------------

    async def kept(self, owned: Sequence[Ownership]) -> set[ActorId]:
        """Those of `owned` that no later claim has ended."""

        def run() -> set[ActorId]:
            asked = "SELECT epoch FROM ownership WHERE actor = ?"
            return {
                own.actor
                for own in owned
                if self._reading.execute(asked, (own.actor,)).fetchone() == (own.epoch,)
            }

        return await self._read(run)

    async def orphans(self, living: Sequence[NodeId], limit: int) -> Sequence[ActorId]:
        """Actors with work to do (engagements that have not ended, queues) whose owner does not live."""

        def run() -> list[ActorId]:
            nobody = f"node NOT IN ({', '.join('?' * len(living))})"
            rows = self._reading.execute(
                "SELECT actor FROM engagements JOIN ownership ON actor = 'e:' || engagement "
                f"WHERE phase IN ({', '.join('?' * len(AT_WORK))}) AND {nobody} UNION ALL "
                f"SELECT actor FROM ownership WHERE actor >= 'q:' AND actor < 'q;' AND {nobody} LIMIT ?",
                (*AT_WORK, *living, *living, limit),
            )
            return [ActorId(actor) for (actor,) in rows]

        return await self._read(run)

    async def load(self, actor: ActorId, after_seq: int = 0) -> Loaded:
        def run() -> Loaded:
            row = self._reading.execute(
                "SELECT seq, state FROM checkpoints WHERE actor = ? AND seq > ?", (actor, after_seq)
            ).fetchone()
            checkpoint = None if row is None else Checkpoint(row[0], row[1])
            start = after_seq if checkpoint is None else checkpoint.seq
            rows = self._reading.execute(
                "SELECT record FROM events WHERE actor = ? AND seq > ? ORDER BY seq", (actor, start)
            )
            return Loaded(checkpoint, [record for (record,) in rows])

        return await self._read(run)

    async def query(self, query: IndexQuery) -> Sequence[Projection]:
        where, values = conditions(query, "?")

        def run() -> list[Projection]:
            rows = self._reading.execute(
                f"SELECT {COLUMNS} FROM engagements WHERE {where} ORDER BY opened_ms DESC LIMIT ?",
                (*values, query.limit),
            )
            return [Projection(*row) for row in rows]

        return await self._read(run)

    # --- threads ----------------------------------------------------------------------------

    async def _submit(self, run: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        job = _Job(run, loop.create_future(), loop)
        self._jobs.put(job)
        result: T = await job.done
        return result

    async def _read(self, run: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, run)
        except sqlite3.Error as error:
            raise BackendUnavailable("log read") from error

    def _write_loop(self) -> None:
        connection = connect(self._path)
        while (first := self._jobs.get()) is not None:
            batch = [first]
            last = False
            while len(batch) < MAX_BATCH and not self._jobs.empty():
                job = self._jobs.get()
                if job is None:
                    last = True
                    break
                batch.append(job)
            results = self._commit(connection, batch)
            batch[0].loop.call_soon_threadsafe(_resolve, batch, results)
            if last:
                break
        connection.close()

    def _commit(self, connection: sqlite3.Connection, batch: list[_Job]) -> list[Any]:
        """Run the jobs in one transaction; a result is the job's value or its BackendError."""
        try:
            connection.execute("BEGIN IMMEDIATE")
            results = [_in_savepoint(connection, job) for job in batch]
            connection.execute("COMMIT")
            self.commits += 1
            return results
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            if name == "SQLITE_IOERR_FSYNC":
                _end(name)
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            failed = BackendUnavailable("log write", name)
            return [failed] * len(batch)


def _end(name: str) -> None:
    """The system may have dropped what it could not write, and say yes the next time.

    What is on the disk is read by a new process, not guessed by this one.
    """
    logger.critical("the disk did not take it: ending", extra={"code": name})
    logging.shutdown()
    os._exit(EX_IOERR)


def _in_savepoint(connection: sqlite3.Connection, job: _Job) -> Any:
    connection.execute("SAVEPOINT job")
    try:
        result = job.run(connection)
    except BackendError as error:
        connection.execute("ROLLBACK TO job")
        result = error
    connection.execute("RELEASE job")
    return result


def _resolve(batch: list[_Job], results: list[Any]) -> None:
    for job, result in zip(batch, results, strict=True):
        if job.done.done():
            continue
        if isinstance(result, BaseException):
            job.done.set_exception(result)
        else:
            job.done.set_result(result)


def _check_epoch(connection: sqlite3.Connection, actor: ActorId, epoch: int) -> None:
    row = connection.execute("SELECT epoch FROM ownership WHERE actor = ?", (actor,)).fetchone()
    if row is None or row[0] != epoch:
        raise StaleEpoch(actor, epoch, row and row[0])
