"""Calls over a real port: who hears whom, numbers over path changes, feedback, attacks."""

from __future__ import annotations

import asyncio
import re
import socket
from itertools import pairwise
from pathlib import Path
from struct import pack

import pytest

from benchmarks.peer import PeerPath, Voice
from media import feedback as fb
from media import rtp, sounds
from media.node import MediaNode
from media.sdp import VP8, VP8_RTX
from signaling.effects import HOLD_MUSIC, Route
from signaling.errors import InvalidDescription, InvalidTransition, NegotiationFailed, NotFound, StaleRevision
from tests.media.conftest import A, B, Client, E, Heard, pair, until

TONE = [bytes([n]) * 60 for n in range(1, 50)]


def rtcp(client: Client) -> list[bytes]:
    assert client.path is not None
    return client.path.rtcp


def video(seq: int, payload: bytes = b"frame" * 20, ssrc: int = 77) -> bytes:
    return pack("!BBHLL", 0x80, VP8, seq, seq * 3_000, ssrc) + payload


async def test_bytes_arrive_equal_at_the_other_side_and_nowhere_else(node: MediaNode) -> None:
    a, b = await pair(node)
    voice = Voice(TONE)
    voice.path = a.path
    sent = [voice.send_one() for _ in range(20)]
    await until(lambda: len(b.got) >= 20)
    assert [packet[12:] for _, packet in b.got] == [packet[12:] for packet in sent if packet]
    assert a.got == []


async def test_nothing_passes_without_a_route(node: MediaNode) -> None:
    a, b = await pair(node)
    node.set_routes(E, (Route(B, A, "audio"),))
    voice = Voice(TONE)
    voice.path = a.path
    voice.send_one()
    voice.path = b.path
    voice.send_one()
    await until(lambda: len(a.got) == 1)
    assert b.got == []


async def test_numbers_go_on_over_a_path_change_by_ticket(node: MediaNode, heard: Heard) -> None:
    a, b = await pair(node)
    voice = Voice(TONE)
    voice.path = a.path
    for _ in range(5):
        voice.send_one()
    await until(lambda: len(b.got) == 5)
    first = a.path
    assert first is not None and a.ticket is not None
    first.close()
    await until(lambda: len(heard.lost) == 1)
    again = Voice(TONE)
    again.path = await a.connect(a.ticket, answer_first=False)
    again.send_one()
    await until(lambda: len(b.got) == 6)
    before, after = b.got[4][0], b.got[5][0]
    assert after.seq == (before.seq + 1) & 0xFFFF
    assert 0 < (after.timestamp - before.timestamp) & 0xFFFFFFFF < 48_000 * 5
    assert after.ssrc == before.ssrc


@pytest.mark.parametrize("fresh_s", [5.0, 0.0])
async def test_who_comes_back_hears_the_last_of_what_was_missed_at_once_unless_it_is_old(
    node: MediaNode, heard: Heard, monkeypatch: pytest.MonkeyPatch, fresh_s: float
) -> None:
    monkeypatch.setattr("media.plane.MISSED_S", fresh_s)
    a, b = await pair(node)
    voice = Voice(TONE)
    voice.path = a.path
    voice.send_one()
    await until(lambda: len(b.got) == 1)
    assert b.path is not None and b.ticket is not None
    b.path.close()
    await until(lambda: len(heard.lost) == 1)
    sent = [voice.send_one() for _ in range(3)]
    await asyncio.sleep(0.05)
    await b.connect(b.ticket)
    await asyncio.sleep(0.1)
    expected = sent[-1:] if fresh_s else []
    assert [packet[12:] for _, packet in b.got[1:]] == [packet[12:] for packet in expected if packet]
    voice.send_one()
    await until(lambda: len(b.got) == 2 + len(expected))
    seqs = [header.seq for header, _ in b.got]
    assert [(later - earlier) & 0xFFFF for earlier, later in pairwise(seqs)] == ([3, 1] if fresh_s else [4])


async def test_a_ticket_is_good_once(node: MediaNode) -> None:
    a, _ = await pair(node)
    ticket = a.ticket
    assert ticket is not None
    path = await a.connect(ticket)
    with pytest.raises((InvalidTransition, NotFound, StaleRevision)):
        await a.answer(ticket, path)


async def test_no_media_before_the_fingerprint_is_known(node: MediaNode, heard: Heard) -> None:
    _, b = await pair(node)
    c = Client(node, A)
    offer = await node.open_path(E, A)
    path = PeerPath(offer.sdp, lambda *_: None)
    await path.start()
    async with asyncio.timeout(5):
        await path.connected
    path.send_rtp(video(1))
    await asyncio.sleep(0.05)
    assert b.got == []
    assert len(heard.connected) == 2
    await c.answer(offer, path)
    await until(lambda: len(heard.connected) == 3)


async def test_a_wrong_fingerprint_closes_the_path_and_carries_nothing(node: MediaNode, heard: Heard) -> None:
    offer = await node.open_path(E, A)
    path = PeerPath(offer.sdp, lambda *_: None)
    zeros = ":".join(["00"] * 32)
    wrong = re.sub(r"(?<=sha-256 )[0-9A-F:]+", zeros, path.answer_sdp)
    await node.apply_answer(A, offer.path, 0, wrong)
    await path.start()
    await until(lambda: node.counters().get("fingerprint_mismatch") == 1)
    assert heard.connected == []


async def test_a_lost_video_packet_is_sent_again_from_the_cache(node: MediaNode) -> None:
    a, b = await pair(node)
    assert a.path is not None and b.path is not None
    for seq in range(10):
        a.path.send_rtp(video(seq))
    await until(lambda: len(b.got) == 10)
    lost = b.got[4][0]
    b.path.send_rtcp(fb.nack(9, lost.ssrc, [lost.seq]))
    await until(lambda: len(b.got) == 11)
    header, again = b.got[10]
    assert header.payload_type == VP8_RTX and header.ssrc != lost.ssrc
    assert again[header.size :] == lost.seq.to_bytes(2, "big") + b.got[4][1][12:]
    assert not any(isinstance(item, fb.Nack) for packet in a.path.rtcp for item in fb.parse(packet)[0])


async def test_what_is_not_cached_is_asked_of_the_source_in_its_own_numbers(node: MediaNode) -> None:
    a, b = await pair(node)
    assert a.path is not None and b.path is not None
    a.path.send_rtp(video(100))
    a.path.send_rtp(video(102))
    await until(lambda: len(b.got) == 2)
    missing = (b.got[0][0].seq + 1) & 0xFFFF
    b.path.send_rtcp(fb.nack(9, b.got[0][0].ssrc, [missing]))
    await until(lambda: any(fb.Nack(77, (101,)) in fb.parse(p)[0] for p in rtcp(a)))


async def test_key_frame_requests_are_throttled(node: MediaNode) -> None:
    a, b = await pair(node)
    assert a.path is not None and b.path is not None
    a.path.send_rtp(video(1))
    await until(lambda: len(b.got) == 1)
    for _ in range(200):
        b.path.send_rtcp(fb.picture_loss(9, b.got[0][0].ssrc))
    await asyncio.sleep(0.2)
    asked = [item for packet in a.path.rtcp for item in fb.parse(packet)[0]]
    assert asked.count(fb.KeyFrameRequest(77)) == 1


async def test_the_receivers_bitrate_reaches_the_sender(node: MediaNode) -> None:
    a, b = await pair(node)
    assert a.path is not None and b.path is not None
    a.path.send_rtp(video(1))
    await until(lambda: len(b.got) == 1)
    b.path.send_rtcp(fb.bitrate(9, b.got[0][0].ssrc, 400_000))
    await until(lambda: any(fb.Bitrate(400_000) in fb.parse(p)[0] for p in rtcp(a)))


async def test_reports_are_told_in_the_others_numbers(node: MediaNode) -> None:
    a, b = await pair(node)
    assert a.path is not None and b.path is not None
    a.path.send_rtp(video(500))
    await until(lambda: len(b.got) == 1)
    header = b.got[0][0]
    a.path.send_rtcp(fb.sender_report(77, 1234, 500 * 3_000, 1, 100))
    await until(lambda: bool(b.path and b.path.rtcp))
    told = fb.parse(b.path.rtcp[-1])[0][0]
    assert told == fb.SenderReport(header.ssrc, 1234, header.timestamp)
    block = fb.Block(header.ssrc, 12, 3, header.seq, 7, 8, 9)
    b.path.send_rtcp(fb.receiver_report(9, (block,)))
    await until(lambda: any(isinstance(i, fb.Reports) for p in rtcp(a) for i in fb.parse(p)[0]))
    reports = [i for p in rtcp(a) for i in fb.parse(p)[0] if isinstance(i, fb.Reports)]
    assert reports[-1].blocks == (fb.Block(77, 12, 3, 500, 7, 8, 9),)


async def test_who_waits_hears_music(node: MediaNode, music_dir: Path) -> None:
    a = Client(node, A)
    node.set_routes(E, (Route(HOLD_MUSIC, A, "audio"),))
    await a.connect()
    await until(lambda: len(a.got) >= 10)
    known = set(sounds.load(music_dir).music)
    assert all(packet[12:] in known for _, packet in a.got)
    seqs = [header.seq for header, _ in a.got]
    assert [(b - a) & 0xFFFF for a, b in pairwise(seqs)] == [1] * (len(seqs) - 1)


async def test_media_is_protected_by_aes_gcm(node: MediaNode) -> None:
    a = Client(node, A)
    path = await a.connect()
    assert path.dtls.profile.startswith("SRTP_AEAD_AES")


async def test_stray_datagrams_close_no_call(node: MediaNode, heard: Heard) -> None:
    """Empty, plaintext alert, hello without ciphers, garbage: before, during and in the call."""
    alert = bytes.fromhex("15feff0000000000000000000202 28".replace(" ", "")) + b"\x00"
    hello = b"\x16\xfe\xff" + b"\x00" * 8 + b"\x00\x20" + b"\x01" + b"\x00" * 31
    attacks = [b"", b"\x00", alert, hello, b"\x80" * 40, b"\x00" * 20, b"\xff" * 100, b"\x17" * 60]
    offer = await node.open_path(E, A)
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    address = PeerPath(offer.sdp, lambda *_: None)._server
    for attack in attacks:
        stranger.sendto(attack, address)
    a, b = await pair(node)
    for _ in range(200):
        for attack in attacks:
            stranger.sendto(attack, address)
    assert a.path is not None
    a.path.send_raw(b"")
    a.path.send_raw(b"\x80" * 40)
    voice = Voice(TONE)
    voice.path = a.path
    for _ in range(10):
        voice.send_one()
    await until(lambda: len(b.got) == 10)
    stranger.close()
    assert heard.lost == []
    assert node.counters()["unverified_source"] > 0


async def test_unauthenticated_checks_get_no_reply(node: MediaNode) -> None:
    offer = await node.open_path(E, A)
    path = PeerPath(offer.sdp, lambda *_: None)
    path._remote_password = "x" * 24
    await path.start()
    await until(lambda: node.counters().get("stun_unauthenticated", 0) >= 2)
    assert not path._checked
    path.close()


async def test_bad_descriptions_are_refused_and_the_path_stays_answerable(node: MediaNode) -> None:
    offer = await node.open_path(E, A)
    good = PeerPath(offer.sdp, lambda *_: None).answer_sdp
    bad = [
        "",
        "x" * 33_000,
        good.replace("a=fingerprint", "a=nofinger"),
        good.replace("sha-256", "sha-1"),
        good.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
        good + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtcp-mux\r\n" * 9,
        good + "a=candidate:1 1 udp 1 1.2.3.4 5 typ host\r\n" * 200,
        good.replace("\r\n", "\r"),
        good.replace("a=ice-ufrag:", "a=ice-ufrag:" + "u" * 257),
        good.replace("a=setup:passive", "a=setup:active"),
        good + "a=ice-ufrag:other\r\n",
    ]
    for text in bad:
        with pytest.raises(InvalidDescription):
            await node.apply_answer(A, offer.path, 0, text)
    with pytest.raises(StaleRevision):
        await node.apply_answer(A, offer.path, 5, good)
    assert await node.apply_answer(A, offer.path, 0, good) is not None


async def test_closing_legs_closes_their_paths_and_says_nothing(node: MediaNode, heard: Heard) -> None:
    a, _ = await pair(node)
    await node.close_legs((A, B))
    assert heard.lost == []
    with pytest.raises(Exception, match="l_a"):
        await node.apply_answer(A, heard.connected[0][1], 0, "")
    assert node.leg(A) is None
    assert rtp.parse(b"") is None and a.path is not None


async def test_the_old_path_speaks_until_the_new_one_does(node: MediaNode) -> None:
    a, b = await pair(node)
    old = Voice(TONE)
    old.path = a.path
    old.send_one()
    await until(lambda: len(b.got) == 1)
    new = Voice(TONE)
    new.path = await a.connect(a.ticket)
    old.send_one()
    await until(lambda: len(b.got) == 2)
    new.send_one()
    await until(lambda: len(b.got) == 3)
    seqs = [header.seq for header, _ in b.got]
    assert [(later - earlier) & 0xFFFF for earlier, later in pairwise(seqs)] == [1, 1]


async def test_a_wish_list_of_resends_does_not_amplify(node: MediaNode) -> None:
    a, b = await pair(node)
    assert a.path is not None and b.path is not None
    for seq in range(300):
        a.path.send_rtp(video(seq))
        await asyncio.sleep(0)  # the small client reads as it comes
    await until(lambda: len(b.got) == 300)
    wanted = [header.seq for header, _ in b.got]
    for _ in range(20):
        b.path.send_rtcp(fb.nack(9, b.got[0][0].ssrc, wanted))
    await until(lambda: node.counters().get("resend_limit", 0) >= 1)
    await asyncio.sleep(0.1)
    assert len(b.got) < 300 + 200


async def test_another_ssrc_on_the_same_path_is_not_forwarded(node: MediaNode) -> None:
    a, b = await pair(node)
    assert a.path is not None
    a.path.send_rtp(video(1, ssrc=77))
    a.path.send_rtp(video(2, ssrc=78))
    await until(lambda: node.counters().get("ssrc_conflict") == 1)
    assert len(b.got) <= 1


async def test_replayed_and_forged_media_is_dropped(node: MediaNode) -> None:
    a, b = await pair(node)
    assert a.path is not None and a.path.dtls.outbound is not None
    protected = a.path.dtls.outbound.protect(video(1))
    for data in (protected, protected, protected[:-1] + b"x"):
        a.path.send_raw(data)
    await until(lambda: sum(node.counters().values()) >= 2)
    assert set(node.counters()) <= {"srtp_replay", "srtp_auth"}
    assert len(b.got) == 1


async def test_a_late_wrong_fingerprint_is_an_error_not_a_ticket(node: MediaNode) -> None:
    offer = await node.open_path(E, A)
    path = PeerPath(offer.sdp, lambda *_: None)
    await path.start()
    async with asyncio.timeout(5):
        await path.connected
    held = node.leg(A)
    assert held is not None
    await until(lambda: held.path(offer.path).handshake_over)
    wrong = re.sub(r"(?<=sha-256 )[0-9A-F:]+", ":".join(["00"] * 32), path.answer_sdp)
    with pytest.raises(NegotiationFailed):
        await node.apply_answer(A, offer.path, 0, wrong)


async def test_a_peer_that_changes_its_address_is_followed(node: MediaNode) -> None:
    a, b = await pair(node)
    assert a.path is not None
    path = a.path
    loop = asyncio.get_running_loop()
    moved, _ = await loop.create_datagram_endpoint(lambda: path, local_addr=("127.0.0.1", 0))
    path._transport, old = moved, path._transport
    assert old is not None
    old.abort()
    path._check()
    voice = Voice(TONE)
    voice.path = a.path
    voice.send_one()
    await until(lambda: len(b.got) == 1)


async def test_a_peer_that_speaks_from_a_new_address_is_followed_before_it_checks(node: MediaNode) -> None:
    a, b = await pair(node)
    assert a.path is not None and a.path._timer is not None and b.path is not None
    voice = Voice(TONE)
    voice.path = a.path
    for _ in range(3):
        voice.send_one()
    await until(lambda: len(b.got) == 3)
    a.path._timer.cancel()
    path, loop = a.path, asyncio.get_running_loop()
    copied = path.dtls.outbound.protect(video(1)) if path.dtls.outbound else b""
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(5):  # while it speaks from where it was, copies from elsewhere are nobody's
        voice.send_one()
        stranger.sendto(copied, path._server)
        await asyncio.sleep(0.02)
    assert node.counters().get("unverified_source", 0) >= 4
    moved, _ = await loop.create_datagram_endpoint(lambda: path, local_addr=("127.0.0.1", 0))
    path._transport, old = moved, path._transport
    assert old is not None
    old.abort()
    before = len(b.got)
    for _ in range(15):
        voice.send_one()
        await asyncio.sleep(0.02)
    assert len(b.got) >= before + 3
    answer = Voice(TONE)
    answer.path = b.path
    heard_before = len(a.got)
    answer.send_one()
    await until(lambda: len(a.got) > heard_before)
    stranger.close()


def test_a_damaged_music_cache_is_made_again(tmp_path: Path) -> None:
    packets = sounds.load(tmp_path)
    cache = next(tmp_path.iterdir())
    for damage in (b"", b"\xc1", b"\x01"):
        cache.write_bytes(damage)
        assert sounds.load(tmp_path) == packets
