"""Parsers are total: any bytes give a value or a drop, never an exception."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media import feedback, guard, rtp, sdp
from media.dtls import datagrams
from signaling.errors import InvalidDescription

OFFER = sdp.offer(
    1, 0, sdp.Transport("u" * 8, "p" * 24, "AA:BB", [("127.0.0.1", 1)]), {"audio": 1, "video": 2}
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
