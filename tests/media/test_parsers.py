"""Parsers are total: any bytes give a value or a drop, never an exception."""

from __future__ import annotations

from struct import pack

import pytest
from aioice import stun as peer_stun
from hypothesis import given, settings
from hypothesis import strategies as st

from media import feedback, guard, rtp, sdp, stun
from media.dtls import datagrams
from signaling.errors import InvalidDescription

OFFER = sdp.offer(
    1,
    0,
    sdp.Transport("u" * 8, "p" * 24, "AA:BB", [("127.0.0.1", 1)]),
    {section.mid: (number, 100 + number) for number, section in enumerate(sdp.SECTIONS)},
)


@given(st.binary(max_size=2_000))
@settings(max_examples=500)
def test_the_guard_answers_everything(data: bytes) -> None:
    found = guard.classify(data)
    assert isinstance(found, guard.Kind | str)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\x00", "short"),
        (b"\x00" * 20, "stun_malformed"),
        (b"\x00" * 65_507, "oversize"),
        (b"\x17", "short"),
        (b"\x80\x6f", "short"),
        (b"\xc8" * 40, "unknown"),
        (b"\x00\x01\x00\x01\x21\x12\xa4\x42" + b"\x00" * 13, "stun_malformed"),
    ],
)
def test_rows_of_bad_datagrams(data: bytes, reason: str) -> None:
    assert guard.classify(data) == reason


@given(st.binary(max_size=200), st.integers(0, 255))
@settings(max_examples=500)
def test_rtp_and_rtcp_parsers_are_total(data: bytes, first: int) -> None:
    rtp.parse(bytes([0x80 | first & 0x3F]) + data)
    items, whole = feedback.parse(data)
    assert isinstance(items, list)
    assert whole in (True, False)


@pytest.mark.parametrize(
    "packet",
    [
        pack("!BBHLL", 0x40, 111, 1, 1, 1),  # version 1
        pack("!BBHLL", 0x8F, 111, 1, 1, 1),  # 15 CSRCs, none there
        pack("!BBHLLHH", 0x90, 111, 1, 1, 1, 0xBEDE, 9),  # extension past the end
        pack("!BBHLLHHL", 0x90, 111, 1, 1, 1, 0xBEDE, 1, 0x1F000000),  # element past the block
        pack("!BBHLL", 0xA0, 111, 1, 1, 1) + b"\xff",  # padding of 255
    ],
)
def test_rows_of_bad_rtp(packet: bytes) -> None:
    assert rtp.parse(packet) is None


def test_rows_of_bad_rtcp() -> None:
    endless = pack("!BBH", 0x80, 201, 0xFFFF) + b"\x00" * 8
    assert feedback.parse(endless) == ([], False)
    zero = feedback.bitrate(1, 2, 0)
    assert feedback.Bitrate(feedback.MIN_BITRATE_BPS) in feedback.parse(zero)[0]


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_checks_are_read_or_refused(data: bytes) -> None:
    head = pack("!HHL", stun.BINDING_REQUEST, len(data), stun.COOKIE) + b"t" * 12
    for candidate in (data, head + data, (head + data)[: len(data)]):
        found = stun.parse(candidate)
        assert found is None or not found.authentic(b"nobody's")


def test_a_check_made_by_somebody_else_is_read_and_answered() -> None:
    request = peer_stun.Message(peer_stun.Method.BINDING, peer_stun.Class.REQUEST)
    request.attributes["USERNAME"] = "ours:theirs"
    request.attributes["PRIORITY"] = 7
    request.attributes["USE-CANDIDATE"] = None
    request.add_message_integrity(b"secret")
    request.add_fingerprint()
    found = stun.parse(bytes(request))
    assert found is not None and (found.ours, found.theirs, found.nominates) == ("ours", "theirs", True)
    assert found.authentic(b"secret") and not found.authentic(b"other")
    for address in (("192.0.2.7", 4_000), ("2001:db8::1", 5_000)):
        answer = peer_stun.parse_message(stun.response(found, address, b"secret"))
        assert answer.check_message_integrity(b"secret")
        assert answer.attributes["XOR-MAPPED-ADDRESS"] == address
        assert answer.transaction_id == request.transaction_id


def two_byte(*elements: tuple[int, bytes]) -> bytes:
    body = b"".join(bytes((identity, len(value))) + value for identity, value in elements)
    body += bytes(-len(body) & 3)
    return pack("!BBHLLHH", 0x90, 96, 1, 1, 1, 0x1000, len(body) // 4) + body


def test_both_forms_of_extensions_are_walked() -> None:
    whole = two_byte((9, b"x" * 20), (3, b"\x12\x34"), (4, b"1"), (7, b""))
    header = rtp.parse(whole)
    assert header is not None
    assert (whole[header.twcc : header.twcc + 2], whole[header.mid : header.mid + 1]) == (b"\x12\x34", b"1")
    changed = bytearray(whole)
    rtp.blank_twcc(changed, header.twcc, rtp.is_two_byte(whole))
    again = rtp.parse(changed)
    assert again is not None and (again.twcc, again.mid) == (0, header.mid)
    assert rtp.parse(two_byte((3, b"12"))[:-1]) is None
    one = pack("!BBHLLHH", 0x90, 96, 1, 1, 1, 0xBEDE, 2) + b"\x31\x12\x34\x40\x31\x00\x00\x00"
    header = rtp.parse(one)
    assert header is not None and (header.twcc, header.mid, header.payload) == (17, 20, 0)


def test_a_retransmission_carries_its_original() -> None:
    packet = two_byte((4, b"1")) + b"payload"
    header = rtp.parse(packet)
    assert header is not None
    again = rtp.retransmission(packet, header, 97, 500, 99)
    read = rtp.parse(again)
    assert read is not None and (read.payload_type, read.seq, read.ssrc) == (97, 500, 99)
    assert again[read.size :] == b"\x00\x01payload"


@given(st.integers(30_000, 10_000_000))
def test_a_bitrate_survives_writing_within_its_precision(bps: int) -> None:
    told = feedback.parse(feedback.bitrate(1, 2, bps))[0]
    assert any(
        isinstance(item, feedback.Bitrate) and abs(item.bps - bps) <= bps / 100_000 + 64 for item in told
    )


@given(st.text(max_size=300), st.integers(0, len(OFFER)))
@settings(max_examples=300)
def test_descriptions_are_read_or_refused(text: str, at: int) -> None:
    for candidate in (text, OFFER[:at] + text + OFFER[at:]):
        try:
            sdp.parse_answer(candidate)
        except InvalidDescription:
            continue


@given(st.binary(max_size=4_000))
def test_flights_are_cut_between_records_without_loss(flight: bytes) -> None:
    for datagram in datagrams(flight):
        assert datagram


def test_sources_that_flood_are_cut_and_forgiven_later() -> None:
    sources = guard.Sources()
    here = ("127.0.0.1", 9)
    admitted = sum(sources.admit(here, 0.0) for _ in range(20_000))
    assert admitted == int(guard.BURST)
    assert sources.admit(here, 1.0)
