"""For several suites: a private Redis and PostgreSQL, started once, with a place of its own per test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from msgspec import Struct

from benchmarks.services import Postgres, Redis, free_port
from server.config import Config


class Shared(Struct):
    """What the nodes of one test share."""

    redis_url: str
    database_url: str
    redis_prefix: str
    keys_dir: Path

    def node(self, data: Path) -> Config:
        """A node among others on this machine."""
        return Config(
            data_dir=data,
            keys_dir=self.keys_dir,
            database_url=self.database_url,
            redis_url=self.redis_url,
            redis_prefix=self.redis_prefix,
            link_listen=f"127.0.0.1:{free_port()}",
        )


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    server = Redis()
    with server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    with server:
        yield server


@pytest.fixture
def shared(redis: Redis, postgres: Postgres, tmp_path: Path) -> Shared:
    """An empty database and an address book of its own."""
    name = f"t_{secrets.token_hex(6)}"
    with psycopg.connect(postgres.service.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    url = postgres.service.url.removesuffix("/talknow") + f"/{name}"
    return Shared(redis.service.url, url, name, tmp_path / "keys")
