"""Transport-wide congestion feedback: which numbered packets arrived and when, read and written.

Pure. Times are in ticks of a quarter of a millisecond.
Source: draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1.
"""

from __future__ import annotations

from struct import error, pack, unpack_from

from msgspec import Struct

TICKS_PER_S = 4_000
REFERENCE_TICKS = 256
MAX_STATUSES = 400
MISSING, SMALL, LARGE = 0, 1, 2
TWO_BITS_PER_WORD = 7


class Report(Struct):
    """One feedback message: statuses of `count` packets from transport-wide number `base` (16 bits) on.

    number: of the message itself, 8 bits. reference: 24 bits, in 64 ms. at: ticks since the reference of
    those that arrived, by their distance from the base.
    """

    base: int
    count: int
    reference: int
    number: int
    at: dict[int, int]


def read(body: bytes) -> Report | None:
    """body: from the base sequence number on. None when it is cut short, too long, or says the impossible."""
    if len(body) < 8:
        return None
    base, count = unpack_from("!HH", body)
    if not 0 < count <= MAX_STATUSES:
        return None
    report = Report(base, count, int.from_bytes(body[4:7], "big"), body[7], {})
    symbols: list[int] = []
    where = 8
    try:
        while len(symbols) < count:
            symbols += _symbols(unpack_from("!H", body, where)[0], count - len(symbols))
            where += 2
        ticks = 0
        for place in range(count):
            symbol = symbols[place]
            if symbol == MISSING:
                continue
            if symbol > LARGE:
                return None
            ticks += unpack_from("!B" if symbol == SMALL else "!h", body, where)[0]
            where += symbol
            report.at[place] = ticks
    except error:
        return None
    return report


def _symbols(chunk: int, left: int) -> list[int]:
    """A run of one status, fourteen of one bit, or seven of two."""
    if not chunk & 0x8000:
        return [chunk >> 13] * min(chunk & 0x1FFF, left) or [LARGE + 1] * left
    if not chunk & 0x4000:
        return [chunk >> shift & 1 for shift in range(13, -1, -1)]
    return [chunk >> shift & 3 for shift in range(12, -1, -2)]


def write(report: Report) -> bytes:
    """The body, padded to whole words."""
    symbols: list[int] = []
    deltas = b""
    last = 0
    for place in range(report.count):
        if place not in report.at:
            symbols.append(MISSING)
            continue
        ticks = max(-0x8000, min(0x7FFF, report.at[place] - last))
        last += ticks
        small = 0 <= ticks <= 0xFF
        symbols.append(SMALL if small else LARGE)
        deltas += pack("!B" if small else "!h", ticks)
    body = pack("!HH", report.base, report.count)
    body += report.reference.to_bytes(3, "big") + bytes((report.number,))
    for begin in range(0, len(symbols), TWO_BITS_PER_WORD):
        word = 0b11
        group = symbols[begin : begin + TWO_BITS_PER_WORD]
        for symbol in group + [MISSING] * (TWO_BITS_PER_WORD - len(group)):
            word = word << 2 | symbol
        body += pack("!H", word)
    body += deltas
    return body + bytes(-len(body) & 3)
