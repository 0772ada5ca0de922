"""One SQLAlchemy Core engine on one named thread: short transactions, never on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from signaling.errors import BackendUnavailable

T = TypeVar("T")


class Store:
    """`await run(work)`: `work(connection)` in a transaction. Raises: BackendUnavailable."""

    def __init__(self, database: str) -> None:
        """database: SQLAlchemy's URL, of SQLite or PostgreSQL."""
        if database.startswith("sqlite"):
            self._engine = create_engine(database, connect_args={"timeout": 5})
            event.listen(self._engine, "connect", _pragmas)
        else:
            waits = {"connect_timeout": 3, "options": "-c statement_timeout=2500"}
            self._engine = create_engine(database, connect_args=waits, pool_size=2, pool_pre_ping=True)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="records")

    async def run(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.run_now, work)

    def run_now(self, work: Callable[[Connection], T]) -> T:
        """The same without a loop, for the command line."""
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise BackendUnavailable("records", type(error).__name__) from error

    def close(self) -> None:
        self._thread.shutdown()
        self._engine.dispose()


def _pragmas(connection: object, _: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()
