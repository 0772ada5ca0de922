"""What `talknow doctor` says of PostgreSQL, Redis and the way between nodes. It reads, and writes nothing."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from server.config import LOOPBACK_NAMES, Config
from server.doctor import Finding

OLDEST = 130_000
CONNECTIONS = 18  # two pools, the pulse, the accounts
CONNECT_S = 3


def look(config: Config) -> list[Finding]:
    """Nothing for one node on SQLite."""
    found = []
    if config.database_url:
        found += _postgres(config)
    if config.redis_url:
        found += asyncio.run(_redis(config))
        found += _between(config)
    return found


def _postgres(config: Config) -> list[Finding]:
    import psycopg

    from server.backend.migrate import HEAD, current
    from server.backend.postgres import dsn

    began_s = time.monotonic()
    try:
        with psycopg.connect(dsn(config.database), connect_timeout=CONNECT_S) as connection:
            connection.execute("SELECT 1")
            took_ms = (time.monotonic() - began_s) * 1_000
            version = connection.info.server_version
            settings = ("fsync", "synchronous_commit", "max_connections")
            told = {name: _setting(connection, name) for name in settings}
    except psycopg.Error as error:
        remedy = "is it running, and may this user log in from here? See --database"
        return [Finding("wrong", f"PostgreSQL: {type(error).__name__}", remedy)]
    text = f"PostgreSQL {version // 10_000}: answers in {took_ms:.0f} ms, connecting included"
    found = [Finding("ok", text)]
    if version < OLDEST:
        found.append(Finding("wrong", f"PostgreSQL {version // 10_000} is too old", "use 13 or newer"))
    for name in ("fsync", "synchronous_commit"):
        if told[name] == "off":
            text = f"PostgreSQL: {name} is off, so a crash of its machine may lose what was acked"
            found.append(Finding("wrong", text, f"ALTER SYSTEM SET {name} = on"))
    nodes = int(told["max_connections"]) // CONNECTIONS
    found.append(Finding("ok" if nodes >= 3 else "note", f"PostgreSQL: connections for {nodes} nodes"))
    schema = current(config.database)
    if schema is None:
        found.append(Finding("note", "PostgreSQL: no tables yet; the first node makes them"))
    elif schema > HEAD:
        found.append(Finding("note", f"PostgreSQL: schema {schema} is of a later version than this program"))
    return found


def _setting(connection: Any, name: str) -> str:
    return str(connection.execute("SELECT current_setting(%s)", (name,)).fetchone()[0])


async def _redis(config: Config) -> list[Finding]:
    from server.backend.address_book import AddressBook
    from signaling.errors import BackendUnavailable

    book = AddressBook(config.redis_url, config.redis_prefix)
    try:
        known = len(await book.read())
    except BackendUnavailable as error:
        remedy = "is it running, and may this user HGETALL, HSET and HDEL? See --redis"
        return [Finding("wrong", f"Redis: {error.args[-1]}", remedy)]
    finally:
        await book.close()
    return [Finding("ok", f"Redis: answers, {known} nodes in the address book")]


def _between(config: Config) -> list[Finding]:
    found = []
    if config.keys_dir is None:
        text = f"keys: this node has its own ({config.keys}); all nodes must have the same"
        found.append(Finding("note", text, "put one content.key on every node and give --keys"))
    host = config.link.rpartition(":")[0].strip("[]")
    if host in LOOPBACK_NAMES:
        text = f"links: other nodes are told {config.link}, which only this machine reaches"
        found.append(Finding("note", text, "on several machines give link_listen and link_address"))
    else:
        found.append(
            Finding("ok", f"links: other nodes are told {config.link}; keep that port off the internet")
        )
    return found
