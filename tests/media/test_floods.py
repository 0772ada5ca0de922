"""Floods and insiders: memory stays bounded, calls go on, and a peer speaks for nobody but itself."""

from __future__ import annotations

import asyncio
import os
import sys
from struct import pack
from typing import Any

import pytest

from benchmarks.accounting import resident_bytes
from benchmarks.peer import Voice
from media import feedback as fb
from media.guard import MAX_SOURCES
from media.node import MediaNode
from media.sdp import OPUS, VP8
from signaling.effects import Route
from tests.media.attacks import RTCP_BYE, Stranger, arrived
from tests.media.conftest import A, B, Client, E, Heard, until
from tests.media.test_attacks import TONE, Victim, carries, faults, other
from tests.server_process import ROOT

__all__ = ["faults", "other"]

MAX_GROWTH_BYTES = 20 * 1024 * 1024

FLOOD = ("-m", "benchmarks.flooder")
"""A process of its own that sends datagrams of every class from many sources."""


@pytest.mark.slow
@pytest.mark.timeout(90)
@pytest.mark.parametrize("phase", ["checked", "call"])
async def test_a_flood_of_garbage_fills_no_memory_and_ends_no_call(
    node: MediaNode, heard: Heard, other: Client, faults: Any, phase: str
) -> None:
    victim = Victim(node, A)
    await victim.reach(phase)
    voice = Voice(TONE)
    voice.path = other.path
    voice.start()
    before = resident_bytes(os.getpid())
    host, port = victim.held.server
    flood = await asyncio.create_subprocess_exec(
        sys.executable, *FLOOD, host, str(port), "--datagrams", "400000", cwd=ROOT
    )
    await asyncio.sleep(0.3)
    if phase == "checked":
        await victim.go_on(phase)
    assert await flood.wait() == 0
    await arrived()
    heard_before = len(victim.got)
    await until(lambda: len(victim.got) > heard_before + 5)
    voice.stop()
    assert sum(node.counters().values()) > 100_000, "the flood has hardly arrived"
    assert resident_bytes(os.getpid()) - before < MAX_GROWTH_BYTES
    assert len(node._mux._sources._left) <= MAX_SOURCES
    assert len(node._mux._by_address) <= 4
    assert len(node.counters()) < 20
    assert heard.lost == []


async def test_a_peer_that_floods_is_cut_at_its_budget_and_the_others_are_not(
    node: MediaNode, heard: Heard, other: Client, faults: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its own address and without the keys; the budget (4,000 a second) is made small for the test."""
    monkeypatch.setattr("media.path.MAX_PACKETS_PER_S", 300)
    victim = Victim(node, A)
    await victim.reach("call")
    await carries(victim, other)
    leg = node.leg(A)
    assert leg is not None and leg.current is not None
    leg.current.refill()
    for number in range(3_000):
        victim.held.send_raw(b"\x80\x6f" + number.to_bytes(4, "big") + bytes(60))
        await asyncio.sleep(0)
    await arrived()
    counters = node.counters()
    assert counters["flood"] > 0
    assert 300 <= counters["srtp_auth"] < 3_000
    leg.current.refill()
    await carries(victim, other)
    assert heard.lost == []


@pytest.mark.parametrize("source", ["foreign", "own"])
async def test_replayed_media_is_forwarded_once(
    node: MediaNode, heard: Heard, other: Client, faults: Any, source: str
) -> None:
    victim = Victim(node, A)
    await victim.reach("call")
    voice = Voice(TONE)
    voice.path = victim.held
    begin = len(victim.held.sent)
    for _ in range(20):
        voice.send_one()
    await until(lambda: len(other.got) == 20)
    captured = [data for data in victim.held.sent[begin:] if data[0] & 0xC0 == 0x80]
    assert len(captured) == 20
    stranger = Stranger(victim.held.server)
    for data in captured * 5:
        victim.held.send_raw(data) if source == "own" else stranger.send(data)
    await arrived()
    assert len(other.got) == 20
    reason = "srtp_replay" if source == "own" else "unverified_source"
    assert node.counters()[reason] == 100
    assert stranger.received() == []
    stranger.close()
    voice.send_one()
    await until(lambda: len(other.got) == 21)


async def test_media_of_one_leg_is_no_media_of_another(
    node: MediaNode, heard: Heard, other: Client, faults: Any
) -> None:
    """Packets protected for A's path arrive from B's address: another key, dropped."""
    victim = Victim(node, A)
    await victim.reach("call")
    await carries(victim, other)
    captured = [data for data in victim.held.sent if data[0] & 0xC0 == 0x80]
    count = len(other.got)
    assert other.path is not None
    for data in captured:
        other.path.send_raw(data)
    await arrived()
    assert len(other.got) == count
    assert node.counters()["srtp_auth"] == len(captured)
    await carries(victim, other)


async def test_a_hijacked_ssrc_speaks_for_its_sender_only(
    node: MediaNode, heard: Heard, other: Client, faults: Any
) -> None:
    """A uses B's SSRC and the SSRCs we gave: what B says stays B's, what A hears is B's alone."""
    victim = Victim(node, A)
    await victim.reach("call")
    assert other.path is not None
    voice = Voice(TONE, ssrc=77)
    voice.path = other.path
    voice.send_one()
    await until(lambda: len(victim.got) == 1)
    header = victim.got[0][0]
    for number, ssrc in enumerate((77, header.ssrc)):
        victim.held.send_rtp(pack("!BBHLL", 0x80, OPUS, 100 + number, 0, ssrc) + b"hijacked")
    await arrived()
    voice.send_one()
    await until(lambda: len(victim.got) == 2)
    assert all(b"hijacked" not in packet for _, packet in victim.got)
    assert victim.got[1][0].ssrc == header.ssrc
    assert victim.got[1][0].seq == (header.seq + 1) & 0xFFFF
    assert len({header.ssrc for header, _ in other.got}) <= 1
    assert node.counters()["ssrc_conflict"] >= 1


@pytest.mark.parametrize("payload_type", [0, 8, 13, 34, 63, 71, 95, 112, 126, 127])
async def test_payload_types_nobody_agreed_on_are_dropped(
    node: MediaNode, heard: Heard, other: Client, faults: Any, payload_type: int
) -> None:
    victim = Victim(node, A)
    await victim.reach("call")
    agreed = payload_type == 63  # RED, part of the offer
    victim.held.send_rtp(pack("!BBHLL", 0x80, payload_type, 1, 0, 9) + b"what is this")
    await arrived()
    assert len(other.got) == (1 if agreed else 0)
    if not agreed:
        assert node.counters()["rtp_unknown_pt"] == 1
    assert heard.lost == []


BAD_RTP = {
    # fifteen sources and an extension past the end: libsrtp refuses to protect them; tests/fuzz reads them
    "element past the block": pack("!BBHLLHHL", 0x90, OPUS, 1, 1, 1, 0xBEDE, 1, 0x1F000000),
    "element of id 0": pack("!BBHLLHHL", 0x90, OPUS, 1, 1, 1, 0xBEDE, 1, 0x03000000),
    "two-byte element cut": pack("!BBHLLHHL", 0x90, OPUS, 1, 1, 1, 0x1000, 1, 0x00000005),
    "level of three bytes": pack("!BBHLLHHL", 0x90, OPUS, 1, 1, 1, 0xBEDE, 1, 0x12010203),
    "padding of 255": pack("!BBHLL", 0xA0, OPUS, 1, 1, 1) + b"\xff",
}


@pytest.mark.parametrize("name", BAD_RTP)
async def test_malformed_packets_of_a_real_peer_close_nothing(
    node: MediaNode, heard: Heard, other: Client, faults: Any, name: str
) -> None:
    victim = Victim(node, A)
    await victim.reach("call")
    victim.held.send_rtp(BAD_RTP[name])
    await arrived()
    assert all(len(packet) <= len(BAD_RTP[name]) for _, packet in other.got)
    assert heard.lost == []
    leg = node.leg(A)
    assert leg is not None and leg.current is not None


def rtcp(kind: int, count: int, body: bytes) -> bytes:
    return pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


BAD_RTCP = {
    "without end": pack("!BBH", 0x80, 201, 0xFFFF) + bytes(8),
    "goodbye of the other": rtcp(203, 1, pack("!L", 77)),
    "goodbye of all": rtcp(203, 31, b"".join(pack("!L", n) for n in range(31))),
    "no bitrate": fb.bitrate(1, 77, 0),
    "endless bitrate": rtcp(206, 15, pack("!LL4sBBHL", 1, 0, b"REMB", 1, 0xFF, 0xFFFF, 77)),
    "reports of strangers": fb.receiver_report(1, tuple(fb.Block(n, 255, 1, 1, 1, 1, 1) for n in range(31))),
    "sender report of the other": fb.sender_report(77, 0, 0, 0, 0),
    "nack of everything": rtcp(205, 1, pack("!LL", 1, 77) + pack("!HH", 0, 0xFFFF) * 300),
    "key frames of strangers": rtcp(206, 4, pack("!LLLBBBB", 1, 0, 5, 1, 0, 0, 0)),
    "transport-cc of garbage": rtcp(205, 15, pack("!LL", 1, 77) + b"\xff" * 400),
    "empty packets": pack("!BBH", 0x80, 201, 0) * 300,
}


@pytest.mark.parametrize("name", BAD_RTCP)
async def test_forged_feedback_of_a_real_peer_reaches_nobody_elses_media(
    node: MediaNode, heard: Heard, other: Client, faults: Any, name: str
) -> None:
    victim = Victim(node, A)
    await victim.reach("call")
    voice = Voice(TONE, ssrc=77)
    voice.path = other.path
    voice.send_one()
    await until(lambda: len(victim.got) == 1)
    assert other.path is not None
    other.path.rtcp.clear()
    for _ in range(20):
        victim.held.send_rtcp(BAD_RTCP[name])
    await arrived()
    told = [item for packet in other.path.rtcp for item in fb.parse(packet)[0]]
    assert not any(isinstance(item, fb.Nack | fb.TransportCc | fb.KeyFrameRequest) for item in told)
    assert not any(packet[1] == RTCP_BYE[1] for packet in other.path.rtcp)
    voice.send_one()
    await until(lambda: len(victim.got) == 2)
    assert victim.got[1][0].seq == (victim.got[0][0].seq + 1) & 0xFFFF
    assert heard.lost == []


async def test_a_thousand_key_frame_requests_ask_the_source_for_a_few(
    node: MediaNode, heard: Heard, other: Client, faults: Any
) -> None:
    node.set_routes(E, (Route(B, A, "video"),))
    victim = Victim(node, A)
    await victim.reach("call")
    assert other.path is not None
    other.path.send_rtp(pack("!BBHLL", 0x80, VP8, 1, 0, 55) + b"picture")
    await until(lambda: len(victim.got) == 1)
    other.path.rtcp.clear()
    for _ in range(1_000):
        victim.held.send_rtcp(fb.picture_loss(1, victim.got[0][0].ssrc))
    await arrived()
    asked = [i for p in other.path.rtcp for i in fb.parse(p)[0] if isinstance(i, fb.KeyFrameRequest)]
    assert len(asked) <= 2
