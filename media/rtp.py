"""RTP headers: a strict look at what a packet is, and the in-place rewrite of what must differ per sink.

Total: `parse` gives a Header or None. Only header fields are ever changed; payloads are not looked at.
Source: RFC 3550 section 5.1, RFC 8285.
"""

from __future__ import annotations

from struct import pack_into, unpack_from

from msgspec import Struct

MIN_HEADER_BYTES = 12


class Header(Struct, frozen=True):
    """marker: last packet of a video frame or first of a talk spurt; size: header with extensions."""

    payload_type: int
    marker: bool
    seq: int
    timestamp: int
    ssrc: int
    size: int


def parse(data: bytes) -> Header | None:
    """None for anything that breaks RFC 3550 or RFC 8285 (version, CSRCs, extension, padding)."""
    if len(data) < MIN_HEADER_BYTES or data[0] >> 6 != 2:
        return None
    flags, second, seq, timestamp, ssrc = unpack_from("!BBHLL", data)
    size = MIN_HEADER_BYTES + 4 * (flags & 0x0F)
    if flags & 0x10:
        if len(data) < size + 4:
            return None
        words: int = unpack_from("!H", data, size + 2)[0]
        profile: int = unpack_from("!H", data, size)[0]
        extension = data[size + 4 : size + 4 + 4 * words]
        size += 4 + 4 * words
        if len(data) < size or (profile == 0xBEDE and not _elements_fit(extension)):
            return None
    if len(data) < size:
        return None
    if flags & 0x20 and not 1 <= data[-1] <= len(data) - size:
        return None
    return Header(second & 0x7F, bool(second & 0x80), seq, timestamp, ssrc, size)


def rewrite(packet: bytearray, *, seq: int, timestamp: int, ssrc: int) -> None:
    """Change sequence number, timestamp and SSRC in place."""
    pack_into("!HLL", packet, 2, seq, timestamp, ssrc)


def _elements_fit(extension: bytes) -> bool:
    """One-byte elements: each inside the block; id 15 ends the look (RFC 8285 section 4.2)."""
    at = 0
    while at < len(extension):
        identity = extension[at] >> 4
        if extension[at] == 0:
            at += 1
            continue
        if identity == 15:
            return True
        if identity == 0:
            return False
        at += 2 + (extension[at] & 0x0F)
    return at == len(extension)
