"""Asks of other nodes, over a bus that is made up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from server.backend import NodeInfo
from server.nodes.messages import Answered, Asked, Fault, Holds, decode, encode
from server.nodes.peers import Peers
from server.tasks import task_group
from signaling.protocol import NodeId

OTHER = NodeId("n_other")


class FaultyOther:
    """A bus with one other node, in which every ask fails."""

    shared = True
    node_id = NodeId("n_me")

    def __init__(self) -> None:
        self._back: asyncio.Queue[bytes] = asyncio.Queue()

    def peers(self) -> Sequence[NodeInfo]:
        return (NodeInfo(OTHER),)

    async def reach(self, node: NodeId) -> None: ...

    def send(self, node: NodeId, envelope: bytes) -> None:
        asked = decode(envelope)
        assert isinstance(asked, Asked)
        self._back.put_nowait(encode(Answered(asked.number, fault=Fault("TalkError", "internal"))))

    async def receive(self) -> AsyncIterator[tuple[NodeId, bytes]]:
        while True:
            yield OTHER, await self._back.get()


async def _yes(_: NodeId, __: Holds) -> bool:
    return True


async def test_a_fault_of_another_node_is_no_answer_and_no_fault_of_ours() -> None:
    async with task_group() as tasks:
        peers = Peers(FaultyOther(), tasks)  # type: ignore[arg-type]
        peers.asks[Holds] = _yes
        reading = tasks.create_task(peers.run())
        assert await peers.ask_all(Holds()) == [True]
        reading.cancel()
