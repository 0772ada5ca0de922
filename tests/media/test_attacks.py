"""Every attack before, during and after the handshake, from a foreign address and from the client's own.

Promise: no call is closed, no path is spoiled, nothing is answered to strangers, nothing leaks into the
loop as an exception. What is sent, and the one thing that cannot hold: attacks.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Literal
from weakref import WeakKeyDictionary

import pytest

from benchmarks.peer import Voice
from media.node import MediaNode
from media.path import MAX_ADDRESSES
from signaling.effects import Route
from signaling.protocol import PathOffer
from tests.media.attacks import ATTACKS, HeldPath, Stranger, arrived, server_hello
from tests.media.conftest import A, B, Client, E, Heard, until

BOTH = (Route(A, B, "audio"), Route(B, A, "audio"))
TONE = [bytes([n]) * 60 for n in range(1, 50)]
PHASES = ("offered", "checked", "handshake", "call")
VOICES: WeakKeyDictionary[Client, Voice] = WeakKeyDictionary()
Source = Literal["foreign", "own"]


class Victim(Client):
    """A client that stops where an attack shall meet it."""

    offer: PathOffer
    held: HeldPath

    async def reach(self, phase: str) -> None:
        """offered: nothing sent; checked: our hello is on its way; handshake: half done; call: it runs."""
        self.offer = await self.node.open_path(E, self.leg)
        self.held = self.path = HeldPath(
            self.offer.sdp, lambda header, data, _: self.got.append((header, data))
        )
        self.held.silent = phase == "offered"
        self.held.holding = phase in ("checked", "handshake")
        self.held.flights = 1 if phase == "handshake" else 0
        if phase != "offered":
            await self.answer(self.offer, self.held)
        await self.held.start()
        if self.held.holding:
            await until(lambda: bool(self.held.kept))
        elif phase == "call":
            await self.go_on(phase)

    async def go_on(self, phase: str) -> None:
        if phase == "offered":
            await self.answer(self.offer, self.held)
            self.held.speak()
        self.held.release()
        async with asyncio.timeout(5):
            await self.held.connected


@pytest.fixture
async def faults() -> AsyncIterator[list[dict[str, Any]]]:
    """What no callback caught; must stay empty."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: found.append(context))
    yield found
    assert not found


@pytest.fixture
async def other(node: MediaNode) -> Client:
    node.set_routes(E, BOTH)
    other = Client(node, B)
    await other.connect()
    return other


async def carries(a: Client, b: Client) -> None:
    """Bytes of each reach the other, now. A path has one voice, with one SSRC."""
    for source, sink in ((a, b), (b, a)):
        voice = VOICES.setdefault(source, Voice(TONE))
        voice.path = source.path
        before = len(sink.got)
        sent = voice.send_one()
        assert sent is not None
        await until(lambda sink=sink, before=before: len(sink.got) > before)  # type: ignore[misc]
        assert sink.got[-1][1][12:] == sent[12:]


async def attack(victim: Victim, source: Source, datagrams: list[bytes]) -> None:
    stranger = Stranger(victim.held.server)
    for data in datagrams:
        if source == "own":
            victim.held.send_raw(data)
        else:
            stranger.send(data)
    await arrived()
    answered = stranger.received()
    stranger.close()
    assert answered == []


@pytest.mark.usefixtures("faults")
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("source", ["foreign", "own"])
@pytest.mark.parametrize("name", ATTACKS)
async def test_no_attack_closes_a_call(
    node: MediaNode, heard: Heard, other: Client, name: str, source: Source, phase: str
) -> None:
    victim = Victim(node, A)
    await victim.reach(phase)
    await attack(victim, source, ATTACKS[name](victim.held))
    if phase != "call":
        await victim.go_on(phase)
    await until(lambda: (A, victim.offer.path) in heard.connected)
    await carries(victim, other)
    assert heard.lost == []
    assert [leg for leg, _ in heard.connected] == [B, A]
    leg = node.leg(A)
    assert leg is not None and leg.current is not None and leg.current.id == victim.offer.path


@pytest.mark.parametrize("phase", ["checked", "handshake", "call"])
async def test_a_forged_server_hello_costs_one_path_at_most(
    node: MediaNode, heard: Heard, other: Client, faults: Any, phase: str
) -> None:
    """From the client's own address: spoils a handshake that is not over; the next path is untouched."""
    victim = Victim(node, A)
    await victim.reach(phase)
    await attack(victim, "own", [server_hello()])
    if phase == "call":
        await carries(victim, other)
    victim.held.close(goodbye=False)
    again = Victim(node, A)
    await again.reach("call")
    await carries(again, other)
    assert (A, again.offer.path) in heard.connected
    assert (B, heard.connected[0][1]) not in heard.lost


@pytest.mark.parametrize("phase", ["checked", "handshake", "call"])
async def test_a_captured_check_from_elsewhere_takes_no_media_away(
    node: MediaNode, heard: Heard, other: Client, faults: Any, phase: str
) -> None:
    """A check is valid for whoever repeats it; but the same one from a second address is a copy."""
    victim = Victim(node, A)
    await victim.reach(phase)
    captured = next(data for data in victim.held.sent if data[0] == 0)
    stranger = Stranger(victim.held.server)
    stranger.send(captured)
    await arrived()
    if phase != "call":
        await victim.go_on(phase)
    await carries(victim, other)
    taken = [data for data in stranger.received() if data[0] != 1]
    stranger.close()
    assert taken == []
    assert heard.lost == []


async def test_a_peer_of_many_addresses_keeps_few_and_its_call(
    node: MediaNode, heard: Heard, other: Client, faults: Any
) -> None:
    victim = Victim(node, A)
    await victim.reach("call")
    sockets = [Stranger(victim.held.server) for _ in range(64)]
    for one in sockets:
        one.send(victim.held.check())
        await asyncio.sleep(0)
    await arrived()
    victim.held.send_raw(victim.held.check())
    await arrived()
    leg = node.leg(A)
    assert leg is not None and leg.current is not None
    assert len(leg.current.addresses) <= MAX_ADDRESSES
    assert len(node._mux._by_address) <= 2 * MAX_ADDRESSES
    await carries(victim, other)
    for one in sockets:
        replies = one.received()
        assert sum(map(len, replies)) <= one.sent + 200  # authenticated: one answer each, and no flight
        one.close()
    assert heard.lost == []


async def test_offers_that_nobody_answers_are_bounded(node: MediaNode, other: Client) -> None:
    for _ in range(200):
        await node.open_path(E, A)
    leg = node.leg(A)
    assert leg is not None
    assert len(leg.paths) <= 5
    assert len(node._mux._by_ufrag) <= 5 + 2 * 5
