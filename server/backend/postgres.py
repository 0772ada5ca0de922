"""Connections to PostgreSQL for the log and the blobs: one bounded pool, every wait bounded too.

Raw driver on purpose: this is the message path (docs/architecture.md, "log"). A server that does not
answer within ANSWER_S counts as gone: its connections are dropped and the caller gets a typed error.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from signaling.errors import BackendUnavailable

logger = logging.getLogger(__name__)

POOL = 8
TELL_EVERY_S = 1.0
_told_s = -TELL_EVERY_S
ANSWER_S = 2.0
CONNECT_S = 2

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Pool = AsyncConnectionPool[Connection]

# The server ends a transaction in which nothing has happened for so long, and a statement that waits so
# long for a row: a node that hangs in a transaction must not hold others up.
IDLE_MS = 800
LOCK_MS = 300


def dsn(url: str) -> str:
    """libpq's URL of what may be SQLAlchemy's."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


@asynccontextmanager
async def open_pool(
    url: str, name: str = "talknow", idle_ms: int = IDLE_MS, lock_ms: int = LOCK_MS
) -> AsyncIterator[Pool]:
    """A pool that is open while the context is; waiting for a free connection ends after ANSWER_S.

    name: what the server calls its connections (application_name).
    """
    limits = f"statement_timeout=1800 -c lock_timeout={lock_ms}"
    pool: Pool = AsyncConnectionPool(
        dsn(url),
        min_size=1,
        max_size=POOL,
        timeout=ANSWER_S,
        open=False,
        reconnect_timeout=CONNECT_S,
        kwargs={
            "autocommit": True,
            "connect_timeout": CONNECT_S,
            "application_name": name,
            "options": f"-c {limits} -c idle_in_transaction_session_timeout={idle_ms}",
        },
    )
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close(1.0)


class Pulse:
    """A connection of its own that asks whether the server answers: the pool may just be busy."""

    def __init__(self, url: str, name: str, tasks: asyncio.TaskGroup) -> None:
        self._url = dsn(url)
        self._name = name
        self._tasks = tasks
        self._one: Connection | None = None
        self._asking: asyncio.Task[bool] | None = None

    async def beats(self, seconds: float) -> bool:
        """Does an answer come within so long?"""
        if self._asking is None or self._asking.done():
            self._asking = self._tasks.create_task(self._ask(), name="pulse")
        await asyncio.wait((self._asking,), timeout=seconds)
        if self._asking.done():
            return self._asking.result()
        if self._one is not None:
            _cut(self._one)
        return False

    async def _ask(self) -> bool:
        try:
            if self._one is None or self._one.closed:
                self._one = await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=CONNECT_S, application_name=self._name
                )
            await self._one.execute("SELECT 1")
        except (psycopg.Error, OSError):
            return False
        return True

    async def close(self) -> None:
        if self._one is not None:
            await self._one.close()


@asynccontextmanager
async def connection(pool: Pool, what: str) -> AsyncIterator[Connection]:
    """One connection of the pool; whatever the driver raises is BackendUnavailable(what, sqlstate)."""
    try:
        async with pool.connection() as one:
            # Not by cancelling: the driver would ask the server that does not answer to cancel, and wait.
            late = asyncio.get_running_loop().call_later(ANSWER_S, _cut, one)
            try:
                yield one
            finally:
                late.cancel()
    except (psycopg.Error, PoolTimeout, OSError, TimeoutError) as error:
        state = getattr(error, "sqlstate", None) or type(error).__name__
        _tell(what, state)
        raise BackendUnavailable(what, state) from error


def _tell(what: str, state: str) -> None:
    """Say why in the log; once a second, for an outage has thousands."""
    global _told_s
    if time.monotonic() > _told_s + TELL_EVERY_S:
        _told_s = time.monotonic()
        logger.warning("PostgreSQL did not do it", extra={"code": what, "reason": state})


def _cut(one: Connection) -> None:
    """Shut the socket beneath the driver, which then finds it broken and drops it."""
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(one.fileno())) as beneath:
        beneath.shutdown(socket.SHUT_RDWR)
