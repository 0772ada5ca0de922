"""Alembic's entry: run the migrations over one connection, inside one transaction.

Nodes that start together on one PostgreSQL wait for each other at a lock of the transaction.
"""

from alembic import context
from sqlalchemy import create_engine, text

from server.backend.schema import metadata

LOCK = 0x7A1C_0001

engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        context.run_migrations()
engine.dispose()
