"""A rolling upgrade: nodes of this version and of the next one, side by side and one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp
import msgspec
import pytest

from benchmarks.session_client import Person, visitor
from server.backend import NodeInfo
from server.nodes.messages import Answered, Asked, Holds, decode, encode
from server.nodes.peers import Peers
from server.tasks import task_group
from signaling.protocol import NodeId
from tests.conftest import Shared
from tests.nodes.conftest import SITE, Nodes, says, texts

NEXT = "tests.nodes.next_version"


@pytest.mark.timeout(90)
async def test_nodes_of_two_versions_serve_the_same_people(
    shared: Shared, tmp_path: Path, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALKNOW_DATABASE_URL", shared.database_url)
    nodes = Nodes(shared, tmp_path)
    nodes.start()
    nodes.start(program=NEXT)
    nodes.start()  # of this version, on a database that is ahead
    person = await visitor(nodes[0].url, http, SITE)
    engagement = await says(person, "to this version")
    later, third = (Person(nodes[number].url, http, person.token, SITE) for number in (1, 2))
    await later.connect()
    await says(later, "through the next one", engagement)
    assert await asyncio.to_thread(nodes[0].stop) == 0
    await says(later, "to the next one", engagement)
    await third.connect()
    await says(third, "through this version", engagement)
    nodes[1].kill()
    async with asyncio.timeout(10):
        await says(third, "to this version again", engagement)
    assert await texts(third, engagement) == [
        "to this version",
        "through the next one",
        "to the next one",
        "through this version",
        "to this version again",
    ]
    for one in (person, later, third):
        await one.close()
    assert "something unknown" not in nodes[2].log
    nodes.stop()


class OneAsk:
    """A bus over which one envelope comes; what is sent back is kept."""

    shared = True
    node_id = NodeId("n_me")

    def __init__(self, envelope: bytes) -> None:
        self._envelope = envelope
        self.sent: list[bytes] = []

    def peers(self) -> Sequence[NodeInfo]:
        return ()

    def send(self, node: NodeId, envelope: bytes) -> None:
        self.sent.append(envelope)

    async def receive(self) -> AsyncIterator[tuple[NodeId, bytes]]:
        yield NodeId("n_later"), self._envelope


async def test_what_only_a_later_version_asks_is_refused_at_once() -> None:
    known = msgspec.msgpack.decode(encode(Asked(7, Holds())))
    known["ask"] = {"k": "of_a_later_version", "more": 1}
    bus = OneAsk(msgspec.msgpack.encode(known))
    async with task_group() as tasks:
        await Peers(bus, tasks).run()  # type: ignore[arg-type]
    [answer] = map(decode, bus.sent)
    assert isinstance(answer, Answered) and answer.number == 7
    assert answer.fault is not None and answer.fault.code == "unavailable"
