"""`open_backend`: the one place that chooses implementations.

Embedded: memory, SQLite, a directory. With `database_url` the log and the blobs are PostgreSQL's; with
`redis_url` too, several nodes share them.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from msgspec import Struct

from server.backend import Blobs, Bus, Log, NodeInfo
from server.backend.blobs import DirectoryBlobs
from server.backend.memory_bus import MemoryBus
from server.backend.migrate import migrate
from server.backend.sqlite_log import SqliteLog
from server.config import Config, ConfigError
from server.sealing import content_key
from server.tasks import task_group
from signaling.protocol import NodeId

IDLE_MS, LOCK_MS = 1_500, 1_800  # of transactions that hold a lock for work outside the database


class Backend(Struct):
    bus: Bus
    log: Log
    blobs: Blobs


@asynccontextmanager
async def open_backend(config: Config) -> AsyncIterator[Backend]:
    """Bring the database to this version's schema, open everything, close it in reverse order.

    Raises: ConfigError when this node's content key is not the one of the others on this database;
    BackendUnavailable when database or Redis cannot be reached.
    """
    config.data_dir.mkdir(parents=True, exist_ok=True)
    key = content_key(config.keys)
    await asyncio.to_thread(migrate, config.database)
    me = NodeInfo(
        NodeId(f"n_{secrets.token_hex(6)}"),
        link=config.link,
        url=config.node_url,
        version=_version(),
    )
    async with AsyncExitStack() as stack:
        log, blobs = await _store(config, me.id, stack)
        ours = hashlib.sha256(b"content key" + key).digest()
        if await log.agree("content_key", ours) != ours:
            raise ConfigError(
                "keys_dir: content.key is not the one this database was written with; nodes share one"
            )
        yield Backend(await _bus(config, me, log, key, stack), log, blobs)


async def _store(config: Config, me: NodeId, stack: AsyncExitStack) -> tuple[Log, Blobs]:
    if not config.database_url:
        log = SqliteLog(config.database_file)
        stack.push_async_callback(log.close)
        blobs = DirectoryBlobs(config.data_dir / "blobs")
        stack.callback(blobs.close)
        return log, blobs
    from server.backend.postgres import Pulse, open_pool
    from server.backend.postgres_blobs import PostgresBlobs
    from server.backend.postgres_log import PostgresLog, name_of

    pool = await stack.enter_async_context(open_pool(config.database, name_of(me)))
    locks = await stack.enter_async_context(open_pool(config.database, name_of(me), IDLE_MS, LOCK_MS))
    tasks = await stack.enter_async_context(task_group())
    pulse = Pulse(config.database, name_of(me), tasks)
    stack.push_async_callback(pulse.close)
    postgres = PostgresLog(pool, locks, pulse)
    tasks.create_task(postgres.run(), name="log-writer")
    return postgres, PostgresBlobs(pool)


async def _bus(config: Config, me: NodeInfo, log: Log, key: bytes, stack: AsyncExitStack) -> Bus:
    if not config.redis_url:
        return MemoryBus(me.id, log)
    from server.backend.address_book import AddressBook
    from server.backend.links import Links
    from server.backend.redis_bus import RedisBus

    tasks = await stack.enter_async_context(task_group())
    links = Links(me.id, key, tasks)
    stack.callback(links.close)
    host, port = config.link_at
    await links.listen(host, port)
    bus = RedisBus(me, AddressBook(config.redis_url, config.redis_prefix), links, log)
    await bus.start()
    stack.push_async_callback(bus.leave)
    tasks.create_task(bus.run(), name="lease")
    return bus


def _version() -> str:
    try:
        return version("talknow")
    except PackageNotFoundError:
        return "unknown"
