"""What is sent and received: a Track per leg and kind, its Binding on a path, an Out per place of a sink.

A track is what a leg says or shows, over all its paths. A binding is one SSRC of it on one path; when a
track's packets come by another binding, each Out goes on in its own numbers. Only data and arithmetic.
Source: RFC 3550, RFC 4588 (retransmission), RFC 7667.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from media.sdp import CLOCK_HZ, Section
from signaling.protocol import MediaKind

if TYPE_CHECKING:
    from media.leg import Leg
    from media.path import Path

CACHED_PACKETS = 256
RESENDS_PER_S, RESEND_BURST = 200.0, 100.0
HALF = 1 << 15


class Track:
    """One kind of media of one leg (None: our own), and who gets it."""

    __slots__ = ("heard_s", "key_frame_due", "key_frame_s", "kind", "leg", "level", "outs", "source")

    def __init__(self, leg: Leg | None, kind: MediaKind) -> None:
        self.leg = leg
        self.kind = kind
        self.source: Binding | None = None
        self.outs: list[Out] = []
        self.heard_s = 0.0
        self.key_frame_s = -1.0
        self.key_frame_due = False
        self.level = 127


class Binding:
    """An SSRC on a path. rtx: it carries retransmissions of the track."""

    __slots__ = ("path", "rtx", "ssrc", "track")

    def __init__(self, track: Track, path: Path | None, ssrc: int, *, rtx: bool = False) -> None:
        self.track = track
        self.path = path
        self.ssrc = ssrc
        self.rtx = rtx


class Missed(NamedTuple):
    """A voice packet, unprotected, that came while its receiver had no path."""

    source: Binding
    packet: bytes
    at_s: float


class Out:
    """One place in a sink's description: its SSRCs, and how the source's numbers become ours."""

    __slots__ = (
        "_resends_left",
        "_resends_s",
        "cache",
        "cycle_fix",
        "last_s",
        "last_seq",
        "last_timestamp",
        "mid",
        "missed",
        "octets",
        "packets",
        "rtx_seq",
        "rtx_ssrc",
        "section",
        "seq_offset",
        "sink",
        "source",
        "ssrc",
        "timestamp_offset",
        "track",
        "video",
    )

    def __init__(self, sink: Leg, section: Section) -> None:
        self.sink = sink
        self.section = section
        self.mid = ord(section.mid)
        self.video = section.kind != "audio"
        self.ssrc = secrets.randbits(31) + 1
        self.rtx_ssrc = secrets.randbits(31) + 1
        self.rtx_seq = secrets.randbits(14)
        self.track: Track | None = None
        self.source: Binding | None = None
        self.seq_offset = 0
        self.timestamp_offset = 0
        self.cycle_fix = 0
        self.last_seq = secrets.randbits(14)
        self.last_timestamp = secrets.randbits(31)
        self.last_s = 0.0
        self.packets = 0
        self.octets = 0
        self.cache: dict[int, tuple[int, bytes]] | None = None
        self.missed: Missed | None = None
        self._resends_left = RESEND_BURST
        self._resends_s = 0.0

    @property
    def kind(self) -> MediaKind:
        return self.section.kind

    def take_over(self, source: Binding, seq: int, timestamp: int, now_s: float) -> None:
        """Another source (or its new path): go on one after the last number, as late as time has passed."""
        elapsed_s = min(now_s - self.last_s, 60.0) if self.last_s else 0.0
        self.source = source
        self.seq_offset = (self.last_seq + 1 - seq) & 0xFFFF
        self.cycle_fix = 0x10000 if (self.last_seq + 1) & 0xFFFF < self.seq_offset else 0
        passed = max(1, int(elapsed_s * CLOCK_HZ[self.section.kind]))
        self.timestamp_offset = (self.last_timestamp + passed - timestamp) & 0xFFFFFFFF
        self.forget()

    def sent(self, seq: int, timestamp: int, octets: int, now_s: float) -> None:
        self.packets += 1
        self.octets += octets
        if (seq - self.last_seq) & 0xFFFF < HALF:
            self.last_seq, self.last_timestamp, self.last_s = seq, timestamp, now_s

    def keep(self, seq: int, packet: bytes) -> None:
        """Remember a packet as the sink knows it, before protection, for a retransmission."""
        if self.cache is None:
            self.cache = {}
        self.cache[seq % CACHED_PACKETS] = (seq, packet)

    def cached(self, seq: int) -> bytes | None:
        found = self.cache.get(seq % CACHED_PACKETS) if self.cache is not None else None
        return found[1] if found is not None and found[0] == seq else None

    def miss(self, source: Binding, packet: bytes, now_s: float) -> None:
        """Keep the latest voice packet for the moment when the sink is back."""
        if not self.video:
            self.missed = Missed(source, packet, now_s)

    def forget(self) -> None:
        self.cache = None

    def next_rtx_seq(self) -> int:
        self.rtx_seq = (self.rtx_seq + 1) & 0xFFFF
        return self.rtx_seq

    def may_resend(self, now_s: float) -> bool:
        """A receiver's wish list is bounded: retransmissions must not amplify what it sends."""
        passed_s = now_s - self._resends_s
        self._resends_left = min(RESEND_BURST, self._resends_left + passed_s * RESENDS_PER_S)
        self._resends_s = now_s
        if self._resends_left < 1:
            return False
        self._resends_left -= 1
        return True
