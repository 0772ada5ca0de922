"""Links by themselves: who waits for a stream to a node that leaves waits no longer."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from benchmarks.services import free_port
from server.backend import NodeInfo
from server.backend.links import Links
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


async def _refused(links: Links, node: NodeId) -> bool:
    with pytest.raises(BackendUnavailable):
        await links.reach(node, 60.0)
    return True
