"""The embedded log when the disk fails."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from server.backend import sqlite_log
from server.backend.migrate import migrate
from server.backend.sqlite_log import EX_IOERR, SqliteLog
from server.config import Config
from signaling.errors import BackendUnavailable
from signaling.protocol import ActorId, NodeId


class Disk:
    """The connection of the writer, whose commits fail."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *values: Any) -> Any:
        if statement == "COMMIT":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorname = self._name
            raise error
        return self._connection.execute(statement, *values)


@pytest.mark.parametrize(("name", "ends"), [("SQLITE_IOERR_FSYNC", True), ("SQLITE_FULL", False)])
async def test_a_failed_fsync_ends_the_process_and_a_full_disk_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, ends: bool
) -> None:
    config = Config(data_dir=tmp_path)
    migrate(config.database)
    codes: list[int] = []

    real = sqlite_log.connect
    monkeypatch.setattr(sqlite_log, "connect", lambda path, **more: Disk(real(path, **more), name))
    monkeypatch.setattr(os, "_exit", codes.append)
    log = SqliteLog(config.database_file)
    with pytest.raises(BackendUnavailable):
        await log.claim(ActorId("e:e_1"), NodeId("n_1"))
    await log.close()
    assert codes == ([EX_IOERR] if ends else [])
