"""The nodes' address book in Redis: one hash, one entry per node with a counter that beats.

Written and read in one round trip every BEAT_S. Nothing else is kept there, so a Redis that forgets
everything is whole again after one beat. Also here: how a URL becomes a client (single server, TLS, ACL
user, Sentinel, Cluster).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
from msgspec import Struct
from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from server.backend import NodeInfo
from signaling.errors import BackendUnavailable
from signaling.protocol import NodeId

BEAT_S = 0.4
ANSWER_S = 0.5
_OF_THE_SENTINEL = ("host", "port", "connection_class")
FAULTS = (RedisError, RedisClusterException, OSError, TimeoutError)


class Entry(Struct, frozen=True, array_like=True):
    """beat: grows while the node lives. left: it said goodbye. linked: whom it has a link to, if it says."""

    node: NodeInfo
    beat: int
    left: bool = False
    linked: tuple[NodeId, ...] | None = None


class AddressBook:
    """Entries under `{prefix}:nodes` (one key, so it lies in one slot of a Cluster)."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._key = f"{{{prefix}}}:nodes"
        self._client: Any = None

    async def beat(self, entry: Entry, forget: Sequence[str]) -> list[Entry]:
        """Write ours, remove those of `forget`, read all. Raises: BackendUnavailable."""
        return await self._read(entry, forget)

    async def read(self) -> list[Entry]:
        """Everybody's, without writing ours. Raises: BackendUnavailable."""
        return await self._read(None, ())

    async def _read(self, entry: Entry | None, forget: Sequence[str]) -> list[Entry]:
        try:
            if self._client is None:
                self._client = connect(self._url)
            pipeline = self._client.pipeline(transaction=False)
            if entry is not None:
                pipeline.hset(self._key, entry.node.id, msgspec.msgpack.encode(entry))
            if forget:
                pipeline.hdel(self._key, *forget)
            pipeline.hgetall(self._key)
            found: dict[bytes, bytes] = (await pipeline.execute())[-1]
        except FAULTS as error:
            await self.close()
            raise BackendUnavailable("redis", type(error).__name__) from error
        return [_entry(value) for value in found.values() if _is_entry(value)]

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        sentinels = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
        for one in (client, *(sentinels.sentinels if sentinels is not None else ())):
            with contextlib.suppress(*FAULTS):
                await one.aclose()


def connect(url: str) -> Any:
    """A client of redis://, rediss://, redis+cluster://host:port or redis+sentinel://host:port/SERVICE."""
    parts = urlsplit(url)
    options: dict[str, Any] = {
        "socket_timeout": ANSWER_S,
        "socket_connect_timeout": ANSWER_S,
        "max_connections": 4,
    }
    if parts.scheme in ("redis+sentinel", "rediss+sentinel"):
        return _by_sentinel(url, options)
    if parts.scheme in ("redis+cluster", "rediss+cluster"):
        plain = urlunsplit(parts._replace(scheme=parts.scheme.split("+")[0]))
        return RedisCluster.from_url(plain, **options)
    return Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)


def _by_sentinel(url: str, options: dict[str, Any]) -> Any:
    """?sentinel=host:port for each further one, ?sentinel_password=… (and _username) for themselves.

    Everything else in the URL is for the server; TLS for both.
    """
    parts = urlsplit(url)
    words = parse_qsl(parts.query)
    more = [value.rpartition(":") for name, value in words if name == "sentinel"]
    places = [(parts.hostname or "127.0.0.1", parts.port or 26379)]
    places += [(host, int(port)) for host, _, port in more]
    query = urlencode([word for word in words if not word[0].startswith("sentinel")])
    tls = parts.scheme.startswith("rediss")
    plain = urlunsplit(parts._replace(scheme="rediss" if tls else "redis", path="", query=query))
    told: dict[str, Any] = {
        key: value for key, value in parse_url(plain).items() if key not in _OF_THE_SENTINEL
    }
    theirs: dict[str, Any] = {
        name.removeprefix("sentinel_"): value for name, value in words if name.startswith("sentinel_")
    }
    theirs |= {key: value for key, value in told.items() if key.startswith("ssl_")}
    options["retry"] = Retry(NoBackoff(), 0)
    theirs |= {key: value for key, value in options.items() if key != "max_connections"}
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        places, sentinel_kwargs={"ssl": tls, **theirs}, ssl=tls, **(options | told)
    )
    return sentinels.master_for(parts.path.strip("/"))


def _is_entry(value: bytes) -> bool:
    """Whoever else writes into our hash is not believed to be a node."""
    try:
        return bool(_entry(value).node.id)
    except msgspec.DecodeError:
        return False


_entry = msgspec.msgpack.Decoder(Entry).decode
