"""`talknow` as the version after this one may be: it says more, and the database is ahead.

Run as a program by test_versions.py. What it adds is what docs/scaling.md allows a version to add.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import msgspec
from sqlalchemy import create_engine, text

from server import __main__ as talknow
from server.backend import address_book, redis_bus
from server.backend.migrate import HEAD, migrate
from server.nodes import messages, peers


class LaterEntry(address_book.Entry, frozen=True, array_like=True):
    """A field more in the address book."""

    later: str = "more"


def encode_more(message: Any) -> bytes:
    """A field more in every message, and in what it carries."""
    said = msgspec.msgpack.decode(messages.encode(message))
    for part in (said, said.get("ask"), said.get("note")):
        if part is not None:
            part["later"] = {"more": 1}
    return msgspec.msgpack.encode(said)


def run_ahead(database: str) -> None:
    """A later migration: a column more."""
    migrate(database)
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE events ADD COLUMN IF NOT EXISTS later text"))
        connection.execute(
            text("UPDATE alembic_version SET version_num = :later"), {"later": f"{HEAD}-later"}
        )
    engine.dispose()


if __name__ == "__main__":
    vars(redis_bus)["Entry"] = LaterEntry
    vars(peers)["encode"] = encode_more
    run_ahead(os.environ["TALKNOW_DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:", 1))
    sys.exit(talknow.main(sys.argv[1:]))
