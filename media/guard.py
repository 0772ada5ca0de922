"""The total classifier in front of everything: what a datagram may be, or why it is dropped.

First byte after RFC 7983; lengths before anything is parsed; a token bucket per source. A drop is a
counter, never a reply, never an exception. Source: RFC 7983; ASVS 5.0 17.2.4-17.2.6.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from enum import Enum

Address = tuple[str, int]

MAX_DATAGRAM_BYTES = 1_500
MAX_SOURCES = 4_096
PACKETS_PER_S = 4_000.0
BURST = 8_000.0


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
