"""What a packet looks like where it arrives: places, extensions, retransmissions; on both engines."""

from __future__ import annotations

import asyncio
import random
import re
from struct import pack, unpack_from

from pylibsrtp import Error as SrtpError

from benchmarks.peer import Voice
from media import feedback as fb
from media import rtp
from media import transport_cc as cc
from media.node import MediaNode
from media.sdp import OPUS, RED, SCREEN, SECTIONS, VP8, VP8_RTX
from signaling.effects import Route
from signaling.protocol import LegId
from tests.media.conftest import A, B, Client, E, Heard, until

C = LegId("l_c")
THREE = tuple(
    Route(source, sink, kind, slot)
    for source, sink, slot in ((A, B, 0), (A, C, 0), (B, A, 0), (B, C, 1), (C, A, 1), (C, B, 1))
    for kind in ("audio", "video")
)


async def three(node: MediaNode) -> tuple[Client, Client, Client]:
    node.set_routes(E, THREE)
    clients = Client(node, A), Client(node, B), Client(node, C)
    for client in clients:
        await client.connect()
    return clients


def place(client: Client, ssrc: int) -> str:
    """The mid in whose section the server's offer announced the SSRC."""
    assert client.offered is not None
    sections = client.offered.sdp.split("m=")[1:]
    found = [section for section in sections if f"a=ssrc:{ssrc} " in section]
    assert len(found) == 1
    mid = re.search(r"^a=mid:(\S+)", found[0], re.M)
    assert mid is not None
    return mid[1]


def extended(payload_type: int, seq: int, ssrc: int, *elements: tuple[int, bytes]) -> bytes:
    body = b"".join(bytes(((identity << 4) | (len(value) - 1),)) + value for identity, value in elements)
    body += bytes(-len(body) & 3)
    head = pack("!BBHLL", 0x90, payload_type, seq, seq * 960, ssrc)
    return head + pack("!HH", 0xBEDE, len(body) // 4) + body + b"payload %d" % seq


def values(packet: bytes) -> tuple[int | None, int | None, bytes | None]:
    """(level, transport-wide number, mid) of a packet that arrived."""
    header = rtp.parse(packet)
    assert header is not None
    level = packet[header.level] if header.level else None
    twcc = unpack_from("!H", packet, header.twcc)[0] if header.twcc else None
    return level, twcc, packet[header.mid : header.mid + 1] if header.mid else None


async def test_everybody_arrives_in_the_place_the_table_names(node: MediaNode) -> None:
    a, b, c = await three(node)
    voices = {}
    for client in (a, b, c):
        voice = Voice([client.leg.encode() * 8])
        voice.path = client.path
        voices[client.leg] = voice
        voice.send_one()
    await until(lambda: all(len(client.got) == 2 for client in (a, b, c)))
    arrived = {
        client.leg: {packet[12:].decode()[:3]: place(client, header.ssrc) for header, packet in client.got}
        for client in (a, b, c)
    }
    first, second = SECTIONS[0].mid, SECTIONS[3].mid
    assert arrived == {
        A: {"l_b": first, "l_c": second},
        B: {"l_a": first, "l_c": second},
        C: {"l_a": first, "l_b": second},
    }


async def test_the_mid_is_the_sinks_own_and_the_level_is_kept(node: MediaNode) -> None:
    _, b, c = await three(node)
    assert b.path is not None
    for seq in (1, 2):
        b.path.send_rtp(extended(OPUS, seq, 50, (1, b"\x85"), (4, b"0")))
    await until(lambda: len(c.got) == 2)
    assert [values(packet) for _, packet in c.got] == [(0x85, None, b"3")] * 2
    assert [packet[-9:] for _, packet in c.got] == [b"payload 1", b"payload 2"]


async def test_transport_wide_numbers_pass_between_two_and_are_ours_among_three(node: MediaNode) -> None:
    a, b, c = await three(node)
    assert a.path is not None and b.path is not None
    numbered = [extended(VP8, seq, 70, (3, pack("!H", 500 + seq)), (4, b"1")) for seq in range(1, 6)]
    a.path.send_rtp(numbered[0])
    a.path.send_rtp(numbered[1])
    await until(lambda: len(b.got) == len(c.got) == 2)
    assert [values(packet)[1] for _, packet in b.got] == [None, None]
    reported: list[fb.TransportCc] = []

    def of_transport_cc() -> bool:
        assert a.path is not None
        found = [item for packet in a.path.rtcp for item in fb.parse(packet)[0]]
        reported[:] = [item for item in found if isinstance(item, fb.TransportCc)]
        return bool(reported)

    await until(of_transport_cc)
    assert unpack_from("!H", reported[0].body)[0] == 501

    node.set_routes(E, (Route(A, B, "video"), Route(B, A, "video")))
    a.path.send_rtp(numbered[2])
    await until(lambda: len(b.got) == 3)
    assert values(b.got[2][1])[1] == 503
    a.path.rtcp.clear()
    body = pack("!HH", 503, 1) + b"\x00\x00\x01\x00" + b"\xe0\x00" + b"\x00\x00"
    b.path.send_rtcp(fb.transport_cc(9, b.got[2][0].ssrc, body))
    await until(of_transport_cc)
    assert reported == [fb.TransportCc(70, body)]

    a.path.send_rtp(numbered[3])
    await until(lambda: len(b.got) == 4)
    a.path.rtcp.clear()
    lost = cc.write(cc.Report(503, 3, 1, 1, {0: 0}))
    b.path.send_rtcp(fb.transport_cc(9, b.got[2][0].ssrc, lost))
    await until(of_transport_cc)
    told = cc.read(reported[0].body)
    assert told is not None and sorted(told.at) == [0, 1], "504 got lost after us, 505 before"


async def test_a_receivers_own_estimate_counts_only_where_its_arrivals_do_not_pass(
    node: MediaNode,
) -> None:
    """Between two it would estimate by the few packets without a number: those that were sent again."""
    a, b, _ = await three(node)
    assert a.path is not None and b.path is not None
    a.path.send_rtp(extended(VP8, 1, 70, (3, b"\x00\x01"), (4, b"1")))
    await until(lambda: len(b.got) == 1)

    def limits() -> list[int]:
        assert a.path is not None
        found = [item for packet in a.path.rtcp for item in fb.parse(packet)[0]]
        return [item.bps for item in found if isinstance(item, fb.Bitrate)]

    b.path.send_rtcp(fb.bitrate(9, 70, 400_000))
    await until(lambda: 400_000 in limits())
    node.set_routes(E, (Route(A, B, "video"), Route(B, A, "video")))
    a.path.send_rtp(extended(VP8, 2, 70, (3, b"\x00\x02"), (4, b"1")))
    await until(lambda: len(b.got) == 2)
    a.path.rtcp.clear()
    b.path.send_rtcp(fb.transport_cc(9, 70, cc.write(cc.Report(2, 1, 1, 1, {0: 0}))))
    b.path.send_rtcp(fb.bitrate(9, 70, 50_000))
    b.path.send_rtcp(fb.picture_loss(9, b.got[0][0].ssrc))
    await until(
        lambda: any(isinstance(i, fb.KeyFrameRequest) for p in a.path.rtcp for i in fb.parse(p)[0])  # type: ignore[union-attr]
    )
    assert 50_000 not in limits()


async def test_a_sources_retransmission_reaches_every_sink_in_its_numbers(node: MediaNode) -> None:
    a, b, c = await three(node)
    assert a.path is not None
    for seq in (10, 12):
        a.path.send_rtp(extended(VP8, seq, 70, (4, b"1")))
    await until(lambda: len(b.got) == len(c.got) == 2)
    again = extended(VP8_RTX, 900, 71, (4, b"1"))
    header = rtp.parse(again)
    assert header is not None
    a.path.send_rtp(again[: header.size] + pack("!H", 11) + b"lost")
    await until(lambda: len(b.got) == len(c.got) == 3)
    for client in (b, c):
        first, rtx = client.got[0][0], client.got[2]
        assert rtx[0].payload_type == VP8_RTX and place(client, first.ssrc) == place(client, rtx[0].ssrc)
        original = unpack_from("!H", rtx[1], rtx[0].size)[0]
        assert original == (first.seq + 1) & 0xFFFF
        assert rtx[1][rtx[0].size + 2 :] == b"lost"


async def test_voice_of_every_kind_passes_untouched(node: MediaNode) -> None:
    """RED, comfort noise of one byte (DTX), padding, contributors, two-byte extensions."""
    a, b, _ = await three(node)
    assert a.path is not None
    head = pack("!BBHLL", 0x80, RED, 1, 0, 50)
    dtx = pack("!BBHLL", 0x80, OPUS, 2, 960, 50) + b"\xf8"
    padded = pack("!BBHLL", 0xA0, OPUS, 3, 1_920, 50) + b"voice\x00\x00\x03"
    mixed = pack("!BBHLLL", 0x81, OPUS, 4, 2_880, 50, 99) + b"voice"
    two = pack("!BBHLLHH", 0x90, OPUS, 5, 3_840, 50, 0x1000, 2) + b"\x01\x01\x07\x04\x01\x30\x00\x00voice"
    sent = [head + b"\x6f\x00voice", dtx, padded, mixed, two]
    for packet in sent:
        a.path.send_rtp(packet)
    await until(lambda: len(b.got) == 5)
    for (header, packet), original in zip(b.got, sent, strict=True):
        read = rtp.parse(original)
        assert read is not None
        assert (header.payload_type, packet[header.size :]) == (read.payload_type, original[read.size :])


async def test_whatever_a_peer_sends_both_engines_forward_the_same(node: MediaNode, heard: Heard) -> None:
    """Random headers: what is forwarded must be what `rtp.parse` reads, and nothing may stop the call."""
    a, b, _ = await three(node)
    assert a.path is not None
    dice = random.Random(11)
    expected = malformed = 0
    for seq in range(300):
        flags = dice.choice([0x80, 0x90, 0x90, 0xA0, 0x8F, 0xB1])
        packet = pack("!BBHLL", flags, OPUS, seq, seq * 960, 50)
        packet += dice.choice(
            [b"\xbe\xde\x00\x01", b"\x10\x00\x00\x01", b"\xbe\xde\x00\x02", b"\x12\x34\x00\x00"]
        )
        packet += bytes(dice.randrange(256) for _ in range(dice.randrange(0, 40)))
        try:
            a.path.send_rtp(packet)
        except SrtpError:  # libsrtp would not read it either
            continue
        expected += rtp.parse(packet) is not None
        malformed += rtp.parse(packet) is None
        await asyncio.sleep(0)
    assert expected > 50 and malformed > 20
    await until(lambda: node.counters().get("rtp_malformed", 0) == malformed)
    await until(lambda: len(b.got) == expected)
    assert heard.lost == []


async def test_who_is_interrupted_is_replaced_by_a_soft_tone_until_it_is_back(node: MediaNode) -> None:
    a, b, _ = await three(node)
    assert a.path is not None and a.ticket is not None
    voice = Voice([b"voice" * 4])
    voice.path = a.path
    voice.send_one()
    await until(lambda: len(b.got) == 1)
    a.path.close()
    await until(lambda: len(b.got) >= 20)
    assert b"voice" not in b.got[-1][1]
    assert len({header.ssrc for header, _ in b.got}) == 1
    voice.path = await a.connect(a.ticket)
    voice.send_one()
    await until(lambda: any(b"voice" in packet for _, packet in b.got[1:]))
    seqs = [header.seq for header, _ in b.got]
    assert len(set(seqs)) == len(seqs)


async def test_the_loudest_of_three_is_told_as_speaker(node: MediaNode, heard: Heard) -> None:
    a, b, c = await three(node)
    for tick in range(60):
        for client, level in ((a, 60), (b, 20), (c, 127)):
            assert client.path is not None
            client.path.send_rtp(extended(OPUS, tick, 50, (1, bytes((level,)))))
        await asyncio.sleep(0.02)
        if heard.speakers:
            break
    assert heard.speakers == [B]


async def test_a_screen_goes_beside_the_camera(node: MediaNode) -> None:
    node.set_routes(E, (Route(A, B, "video"), Route(A, B, "screen")))
    a, b = Client(node, A), Client(node, B)
    await a.connect()
    await b.connect()
    assert a.path is not None
    a.path.send_rtp(extended(VP8, 1, 70))
    a.path.send_rtp(extended(SCREEN, 1, 71))
    await until(lambda: len(b.got) == 2)
    assert [place(b, header.ssrc) for header, _ in b.got] == ["1", "2"]
