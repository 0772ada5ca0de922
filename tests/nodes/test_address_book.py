"""The address book on every kind of Redis: one server, an ACL user, TLS, Sentinel, Cluster."""

from __future__ import annotations

import asyncio
import gc
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis as Client

from benchmarks.services import Redis, Sentinel, free_port
from server.backend import NodeInfo
from server.backend.address_book import AddressBook, Entry
from signaling.errors import BackendUnavailable
from signaling.protocol import NodeId

COMMANDS = "+hset +hgetall +hdel +hello"


@asynccontextmanager
async def opened(url: str, prefix: str = "talknow") -> AsyncIterator[AddressBook]:
    book = AddressBook(url, prefix)
    yield book
    await book.close()


def entry(node: str, beat: int) -> Entry:
    return Entry(NodeInfo(NodeId(node), "127.0.0.1:1"), beat)


async def keeps_entries(url: str) -> None:
    async with opened(url) as one, opened(url) as two, opened(url, "others") as others:
        assert await one.beat(entry("n_1", 1), []) == [entry("n_1", 1)]
        seen = await two.beat(entry("n_2", 7), [])
        assert sorted(seen, key=lambda e: e.node.id) == [entry("n_1", 1), entry("n_2", 7)]
        assert await one.beat(entry("n_1", 2), ["n_2"]) == [entry("n_1", 2)]
        assert await others.beat(entry("n_3", 1), []) == [entry("n_3", 1)]


@contextmanager
def with_acl() -> Iterator[str]:
    with Redis(
        "--user", "node", "on", ">secret", "~{talknow}:nodes", "~{others}:nodes", *COMMANDS.split()
    ) as redis:
        yield redis.url.replace("redis://", "redis://node:secret@")


@contextmanager
def with_tls(directory: Path) -> Iterator[str]:
    key, cert = directory / "key.pem", directory / "cert.pem"
    made = ["-keyout", str(key), "-out", str(cert), "-days", "1", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *made, *names],
        check=True,
        capture_output=True,
    )
    files = ["--tls-cert-file", str(cert), "--tls-key-file", str(key), "--tls-ca-cert-file", str(cert)]
    with Redis("--tls-auth-clients", "no", *files, tls=True) as redis:
        yield redis.url.replace("redis://", "rediss://") + f"?ssl_ca_certs={cert}"


@contextmanager
def with_sentinel() -> Iterator[str]:
    with Redis() as redis, Sentinel("talk", redis.port) as sentinel:
        yield f"redis+sentinel://127.0.0.1:{sentinel.port}/talk"


async def test_one_server() -> None:
    with Redis() as redis:
        await keeps_entries(redis.url)


async def test_an_acl_user_needs_three_commands_and_its_keys() -> None:
    with with_acl() as url:
        await keeps_entries(url)


async def test_tls(tmp_path: Path) -> None:
    with with_tls(tmp_path) as url:
        await keeps_entries(url)


async def test_sentinel() -> None:
    with with_sentinel() as url:
        await keeps_entries(url)


# redis-py leaves the connections by which it first looks at a cluster to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_cluster() -> None:
    with Redis("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as redis:
        client = Client.from_url(redis.url)
        await client.cluster("ADDSLOTSRANGE", 0, 16_383)
        while (await client.cluster("INFO"))["cluster_state"] != "ok":
            await asyncio.sleep(0.05)
        await client.aclose()
        await keeps_entries(redis.url.replace("redis://", "redis+cluster://").removesuffix("/0"))
        gc.collect()  # here, not in some later test


@pytest.mark.parametrize("kind", ["redis", "redis+sentinel", "redis+cluster"])
async def test_nobody_there_is_unavailable_soon(kind: str) -> None:
    async with opened(
        f"{kind}://127.0.0.1:1/x".replace("redis://127.0.0.1:1/x", "redis://127.0.0.1:1/0")
    ) as book:
        with pytest.raises(BackendUnavailable):
            await book.beat(entry("n_1", 1), [])
