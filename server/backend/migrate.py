"""Bring a database to this version's schema with Alembic; free when it is there already."""

from __future__ import annotations

import sqlite3
from pathlib import Path

HEAD = "0001"
_MIGRATIONS = Path(__file__).parent / "migrations"


def current(database: Path) -> str | None:
    """The schema version written in the database, None for a new one."""
    if not database.exists():
        return None
    connection = sqlite3.connect(database)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row[0])
    except sqlite3.OperationalError:
        return None
    finally:
        connection.close()


def migrate(database: Path) -> bool:
    """Upgrade to HEAD; True when something was done. Alembic is only imported when needed."""
    if current(database) == HEAD:
        return False
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{database}")
    command.upgrade(config, "head")
    return True
