"""RTCP: what a compound packet says, and the packets we write. Total: a fault ends the look, counted.

Only the format; who is told what stands in `reporting.py`.
Source: RFC 3550 section 6, RFC 4585, RFC 5104; REMB: draft-alvestrand-rmcat-remb-03; transport-cc:
draft-holmer-rmcat-transport-wide-cc-extensions-01.
"""

from __future__ import annotations

from struct import pack, unpack_from

from msgspec import Struct

SR, RR, SDES, BYE, RTPFB, PSFB = 200, 201, 202, 203, 205, 206
NACK, PLI, FIR, REMB, TRANSPORT_CC = 1, 1, 4, 15, 15
MAX_PACKETS = 32
MAX_LOST = 512
MIN_BITRATE_BPS, MAX_BITRATE_BPS = 30_000, 10_000_000


class Block(Struct, frozen=True):
    """A report block: what a receiver says of one SSRC. lost: 24-bit field as it was."""

    ssrc: int
    fraction: int
    lost: int
    highest_seq: int
    jitter: int
    lsr: int
    dlsr: int


class SenderReport(Struct, frozen=True):
    ssrc: int
    ntp: int
    timestamp: int


class Reports(Struct, frozen=True):
    blocks: tuple[Block, ...]


class Nack(Struct, frozen=True):
    ssrc: int
    lost: tuple[int, ...]


class KeyFrameRequest(Struct, frozen=True):
    """PLI or FIR."""

    ssrc: int


class Bitrate(Struct, frozen=True):
    """REMB: what the receiver believes can reach it."""

    bps: int


class TransportCc(Struct, frozen=True):
    """Arrivals by transport-wide sequence number; body: from the base sequence number on."""

    ssrc: int
    body: bytes


Feedback = TransportCc | SenderReport | Reports | Nack | KeyFrameRequest | Bitrate


def parse(data: bytes) -> tuple[list[Feedback], bool]:
    """All we use of a compound packet, and whether it was whole (False: malformed from somewhere on)."""
    found: list[Feedback] = []
    at = 0
    for _ in range(MAX_PACKETS):
        if at == len(data):
            return found, True
        if len(data) - at < 4 or data[at] >> 6 != 2:
            return found, False
        size = 4 + 4 * int(unpack_from("!H", data, at + 2)[0])
        if at + size > len(data):
            return found, False
        body = data[at + 4 : at + size]
        found += _one(data[at + 1], data[at] & 0x1F, body)
        at += size
    return found, False


def _one(kind: int, count: int, body: bytes) -> list[Feedback]:
    if kind == SR and len(body) >= 24:
        ssrc, ntp, timestamp = unpack_from("!LQL", body)
        return [SenderReport(ssrc, ntp, timestamp), *_reports(count, body[24:])]
    if kind == RR and len(body) >= 4:
        return _reports(count, body[4:])
    if kind == RTPFB and count == NACK and len(body) >= 12:
        return [Nack(unpack_from("!L", body, 4)[0], _lost(body[8:]))]
    if kind == RTPFB and count == TRANSPORT_CC and len(body) >= 16:
        return [TransportCc(unpack_from("!L", body, 4)[0], body[8:])]
    if kind == PSFB and len(body) >= 8:
        return _payload_specific(count, body)
    return []


def _reports(count: int, body: bytes) -> list[Feedback]:
    blocks = []
    for at in range(0, min(count * 24, len(body) - len(body) % 24), 24):
        ssrc, loss, highest, jitter, lsr, dlsr = unpack_from("!LLLLLL", body, at)
        blocks.append(Block(ssrc, loss >> 24, loss & 0xFFFFFF, highest, jitter, lsr, dlsr))
    return [Reports(tuple(blocks))] if blocks else []


def _lost(body: bytes) -> tuple[int, ...]:
    lost: list[int] = []
    for at in range(0, len(body) - len(body) % 4, 4):
        pid, mask = unpack_from("!HH", body, at)
        lost += [pid, *((pid + 1 + bit) & 0xFFFF for bit in range(16) if mask >> bit & 1)]
        if len(lost) >= MAX_LOST:
            break
    return tuple(lost[:MAX_LOST])


def _payload_specific(fmt: int, body: bytes) -> list[Feedback]:
    if fmt == PLI:
        return [KeyFrameRequest(unpack_from("!L", body, 4)[0])]
    if fmt == FIR and len(body) >= 16:
        return [KeyFrameRequest(unpack_from("!L", body, 8)[0])]
    if fmt == REMB and len(body) >= 16 and body[8:12] == b"REMB":
        word = int.from_bytes(body[13:16], "big")
        bps = (word & 0x3FFFF) << (word >> 18)
        return [Bitrate(min(max(bps, MIN_BITRATE_BPS), MAX_BITRATE_BPS))]
    return []


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def receiver_report(sender: int, blocks: tuple[Block, ...]) -> bytes:
    body = pack("!L", sender)
    for b in blocks[:31]:
        body += pack("!LLLLLL", b.ssrc, b.fraction << 24 | b.lost, b.highest_seq, b.jitter, b.lsr, b.dlsr)
    return _packet(RR, min(len(blocks), 31), body)


def sender_report(ssrc: int, ntp: int, timestamp: int, packets: int, octets: int) -> bytes:
    body = pack("!LQLLL", ssrc, ntp, timestamp, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF)
    return _packet(SR, 0, body)


def nack(sender: int, ssrc: int, lost: list[int]) -> bytes:
    body = pack("!LL", sender, ssrc)
    for seq in lost:
        body += pack("!HH", seq, 0)
    return receiver_report(sender, ()) + _packet(RTPFB, NACK, body)


def transport_cc(sender: int, ssrc: int, body: bytes) -> bytes:
    """body: from the base sequence number on, padded to whole words."""
    return _packet(RTPFB, TRANSPORT_CC, pack("!LL", sender, ssrc) + body)


def picture_loss(sender: int, ssrc: int) -> bytes:
    return receiver_report(sender, ()) + _packet(PSFB, PLI, pack("!LL", sender, ssrc))


def bitrate(sender: int, ssrc: int, bps: int) -> bytes:
    """A REMB for one SSRC; bps as an 18-bit mantissa and an exponent."""
    exponent = max(0, bps.bit_length() - 18)
    word = (exponent << 18) | (bps >> exponent)
    body = pack("!LL4sB", sender, 0, b"REMB", 1) + word.to_bytes(3, "big") + pack("!L", ssrc)
    return receiver_report(sender, ()) + _packet(PSFB, REMB, body)
