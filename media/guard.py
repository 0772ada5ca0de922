"""The total classifier in front of everything: what a datagram may be, or why it is dropped.

First byte after RFC 7983; lengths before anything is parsed; a token bucket per source. A drop is a
counter, never a reply, never an exception. Before a handshake is over nothing in it is authenticated, not
even from the right address: what could end it and an honest server never sends is taken out.
Source: RFC 7983; RFC 6347 section 4.1.2.7; ASVS 5.0 17.2.4-17.2.6.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from enum import Enum

Address = tuple[str, int]

MAX_DATAGRAM_BYTES = 1_500
MAX_SOURCES = 4_096
PACKETS_PER_S = 4_000.0
BURST = 8_000.0
RECORD_HEADER_BYTES = 13
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE = 20, 21, 22
# hello request, server hello, hello verify request, session ticket, certificate, key exchange, certificate
# request, hello done, certificate status: what a DTLS server says in the clear
SAID_BY_SERVERS = frozenset({0, 2, 3, 4, 11, 12, 13, 14, 22})


class Kind(Enum):
    STUN = "stun"
    DTLS = "dtls"
    RTP = "rtp"
    RTCP = "rtcp"


def classify(data: bytes) -> Kind | str:
    """The kind of a datagram, or the reason to drop it: empty, short, oversize, stun_malformed, unknown."""
    size = len(data)
    if size == 0:
        return "empty"
    if size > MAX_DATAGRAM_BYTES:
        return "oversize"
    first = data[0]
    if first < 4:
        if size < 20:
            return "short"
        well_formed = size % 4 == 0 and data[4:8] == b"\x21\x12\xa4\x42"
        return Kind.STUN if well_formed else "stun_malformed"
    if 20 <= first <= 63:
        return Kind.DTLS if size >= 13 else "short"
    if 128 <= first <= 191:
        if size < 12:
            return "short"
        return Kind.RTCP if 192 <= data[1] <= 223 else Kind.RTP
    return "unknown"


def handshake_records(datagram: bytes) -> bytes:
    """The records of a datagram that may touch a handshake in which we are the client, in their order.

    Left out: alerts in the clear (anybody on the way can write one; an honest refusal ends by time-out),
    a client's messages, other content and versions, records that do not end within the datagram.
    """
    passed, at = b"", 0
    while at + RECORD_HEADER_BYTES <= len(datagram):
        size = RECORD_HEADER_BYTES + int.from_bytes(datagram[at + 11 : at + 13], "big")
        record = datagram[at : at + size]
        at += size
        if len(record) == size > RECORD_HEADER_BYTES and _may_touch_handshake(record):
            passed += record
    return passed


def _may_touch_handshake(record: bytes) -> bool:
    if record[1] != 0xFE:
        return False
    if record[3:5] != b"\x00\x00":
        return 20 <= record[0] <= 23
    if record[0] == HANDSHAKE:
        return record[RECORD_HEADER_BYTES] in SAID_BY_SERVERS
    return record[0] == CHANGE_CIPHER_SPEC


class Sources:
    """How much each source address may still send; the least recently seen ones are forgotten."""

    def __init__(self) -> None:
        self._left: OrderedDict[Address, tuple[float, float]] = OrderedDict()

    def admit(self, address: Address, now_s: float) -> bool:
        left, since_s = self._left.get(address, (BURST, now_s))
        left = min(BURST, left + (now_s - since_s) * PACKETS_PER_S) - 1
        self._left[address] = (max(left, -1.0), now_s)
        self._left.move_to_end(address)
        if len(self._left) > MAX_SOURCES:
            self._left.popitem(last=False)
        return left >= 0


class Drops:
    """Counters by reason, for `/metrics` (media_drop_total)."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count(self, reason: str) -> None:
        self._counts[reason] += 1

    def all(self) -> dict[str, int]:
        return dict(self._counts)
