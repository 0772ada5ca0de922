"""RTP headers: a strict look at what a packet is, and the in-place rewrite of what must differ per sink.

Total: `parse` gives a Header or None, `elements` walks one- and two-byte extensions. Only header fields
change, and the two bytes of a retransmission that name its original. Both engines use these.
Source: RFC 3550 section 5.1, RFC 8285, RFC 4588.
"""

from __future__ import annotations

from struct import pack_into, unpack_from

from msgspec import Struct

MIN_HEADER_BYTES = 12
LEVEL_ID, TWCC_ID, MID_ID, ORIENTATION_ID = 1, 3, 4, 5
ONE_BYTE = 0xBEDE
TWO_BYTES = 0x1000
Buffer = bytes | bytearray | memoryview


class Header(Struct, frozen=True):
    """marker: last packet of a video frame or first of a talk spurt; size: header with extensions.

    level/twcc/mid: where in the packet the value of that extension lies, 0 when it has none.
    payload: bytes after the header without padding.
    """

    payload_type: int
    marker: bool
    seq: int
    timestamp: int
    ssrc: int
    size: int
    payload: int
    level: int = 0
    twcc: int = 0
    mid: int = 0


def parse(data: Buffer, at: int = 0, end: int | None = None) -> Header | None:
    """None for anything that breaks RFC 3550 or RFC 8285 (version, CSRCs, extension, padding)."""
    end = len(data) if end is None else end
    if end - at < MIN_HEADER_BYTES or data[at] >> 6 != 2:
        return None
    flags, second, seq, timestamp, ssrc = unpack_from("!BBHLL", data, at)
    size = MIN_HEADER_BYTES + 4 * (flags & 0x0F)
    found = (0, 0, 0)
    if flags & 0x10:
        if end - at < size + 4:
            return None
        profile, words = unpack_from("!HH", data, at + size)
        begin = at + size + 4
        size += 4 + 4 * words
        if end - at < size:
            return None
        walked = elements(data, begin, begin + 4 * words, profile)
        if walked is None:
            return None
        found = walked
    padding = 0
    if end - at < size:
        return None
    if flags & 0x20:
        padding = data[end - 1] if end - at > size else 0
        if not 1 <= padding <= end - at - size:
            return None
    return Header(
        second & 0x7F, bool(second & 0x80), seq, timestamp, ssrc, size, end - at - size - padding, *found
    )


def elements(data: Buffer, at: int, end: int, profile: int) -> tuple[int, int, int] | None:
    """Where (level, twcc, mid) lie in an extension block; None when an element does not fit.

    An unknown profile is somebody's own: it is passed and not looked into.
    """
    if profile & 0xFFF0 == TWO_BYTES:
        found = _walk(data, at, end, two_byte=True)
    elif profile == ONE_BYTE:
        found = _walk(data, at, end, two_byte=False)
    else:
        return 0, 0, 0
    if found is None:
        return None
    return found.get((LEVEL_ID, 1), 0), found.get((TWCC_ID, 2), 0), found.get((MID_ID, 1), 0)


def _walk(data: Buffer, at: int, end: int, *, two_byte: bool) -> dict[tuple[int, int], int] | None:
    """Where the value of each (id, size) lies; id 15 of the one-byte form ends the look."""
    found: dict[tuple[int, int], int] = {}
    while at < end:
        byte = data[at]
        if byte == 0:
            at += 1
            continue
        if two_byte:
            if at + 2 > end:
                return None
            identity, size, value = byte, data[at + 1], at + 2
        else:
            identity, size, value = byte >> 4, (byte & 0x0F) + 1, at + 1
            if identity in (0, 15):
                return found if identity else None
        at = value + size
        if at > end:
            return None
        found[identity, size] = value
    return found


def rewrite(packet: bytearray | memoryview, seq: int, timestamp: int, ssrc: int, at: int = 0) -> None:
    """Change sequence number, timestamp and SSRC in place."""
    pack_into("!HLL", packet, at + 2, seq, timestamp, ssrc)


def blank_twcc(packet: bytearray | memoryview, value: int, two_byte: bool) -> None:
    """Turn the transport-wide number at `value` into padding: the sink shall not report on it."""
    packet[value] = packet[value + 1] = 0
    packet[value - 1] = 0
    if two_byte:
        packet[value - 2] = 0


def is_two_byte(packet: Buffer, at: int = 0) -> bool:
    """Whether the extension block of a packet that has one is of the two-byte form."""
    profile: int = unpack_from("!H", packet, at + MIN_HEADER_BYTES + 4 * (packet[at] & 0x0F))[0]
    return profile & 0xFFF0 == TWO_BYTES


def retransmission(packet: bytes, header: Header, payload_type: int, seq: int, ssrc: int) -> bytes:
    """An RTX packet that carries `packet` again: original sequence number before the payload."""
    head = bytearray(packet[: header.size])
    head[0] &= 0xDF
    head[1] = head[1] & 0x80 | payload_type
    pack_into("!H", head, 2, seq)
    pack_into("!L", head, 8, ssrc)
    original = header.seq.to_bytes(2, "big")
    return bytes(head) + original + packet[header.size : header.size + header.payload]
