"""What a sender is told of the way to us and of the ways from us, which are different things.

Between two, the receiver's own transport-wide feedback reaches the sender, less the losses on the way from
us (Passed): the sender repairs and slows down for its own way. Among more we report arrivals ourselves
(Arrivals). What a receiver loses on its way limits the sender only where it is much (loss_limit).
Pure; time is an argument.
Source: draft-holmer-rmcat-transport-wide-cc-extensions-01; loss rule: draft-ietf-rmcat-gcc-02 section 6.
"""

from __future__ import annotations

from array import array

from media import transport_cc as cc

MAX_PENDING = 1_024
REMEMBERED = 2_048
JUDGED_PACKETS = 200
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
        if self._highest - base >= cc.MAX_STATUSES:
            base = max(base, min(self._at))
        end = min(self._highest + 1, base + cc.MAX_STATUSES)
        ticks = {
            seq - base: round(self._at[seq] * cc.TICKS_PER_S) for seq in range(base, end) if seq in self._at
        }
        self._next = end
        if not ticks:
            return None
        reference = ticks[min(ticks)] // cc.REFERENCE_TICKS
        at = {place: tick - reference * cc.REFERENCE_TICKS for place, tick in ticks.items()}
        for seq in [seq for seq in self._at if seq < end]:
            del self._at[seq]
        count = self._count
        self._count = (count + 1) & 0xFF
        return cc.write(cc.Report(base & 0xFFFF, end - base, reference & 0xFFFFFF, count, at))


class Passed:
    """Which numbered packets of a sender went on to its one receiver, and how many of them got lost then.

    reported: whether the receiver reports arrivals at all.
    """

    __slots__ = ("_judged", "_lost", "_numbers", "reported")

    def __init__(self) -> None:
        self.reported = False
        self._numbers = array("l", [-1]) * REMEMBERED
        self._judged = 0
        self._lost = 0

    def add(self, seq: int) -> None:
        """A packet with this transport-wide number was sent on."""
        self._numbers[seq % REMEMBERED] = seq

    def told(self, body: bytes) -> bytes:
        """The receiver's feedback for the sender: what we had counts as arrived, between its neighbours.

        A body that cannot be read is passed as it is: the sender's own parser judges it.
        """
        report = cc.read(body)
        if report is None or not report.at:
            return body
        self.reported = True
        before = min(report.at)
        arrived = sorted(report.at)
        following = iter(arrived)
        after = next(following)
        lost = 0
        for place in range(report.count):
            seq = (report.base + place) & 0xFFFF
            if place == after:
                before, after = place, next(following, place)
            elif self._numbers[seq % REMEMBERED] == seq:
                lost += 1
                span = max(1, after - before)
                way = min(max(place - before, 0), span)
                report.at[place] = report.at[before] + (report.at[after] - report.at[before]) * way // span
        self._judged += lost + len(arrived)
        self._lost += lost
        return cc.write(report) if lost else body

    def fraction(self) -> int | None:
        """Loss on the way from us in 256ths, when enough packets are known to judge by; then anew."""
        if self._judged < JUDGED_PACKETS:
            return None
        fraction = 256 * self._lost // self._judged
        self._judged = self._lost = 0
        return fraction


def loss_limit(limit_bps: int | None, fraction: int) -> int | None:
    """The next limit after a receiver lost `fraction`/256; None while nothing limits."""
    loss = fraction / 256
    if loss > HIGH_LOSS:
        return max(MIN_LIMIT_BPS, int((limit_bps or FIRST_LIMIT_BPS) * (1 - loss / 2)))
    if limit_bps is None or loss > LOW_LOSS:
        return limit_bps
    raised = int(limit_bps * 1.08)
    return None if raised > MAX_LIMIT_BPS else raised
