"""`open_backend`: the one place that chooses implementations (embedded: SQLite, memory, a directory)."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from server.backend.blobs import DirectoryBlobs
from server.backend.memory_bus import MemoryBus
from server.backend.migrate import migrate
from server.backend.sqlite_log import SqliteLog
from server.config import Config
from signaling.protocol import NodeId


class Backend(Struct):
    bus: MemoryBus
    log: SqliteLog
    blobs: DirectoryBlobs


@asynccontextmanager
async def open_backend(config: Config) -> AsyncIterator[Backend]:
    """Bring the database to this version's schema, open everything, close it in reverse order."""
    config.data_dir.mkdir(parents=True, exist_ok=True)
    migrate(config.database)
    log = SqliteLog(config.database)
    blobs = DirectoryBlobs(config.data_dir / "blobs")
    try:
        yield Backend(MemoryBus(NodeId(f"n_{secrets.token_hex(4)}"), log), log, blobs)
    finally:
        blobs.close()
        await log.close()
