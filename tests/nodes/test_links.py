"""Links by themselves: who waits for a stream to a node that leaves waits no longer."""

from __future__ import annotations

import asyncio
import hmac
import socket
import struct
import time
from collections.abc import Callable
from typing import cast

import msgspec
import pytest
from aiohttp import web

from benchmarks.services import free_port
from server.backend import NodeInfo
from server.backend.links import UNANSWERED_MS, Links
from server.tasks import task_group
from signaling.errors import BackendUnavailable
from signaling.protocol import NodeId

KEY = b"k" * 32


async def test_who_waits_for_a_node_that_leaves_is_told_at_once() -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # it takes the call and says nothing
    async with task_group() as tasks:
        links = Links(NodeId("n_me"), KEY, tasks)
        gone = NodeInfo(NodeId("n_gone"), link=f"127.0.0.1:{silent.getsockname()[1]}")
        links.join(gone)
        waiting = tasks.create_task(_refused(links, gone.id))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        began_s = time.monotonic()
        links.leave(gone.id)
        assert await waiting
        assert time.monotonic() - began_s < 5, "and not after the minute that was allowed"
        links.close()
    silent.close()


async def test_where_nobody_listens_nobody_is_waited_for() -> None:
    async with task_group() as tasks:
        links = Links(NodeId("n_me"), KEY, tasks)
        gone = NodeInfo(NodeId("n_gone"), link=f"127.0.0.1:{free_port()}")
        links.join(gone)
        began_s = time.monotonic()
        assert await _refused(links, gone.id)
        assert await _refused(links, gone.id)
        assert time.monotonic() - began_s < 5
        links.close()


async def test_a_node_that_is_not_heard_of_yet_is_waited_for() -> None:
    async with task_group() as tasks:
        me, other = (Links(NodeId(name), KEY, tasks) for name in ("n_me", "n_other"))
        port = await other.listen("127.0.0.1", 0)
        waiting = tasks.create_task(me.reach(NodeId("n_other"), 10.0))
        await asyncio.sleep(0.05)
        me.join(NodeInfo(NodeId("n_other"), link=f"127.0.0.1:{port}"))
        await waiting
        me.send(NodeId("n_other"), b"hello")
        assert await other.inbox.get() == ("n_me", b"hello")
        me.close()
        other.close()


async def test_where_a_stream_broke_nobody_waits_long() -> None:
    async with task_group() as tasks:
        me, other = (Links(NodeId(name), KEY, tasks) for name in ("n_me", "n_other"))
        port = await other.listen("127.0.0.1", 0)
        me.join(NodeInfo(NodeId("n_other"), link=f"127.0.0.1:{port}"))
        await me.reach(NodeId("n_other"), 10.0)
        me.send(NodeId("n_other"), b"hello")
        assert await other.inbox.get() == ("n_me", b"hello")
        assert me.linked() == {"n_other"}
        other.close()
        silent = await _silent(port)
        while me.linked():
            await asyncio.sleep(0.01)
        began_s = time.monotonic()
        assert await _refused(me, NodeId("n_other"))
        assert time.monotonic() - began_s < 5
        me.close()
    silent.close()


async def test_a_way_that_breaks_takes_the_other_with_it_and_is_told_once() -> None:
    """Where nothing arrives any more only who writes finds out soon."""

    class Users:
        def __init__(self) -> None:
            self.told: list[str] = []

        def link_up(self, node: NodeId) -> None:
            self.told.append(f"up {node}")

        def link_down(self, node: NodeId) -> None:
            self.told.append(f"down {node}")

        def link_refused(self, node: NodeId) -> None: ...

    async with task_group() as tasks:
        me, other = (Links(NodeId(name), KEY, tasks) for name in ("n_me", "n_other"))
        me.users = users = Users()
        ports = [await one.listen("127.0.0.1", 0) for one in (me, other)]
        me.join(NodeInfo(NodeId("n_other"), link=f"127.0.0.1:{ports[1]}"))
        other.join(NodeInfo(NodeId("n_me"), link=f"127.0.0.1:{ports[0]}"))
        await me.reach(NodeId("n_other"), 10.0)
        await other.reach(NodeId("n_me"), 10.0)
        other.send(NodeId("n_me"), b"hello")
        assert await me.inbox.get() == ("n_other", b"hello")
        theirs = me._in[NodeId("n_other")]
        me._out[NodeId("n_other")].transport.abort()
        while len(users.told) < 3:
            await asyncio.sleep(0.01)
        assert theirs.transport.is_closing()
        await me.reach(NodeId("n_other"), 10.0)
        await other.reach(NodeId("n_me"), 10.0)
        await asyncio.sleep(0.1)
        assert users.told == ["up n_other", "down n_other", "up n_other"]
        me.close()
        other.close()


async def test_who_knocks_speaks_http_to_what_stands_behind_the_door() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="come in")

    app = web.Application()
    app.add_routes([web.get("/", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    async with task_group() as tasks:
        me, other = (Links(NodeId(name), KEY, tasks) for name in ("n_me", "n_other"))
        port = await other.listen("127.0.0.1", 0)
        assert await _shut(me), "it is not known"
        me.join(NodeInfo(NodeId("n_other"), link=f"127.0.0.1:{port}"))
        assert await _shut(me), "nobody stands there yet"
        other.door = cast("Callable[[], asyncio.BaseProtocol]", runner.server)
        stream = await me.knock(NodeId("n_other"))
        reader = asyncio.StreamReader()
        stream.transport.set_protocol(asyncio.StreamReaderProtocol(reader))
        stream.write(b"GET / HTTP/1.1\r\nHost: other\r\n\r\n")
        assert await asyncio.wait_for(reader.readuntil(b"come in"), 5)
        await me.reach(NodeId("n_other"), 5.0)
        me.send(NodeId("n_other"), b"beside it")
        assert await other.inbox.get() == ("n_me", b"beside it")
        stream.transport.abort()
        me.close()
        other.close()
    await runner.cleanup()


@pytest.mark.parametrize("role", [b"knocks", b"calls"])
async def test_who_does_not_know_the_key_is_not_let_in(role: bytes) -> None:
    opened: list[asyncio.Protocol] = []

    def door() -> asyncio.Protocol:
        opened.append(asyncio.Protocol())
        return opened[-1]

    async with task_group() as tasks:
        other = Links(NodeId("n_other"), KEY, tasks)
        other.door = door
        reader, writer = await asyncio.open_connection("127.0.0.1", await other.listen("127.0.0.1", 0))
        writer.write(_framed(msgspec.msgpack.encode(["n_me", b"n" * 16])))
        nonce = msgspec.msgpack.decode(await _frame(reader))[1]
        await _frame(reader)  # its proof, which we cannot judge
        writer.write(_framed(hmac.digest(b"w" * 32, role + nonce + b"n_me", "sha256")))
        assert await asyncio.wait_for(reader.read(), 5) == b""
        assert not opened and not other.linked() and other.inbox.empty()
        writer.close()
        other.close()


async def test_who_answers_nonsense_is_called_again_and_ends_nothing() -> None:
    calls = 0

    async def nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.write(_framed(b"\xc1"))
        writer.close()

    server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    async with task_group() as tasks:
        me = Links(NodeId("n_me"), KEY, tasks)
        me.join(NodeInfo(NodeId("n_other"), link=f"127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        assert await _shut(me)
        async with asyncio.timeout(5):
            while calls < 4:
                await asyncio.sleep(0.02)
        me.close()
    server.close()


async def test_a_guest_may_be_slow() -> None:
    """A stream that is not read for longer than a link may be silent is still whole."""
    size = 12 * 1024 * 1024

    class Flood(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.Transport, transport)

        def data_received(self, _: bytes) -> None:
            self.transport.write(bytes(size))

    async with task_group() as tasks:
        me, other = (Links(NodeId(name), KEY, tasks) for name in ("n_me", "n_other"))
        other.door = Flood
        me.join(NodeInfo(NodeId("n_other"), link=f"127.0.0.1:{await other.listen('127.0.0.1', 0)}"))
        stream = await me.knock(NodeId("n_other"))
        reader = asyncio.StreamReader()
        stream.transport.set_protocol(asyncio.StreamReaderProtocol(reader))
        cast(asyncio.Transport, stream.transport).pause_reading()
        stream.write(b"all of it, please")
        await asyncio.sleep(3 * UNANSWERED_MS / 1_000)
        cast(asyncio.Transport, stream.transport).resume_reading()
        seen = 0
        async with asyncio.timeout(10):
            while seen < size:
                some = await reader.read(1 << 20)
                assert some, f"ended after {seen} bytes"
                seen += len(some)
        stream.transport.abort()
        me.close()
        other.close()


def _framed(data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + data


async def _frame(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack("!I", await reader.readexactly(4))
    return await reader.readexactly(size)


async def _silent(port: int) -> socket.socket:
    """Takes calls there as soon as the port is free, and says nothing."""
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            await asyncio.sleep(0.01)


async def _shut(links: Links) -> bool:
    with pytest.raises(BackendUnavailable):
        await links.knock(NodeId("n_other"))
    return True


async def _refused(links: Links, node: NodeId) -> bool:
    with pytest.raises(BackendUnavailable):
        await links.reach(node, 60.0)
    return True
