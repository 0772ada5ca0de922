"""What a sender is told of the way to us, when its packets go to more than one place.

In a two-party call the receiver's own transport-wide feedback is passed through. Otherwise the way to us
and the ways from us are different things: we report arrivals ourselves (Arrivals), and limit the sender to
what its weakest receiver loses nothing of (loss_limit). Pure; time is an argument.
Source: draft-holmer-rmcat-transport-wide-cc-extensions-01; loss rule: draft-ietf-rmcat-gcc-02 section 6.
"""

from __future__ import annotations

from struct import pack

DELTA_S, REFERENCE_S = 0.000_25, 0.064
MAX_PENDING = 1_024
MAX_STATUSES = 400
MIN_LIMIT_BPS, FIRST_LIMIT_BPS, MAX_LIMIT_BPS = 100_000, 2_500_000, 5_000_000
HIGH_LOSS, LOW_LOSS = 0.10, 0.02


class Arrivals:
    """Arrival times of transport-wide sequence numbers since the last report."""

    __slots__ = ("_at", "_count", "_highest", "_next")

    def __init__(self) -> None:
        self._at: dict[int, float] = {}
        self._highest = -1
        self._next = -1
        self._count = 0

    def add(self, seq: int, now_s: float) -> None:
        """seq: the 16 bits of the packet; unwrapped here. More than MAX_PENDING unreported are not kept."""
        if self._highest < 0:
            self._highest = self._next = seq + 0x10000
        step = (seq - self._highest) & 0xFFFF
        unwrapped = self._highest + (step if step < 0x8000 else step - 0x10000)
        if unwrapped < self._next or len(self._at) >= MAX_PENDING:
            return
        self._at.setdefault(unwrapped, now_s)
        self._highest = max(self._highest, unwrapped)

    def report(self) -> bytes | None:
        """Body of a transport-cc packet from base sequence number on; None when nothing arrived."""
        if not self._at:
            return None
        base = self._next
        if self._highest - base >= MAX_STATUSES:
            base = max(base, min(self._at))
        end = min(self._highest + 1, base + MAX_STATUSES)
        seqs = range(base, end)
        first_s = next((self._at[seq] for seq in seqs if seq in self._at), None)
        self._next = end
        if first_s is None:
            return None
        reference = int(first_s / REFERENCE_S)
        body = _statuses(seqs, self._at, reference * REFERENCE_S)
        for seq in [seq for seq in self._at if seq < end]:
            del self._at[seq]
        count = self._count
        self._count = (count + 1) & 0xFF
        head = pack("!HH", base & 0xFFFF, end - base) + (reference & 0xFFFFFF).to_bytes(3, "big")
        body = head + bytes((count,)) + body
        return body + bytes(-len(body) & 3)


def _statuses(seqs: range, at: dict[int, float], last_s: float) -> bytes:
    """Two-bit status vectors (0 missing, 1 small, 2 large delta), then the deltas."""
    symbols: list[int] = []
    deltas = b""
    for seq in seqs:
        if seq not in at:
            symbols.append(0)
            continue
        ticks = round((at[seq] - last_s) / DELTA_S)
        ticks = max(-0x8000, min(0x7FFF, ticks))
        last_s += ticks * DELTA_S
        small = 0 <= ticks <= 0xFF
        symbols.append(1 if small else 2)
        deltas += pack("!B" if small else "!h", ticks)
    chunks = b""
    for begin in range(0, len(symbols), 7):
        word = 0b11
        group = symbols[begin : begin + 7]
        for symbol in group + [0] * (7 - len(group)):
            word = word << 2 | symbol
        chunks += pack("!H", word)
    return chunks + deltas


def loss_limit(limit_bps: int | None, fraction: int) -> int | None:
    """The next limit after a receiver reported `fraction`/256 lost; None while nothing limits."""
    loss = fraction / 256
    if loss > HIGH_LOSS:
        return max(MIN_LIMIT_BPS, int((limit_bps or FIRST_LIMIT_BPS) * (1 - loss / 2)))
    if limit_bps is None or loss > LOW_LOSS:
        return limit_bps
    raised = int(limit_bps * 1.08)
    return None if raised > MAX_LIMIT_BPS else raised
