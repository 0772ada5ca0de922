"""Bring a database to this version's schema with Alembic; free when it is there already.

Changes of the schema are additions that the version before can live with, so that old and new nodes
run beside each other: a database that is ahead of us is left as it is.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from signaling.errors import BackendUnavailable

HEAD = "0002"
_MIGRATIONS = Path(__file__).parent / "migrations"


def current(database: str) -> str | None:
    """The schema version written in the database (an SQLAlchemy URL), None for a new one."""
    if database.startswith("sqlite:///") and not Path(database.removeprefix("sqlite:///")).exists():
        return None
    engine = create_engine(database)
    try:
        with engine.connect() as connection:
            row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
            return None if row is None else str(row[0])
    except DBAPIError as error:
        if error.connection_invalidated or not _lacks_the_table(error):
            raise
        return None
    finally:
        engine.dispose()


def migrate(database: str) -> bool:
    """Upgrade to HEAD; True when something was done. Alembic is only imported when needed.

    Raises: BackendUnavailable when the database cannot be reached.
    """
    try:
        return _migrate(database)
    except SQLAlchemyError as error:
        raise BackendUnavailable("database", type(error).__name__) from error


def _migrate(database: str) -> bool:
    found = current(database)
    if found is not None and found >= HEAD:
        return False
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("sqlalchemy.url", database.replace("%", "%%"))
    command.upgrade(config, "head")
    return True


def _lacks_the_table(error: DBAPIError) -> bool:
    return "no such table" in str(error.orig) or getattr(error.orig, "sqlstate", "") == "42P01"
