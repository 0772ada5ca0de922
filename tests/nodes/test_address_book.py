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


def tls_files(directory: Path) -> tuple[Path, dict[str, str]]:
    """A certificate of 127.0.0.1 for itself, and what Redis is told of it."""
    key, cert = directory / "key.pem", directory / "cert.pem"
    made = ["-keyout", str(key), "-out", str(cert), "-days", "1", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *made, *names],
        check=True,
        capture_output=True,
    )
    files = {"tls-cert-file": str(cert), "tls-key-file": str(key), "tls-ca-cert-file": str(cert)}
    return cert, {**files, "tls-auth-clients": "no"}


@contextmanager
def with_tls(directory: Path) -> Iterator[str]:
    cert, told = tls_files(directory)
    with Redis(*_flags(told), tls=True) as redis:
        yield redis.url.replace("redis://", "rediss://") + f"?ssl_ca_certs={cert}"


def _flags(told: dict[str, str]) -> list[str]:
    return [word for name, value in told.items() for word in (f"--{name}", value)]


@contextmanager
def with_tls_sentinel(directory: Path) -> Iterator[str]:
    """Both with TLS, and each with a password of its own."""
    cert, told = tls_files(directory)
    told["tls-replication"] = "yes"
    lines = [f"{name} {value}" for name, value in told.items()]
    lines += ["requirepass of-the-sentinel", "sentinel auth-pass talk of-the-server"]
    with (
        Redis("--requirepass", "of-the-server", *_flags(told), tls=True) as redis,
        Sentinel("talk", redis.port, *lines, tls=True) as sentinel,
    ):
        own = f"?sentinel_password=of-the-sentinel&ssl_ca_certs={cert}"
        yield f"rediss+sentinel://:of-the-server@127.0.0.1:{sentinel.port}/talk{own}"


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
    with Redis() as redis, Sentinel("talk", redis.port) as sentinel:
        await keeps_entries(f"redis+sentinel://127.0.0.1:{sentinel.port}/talk")


async def test_sentinel_with_tls_and_passwords(tmp_path: Path) -> None:
    with with_tls_sentinel(tmp_path) as url:
        await keeps_entries(url)


@pytest.mark.timeout(90)  # a Sentinel that was not given the time to look waits for 30 s
async def test_after_a_failover_the_book_is_written_at_the_new_server() -> None:
    with Redis() as first, Redis("--replicaof", "127.0.0.1", str(first.port)) as second:
        soon = ("sentinel down-after-milliseconds talk 300", "sentinel failover-timeout talk 1000")
        with Sentinel("talk", first.port, *soon) as sentinel:
            replicas = Client(port=sentinel.port)
            while not await replicas.sentinel_slaves("talk"):
                await asyncio.sleep(0.1)
            await replicas.aclose()
            async with opened(f"redis+sentinel://127.0.0.1:{sentinel.port}/talk") as book:
                await book.beat(entry("n_1", 1), [])
                first.kill()
                beat = 1
                while True:
                    beat += 1
                    try:
                        seen = await book.beat(entry("n_1", beat), [])
                    except BackendUnavailable:
                        await asyncio.sleep(0.1)
                    else:
                        break
                assert seen == [entry("n_1", beat)]
        async with opened(second.url) as there:
            assert await there.read() == [entry("n_1", beat)]


# redis-py leaves the connections by which it first looks at a cluster to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("tls", [False, True])
async def test_cluster(tmp_path: Path, tls: bool) -> None:
    cert, told = tls_files(tmp_path)
    files = ("--tls-cluster", "yes", *_flags(told)) if tls else ()
    with Redis("--cluster-enabled", "yes", "--cluster-port", str(free_port()), *files, tls=tls) as redis:
        scheme, query = ("rediss", f"?ssl_ca_certs={cert}") if tls else ("redis", "")
        client = Client.from_url(redis.url.replace("redis", scheme) + query)
        await client.cluster("ADDSLOTSRANGE", 0, 16_383)
        while (await client.cluster("INFO"))["cluster_state"] != "ok":
            await asyncio.sleep(0.05)
        await client.aclose()
        await keeps_entries(f"{scheme}+cluster://127.0.0.1:{redis.port}{query}")
        gc.collect()  # here, not in some later test


@pytest.mark.parametrize("kind", ["redis", "redis+sentinel", "redis+cluster"])
async def test_nobody_there_is_unavailable_soon(kind: str) -> None:
    async with opened(
        f"{kind}://127.0.0.1:1/x".replace("redis://127.0.0.1:1/x", "redis://127.0.0.1:1/0")
    ) as book:
        with pytest.raises(BackendUnavailable):
            await book.beat(entry("n_1", 1), [])
