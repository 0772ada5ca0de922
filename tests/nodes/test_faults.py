"""Redis gone, PostgreSQL gone, a node that hangs, a stranger at the link: each with its typed answer."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import psycopg
import pytest
from redis.asyncio import Redis as RedisClient

from benchmarks.services import Postgres, Redis, free_port
from benchmarks.session_client import Person, visitor
from server.backend import NodeInfo
from server.backend.address_book import AddressBook, Entry
from server.backend.open import open_backend
from server.backend.postgres import dsn
from server.backend.postgres_log import name_of
from server.backend.redis_bus import REACH_S
from signaling.errors import BackendUnavailable
from signaling.protocol import ActorId, NodeId
from tests.conftest import Shared
from tests.nodes.conftest import SITE, Nodes, says, texts
from tests.server_process import ROOT, start


@pytest.fixture
def own_redis() -> Redis:
    """One that a test may kill."""
    return Redis()


async def test_without_redis_nothing_is_taken_and_nothing_is_lost(
    shared: Shared, own_redis: Redis, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    with own_redis:
        shared.redis_url = own_redis.service.url
        nodes = Nodes(shared, tmp_path)
        person = await visitor(nodes.start().url, http, SITE)
        engagement = await says(person, "before")
        own_redis.service.kill()
        await asyncio.sleep(2)
        person.counter += 1
        lost = {"counter": person.counter, "engagement": engagement, "text": "while it is gone"}
        async with asyncio.timeout(4):
            ack = await person.socket.call("chat.send", lost)
        assert ack["error"]["code"] == "unavailable"
        own_redis.start()
        async with asyncio.timeout(3):
            while (await person.socket.call("chat.send", lost)).get("error"):
                await asyncio.sleep(0.1)
        assert await texts(person, engagement) == ["before", "while it is gone"]
        await person.close()
        nodes.stop()


async def test_a_redis_that_forgets_everything_is_whole_again(
    nodes: Nodes, shared: Shared, http: aiohttp.ClientSession
) -> None:
    person = await visitor(nodes[0].url, http, SITE)
    engagement = await says(person, "before")
    client = RedisClient.from_url(shared.redis_url)
    await client.delete(f"{{{shared.redis_prefix}}}:nodes")
    await client.hset(f"{{{shared.redis_prefix}}}:nodes", "n_stranger", os.urandom(64))
    await client.aclose()
    await asyncio.sleep(2)
    other = Person(nodes[1].url, http, person.token, SITE)
    await other.connect()
    await says(other, "after, elsewhere", engagement)
    assert await texts(person, engagement) == ["before", "after, elsewhere"]
    for one in (person, other):
        await one.close()
    assert "node is gone" not in nodes[1].log


async def test_an_entry_that_nobody_renews_is_removed_soon(shared: Shared, tmp_path: Path) -> None:
    """Else every new node would take it for a living one, and wait for it."""
    book = AddressBook(shared.redis_url, shared.redis_prefix)
    await book.beat(Entry(NodeInfo(NodeId("n_ghost"), link=f"127.0.0.1:{free_port()}"), 7), [])
    async with open_backend(shared.node(tmp_path)) as backend, asyncio.timeout(20):
        assert [peer.id for peer in backend.bus.peers()] == ["n_ghost"], "it may live"
        while len(await book.read()) != 1:
            await asyncio.sleep(0.2)
        assert not backend.bus.peers()
    await book.close()


async def test_nobody_waits_for_a_node_that_is_gone(shared: Shared, tmp_path: Path) -> None:
    """Who asked for an owner while it lived may be told its name when it is dead."""
    book = AddressBook(shared.redis_url, shared.redis_prefix)
    ghost = NodeInfo(NodeId("n_ghost"), link=f"127.0.0.1:{free_port()}")
    await book.beat(Entry(ghost, 7), [])
    async with open_backend(shared.node(tmp_path)) as backend:
        async with asyncio.timeout(20):
            while backend.bus.peers():
                await asyncio.sleep(0.02)
        began_s = time.monotonic()
        with pytest.raises(BackendUnavailable):
            await backend.bus.reach(ghost.id)
        assert time.monotonic() - began_s < REACH_S / 2
    await book.close()


async def test_without_postgres_it_is_unavailable_soon_and_back_by_itself(
    shared: Shared, own_postgres: Postgres, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    nodes = Nodes(shared, tmp_path)
    person = await visitor(nodes.start().url, http, SITE)
    engagement = await says(person, "before")
    own_postgres.service.pause()
    person.counter += 1
    lost = {"counter": person.counter, "engagement": engagement, "text": "while it hangs"}
    async with asyncio.timeout(5):
        ack = await person.socket.call("chat.send", lost, timeout=5)
    assert ack["error"]["code"] == "unavailable"
    own_postgres.service.resume()
    async with asyncio.timeout(10):
        await says(person, "after", engagement)
    assert await texts(person, engagement) in (["before", "after"], ["before", "while it hangs", "after"])
    await person.close()
    nodes.stop()


@pytest.mark.timeout(60)
async def test_a_node_that_alone_loses_postgres_steps_down(
    shared: Shared, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    nodes, user = Nodes(shared, tmp_path), f"cut_{shared.redis_prefix}"
    admin = await psycopg.AsyncConnection.connect(shared.database_url, autocommit=True)
    await admin.execute(f"CREATE ROLE {user} LOGIN IN ROLE talknow")
    await admin.execute(f"ALTER ROLE {user} SET role = talknow")
    nodes.start("--database", shared.database_url.replace("//talknow@", f"//{user}@"))
    nodes.start()
    person = await visitor(nodes[0].url, http, SITE)
    engagement = await says(person, "before")
    other = Person(nodes[1].url, http, person.token, SITE)
    await other.connect()
    await admin.execute(f"ALTER ROLE {user} NOLOGIN")
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (user,))
    async with asyncio.timeout(8):
        await says(other, "at the other one", engagement)
    assert "stepping down" in nodes[0].log and "stepping down" not in nodes[1].log
    await admin.execute(f"ALTER ROLE {user} LOGIN")
    async with asyncio.timeout(8):
        await says(person, "at the first one again", engagement)
    assert await texts(other, engagement) == ["before", "at the other one", "at the first one again"]
    for one in (person, other):
        await one.close()
    await admin.close()
    nodes.stop()


async def test_a_node_that_hung_gives_up_what_others_took(nodes: Nodes, http: aiohttp.ClientSession) -> None:
    """Stopped for longer than its lease, it wakes up, finds its actors taken and says so."""
    person = await visitor(nodes[0].url, http, SITE)
    engagement = await says(person, "on the first node")
    nodes[0].process.send_signal(signal.SIGSTOP)
    other = Person(nodes[1].url, http, person.token, SITE)
    async with asyncio.timeout(6):
        await other.connect()
        await says(other, "on the second node", engagement)
    nodes[0].process.send_signal(signal.SIGCONT)
    await says(person, "on the first node again", engagement)
    told = ["on the first node", "on the second node", "on the first node again"]
    assert await texts(other, engagement) == told
    for one in (person, other):
        await one.close()
    async with asyncio.timeout(15):
        while "lease held again" not in nodes[0].log:
            await asyncio.sleep(0.1)


async def test_who_hangs_in_the_middle_of_an_append_holds_nobody_up(shared: Shared, tmp_path: Path) -> None:
    dead, actor = NodeId("n_dead"), ActorId("e:e_1")
    config = shared.node(tmp_path)
    async with open_backend(config) as backend:
        await backend.log.claim(actor, dead)
        hanging = await psycopg.AsyncConnection.connect(dsn(config.database), application_name=name_of(dead))
        await hanging.execute("SELECT epoch FROM ownership WHERE actor = %s FOR SHARE", (actor,))
        with pytest.raises(BackendUnavailable):
            await backend.log.claim(actor, backend.bus.node_id, [dead])  # it lives: it may hold its locks
        async with asyncio.timeout(1.5):
            owned = await backend.log.claim(actor, backend.bus.node_id)
        assert owned.node == backend.bus.node_id
        with pytest.raises(psycopg.OperationalError):
            await hanging.commit()


async def test_a_drained_node_hands_over_before_it_ends(
    nodes: Nodes, shared: Shared, http: aiohttp.ClientSession
) -> None:
    person = await visitor(nodes[0].url, http, SITE)
    engagement = await says(person, "before")
    other = Person(nodes[1].url, http, person.token, SITE)
    await other.connect()

    def owner() -> str:
        with psycopg.connect(shared.database_url) as database:
            asked = "SELECT node FROM ownership WHERE actor = %s"
            ((node,),) = database.execute(asked, (f"e:{engagement}",)).fetchall()
        return str(node)

    drained = owner()
    assert await asyncio.to_thread(nodes[0].stop) == 0
    assert owner() != drained
    async with asyncio.timeout(2):
        await says(other, "after", engagement)
    assert await texts(other, engagement) == ["before", "after"]
    await other.close()


def test_a_stranger_at_the_link_is_not_listened_to(nodes: Nodes) -> None:
    with socket.create_connection(("127.0.0.1", nodes[0].port + 3), 2) as stranger:
        stranger.sendall(b"\x00\x00\x00\x05hello")
        stranger.settimeout(3)
        assert stranger.recv(1_000) == b""


def test_a_node_with_another_key_does_not_start(shared: Shared, tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    server = start(first, "--database", shared.database_url, "--keys", str(shared.keys_dir))
    server.stop()
    command = [
        sys.executable,
        "-m",
        "server",
        "serve",
        "--port",
        str(server.port),
        "--data",
        str(tmp_path / "x"),
    ]
    done = subprocess.run(
        [*command, "--database", shared.database_url], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 78
    assert "keys_dir" in done.stderr


@pytest.mark.parametrize(
    ("what", "flags"),
    [
        ("database", ["--database", "postgresql://x@127.0.0.1:1/x"]),
        ("redis", ["--redis", "redis://127.0.0.1:1/0"]),
    ],
)
def test_what_cannot_be_reached_at_the_start_is_said_in_words(
    what: str, flags: list[str], shared: Shared, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "server", "serve", "--data", str(tmp_path), "--port", str(free_port())]
    database = [] if what == "database" else ["--database", shared.database_url]
    done = subprocess.run([*command, *database, *flags], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"cannot reach {what}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["migrate", "agent list", "serve --demo"])
def test_every_command_says_that_the_database_cannot_be_reached(command: str, tmp_path: Path) -> None:
    flags = ["--data", str(tmp_path), "--database", "postgresql://x@127.0.0.1:1/x"]
    done = subprocess.run(
        [sys.executable, "-m", "server", *command.split(), *flags], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == "talknow: cannot reach database (OperationalError). Is it there?\n"


@pytest.mark.parametrize("wrong", ["--redis redis://x/0", "--database mysql://x/y", "--link-listen here"])
def test_settings_that_cannot_work_are_named(wrong: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "server", "serve", "--data", str(tmp_path), *wrong.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 78
    assert wrong.split()[0].strip("-").split("-")[0] in done.stderr
