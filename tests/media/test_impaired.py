"""Calls over a bad network: losses come again, doubles pass once, a new NAT port is followed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from struct import pack
from typing import Any

import pytest

from benchmarks.impairment import Profile
from benchmarks.peer import Voice
from benchmarks.relay import UdpRelay
from media import feedback as fb
from media.node import MediaNode
from media.sdp import VP8, VP8_RTX
from tests.media.conftest import Client, Heard, pair, running, until
from tests.server_process import free_block

TONE = [bytes([n]) * 60 for n in range(1, 50)]
PACKETS = 400


class Receiver(Client):
    """Asks again for what is missing, as a browser does, until it has come."""

    def video(self) -> dict[int, bytes]:
        """Payloads by place after the first, those that were sent again (RFC 4588) in their old places."""
        found = {}
        for header, packet in self.got:
            body, seq = packet[header.size :], header.seq
            if header.payload_type == VP8_RTX:
                body, seq = body[2:], int.from_bytes(body[:2], "big")
            found[(seq - self.got[0][0].seq) & 0xFFFF] = body
        return found

    def missing(self) -> list[int]:
        """Places of the gaps in what has come so far."""
        return [lost for a, b in pairwise(sorted(self.video())) for lost in range(a + 1, b)]

    def ask(self) -> None:
        if self.path is not None and (missing := self.missing()):
            first = self.got[0][0]
            lost = [(first.seq + place) & 0xFFFF for place in missing[:60]]
            self.path.send_rtcp(fb.nack(9, first.ssrc, lost))


@pytest.fixture
async def relay() -> AsyncIterator[UdpRelay]:
    async with UdpRelay(("127.0.0.1", free_block(1)), seed=5) as between:
        yield between


@pytest.fixture(params=["plain", "fast"])
async def behind(
    request: pytest.FixtureRequest, relay: UdpRelay, music_dir: Path, heard: Heard
) -> AsyncIterator[MediaNode]:
    """A node that is reached through the relay only; on both engines."""
    settings: tuple[Any, ...] = (
        "127.0.0.1",
        relay.target[1],
        "127.0.0.1",
        relay.port,
        music_dir,
        lambda leg: [],
        request.param,
    )
    async with running(heard, *settings) as media:
        yield media


def video(count: int) -> bytes:
    return pack("!BBHLL", 0x80, VP8, count, count * 3_000, 77) + count.to_bytes(2, "big") * 50


def number(body: bytes) -> int:
    return int.from_bytes(body[:2], "big")


async def stream(client: Client, between: Callable[[], None] = lambda: None) -> None:
    """A video of PACKETS packets, faster than life; `between` every twenty."""
    assert client.path is not None
    for count in range(PACKETS):
        client.path.send_rtp(video(count))
        if count % 5 == 0:
            await asyncio.sleep(0.002)
        if count % 20 == 0:
            between()


async def test_packets_lost_on_the_way_down_come_again_when_asked_for(
    behind: MediaNode, relay: UdpRelay
) -> None:
    a, b = await pair(behind, Receiver)
    relay.down.setting.profile = Profile(loss=0.05)
    await stream(a, b.ask)
    await until(lambda: relay.down.counts.lost > 5)
    relay.down.setting.profile = Profile()
    assert a.path is not None
    a.path.send_rtp(video(PACKETS))
    await until(lambda: any(number(body) == PACKETS for body in b.video().values()))
    async with asyncio.timeout(10):
        while b.missing():
            b.ask()
            await asyncio.sleep(0.1)
    again = [header for header, _ in b.got if header.payload_type == VP8_RTX]
    assert len(again) > 5
    numbers = [number(body) for _, body in sorted(b.video().items())]
    assert numbers == list(range(numbers[0], PACKETS + 1))


async def test_a_packet_lost_on_the_way_up_is_asked_of_its_source(behind: MediaNode, relay: UdpRelay) -> None:
    a, b = await pair(behind, Receiver)
    assert a.path is not None
    a.path.send_rtp(video(0))
    await until(lambda: len(b.got) == 1)
    relay.up.setting.cut = True
    a.path.send_rtp(video(1))
    relay_saw = relay.up.counts
    await until(lambda: relay.up.counts.cut > 0)
    assert relay_saw.cut == 0
    relay.up.setting.cut = False
    a.path.send_rtp(video(2))
    await until(lambda: len(b.got) == 2)
    b.ask()
    path = a.path
    await until(lambda: any(fb.Nack(77, (1,)) in fb.parse(packet)[0] for packet in path.rtcp))


async def test_doubled_packets_are_forwarded_once(behind: MediaNode, relay: UdpRelay) -> None:
    a, b = await pair(behind, Receiver)
    relay.up.setting.profile = Profile(duplicate=1.0)
    await stream(a)
    await until(lambda: len(b.got) >= PACKETS)
    await until(lambda: behind.counters().get("srtp_replay", 0) >= PACKETS)
    assert len(b.got) == len({header.seq for header, _ in b.got}) == PACKETS


async def test_stragglers_keep_their_place_and_pass_once(behind: MediaNode, relay: UdpRelay) -> None:
    a, b = await pair(behind, Receiver)
    relay.up.setting.profile = Profile(reorder=0.1, reorder_s=0.005, duplicate=0.1)
    await stream(a)
    await until(lambda: len(b.got) >= PACKETS)
    assert relay.up.counts.reordered > 10
    in_order = sorted(b.got, key=lambda found: int.from_bytes(found[1][-2:], "big"))
    assert [(y[0].seq - x[0].seq) & 0xFFFF for x, y in pairwise(in_order)] == [1] * (PACKETS - 1)
    assert [header.seq for header, _ in b.got] != [header.seq for header, _ in in_order]


async def test_a_new_nat_port_keeps_the_call_and_audio_goes_on(
    behind: MediaNode, relay: UdpRelay, heard: Heard
) -> None:
    a, b = await pair(behind, Receiver)
    voices = []
    for client in (a, b):
        voice = Voice(TONE)
        voice.path = client.path
        voice.start()
        voices.append(voice)
    await until(lambda: min(len(a.got), len(b.got)) >= 5)
    for _ in range(3):
        relay.rebind()
        known = len(a.got), len(b.got)
        await until(lambda known=known: len(a.got) > known[0] + 10 and len(b.got) > known[1] + 10)  # type: ignore[misc]
    for voice in voices:
        voice.stop()
    assert heard.lost == []
    assert len(heard.connected) == 2


async def test_a_short_cut_ends_no_call(behind: MediaNode, relay: UdpRelay, heard: Heard) -> None:
    a, b = await pair(behind, Receiver)
    voice = Voice(TONE)
    voice.path = a.path
    voice.start()
    await until(lambda: len(b.got) >= 5)
    relay.up.setting.cut = relay.down.setting.cut = True
    await asyncio.sleep(1.5)
    known = len(b.got)
    relay.up.setting.cut = relay.down.setting.cut = False
    await until(lambda: len(b.got) > known + 10)
    voice.stop()
    assert heard.lost == []
