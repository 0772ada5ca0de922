"""Alembic's entry: run the migrations over one connection, inside one transaction."""

from alembic import context
from sqlalchemy import create_engine

from server.backend.schema import metadata

engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
