"""One load: legs that are up, the packets they send, and what blast.c saw of them."""

from __future__ import annotations

import ctypes
import random
from array import array
from collections.abc import Sequence

from msgspec import Struct

from benchmarks.media_source import Media
from benchmarks.peers import native
from benchmarks.peers.servers import Leg

KINDS = ("voice", "video")


class Seen(Struct, frozen=True):
    """Counts of blast.c (counted: sent in the window; matched: those that came back) and latency in us."""

    sent: int
    received: int
    counted: int
    matched: int
    compared: int
    bad: int
    unmatched: int
    twice: int
    refused: int
    late: int

    @property
    def lost(self) -> int:
        return self.counted - self.matched


class Generator:
    """Legs 2n and 2n + 1 send to each other; `close` before the paths are closed."""

    def __init__(self, paths: Sequence[Leg], media: Media) -> None:
        self._c = native.load_blast()
        self._at = self._c.blast_new(*native.srtp_functions(), len(paths))
        self._paths = paths
        kind = KINDS.index(media.name)
        self._keep = (array("I", media.offsets), array("I", media.frames))
        self._c.blast_media(
            self._at,
            kind,
            native.CMedia(
                media.payload_type,
                len(media.offsets) - 1,
                len(media.frames) - 1,
                kind,
                media.step,
                media.data,
                self._keep[0].buffer_info()[0],
                self._keep[1].buffer_info()[0],
                int(media.period_s * 1e9),
            ),
        )
        numbers = random.Random(5)
        for number, path in enumerate(paths):
            fd = path.connect()
            inbound, outbound = (native.address(handle) for handle in path.handles())
            if self._c.blast_leg(self._at, number, fd, inbound, outbound):
                raise OSError("the kernel refused a socket option or epoll")
            self._c.blast_flow(self._at, number, kind, numbers.getrandbits(31) | 1, ord(media.mid))

    def run(self, seconds: float, *, sending: bool = True, counted: bool = False) -> None:
        """Blocks; nothing else of this process is needed meanwhile."""
        self._c.blast_run(self._at, seconds, int(sending), int(counted))

    def seen(self) -> Seen:
        totals = native.CTotals()
        self._c.blast_totals(self._at, ctypes.byref(totals))
        return Seen(**{name: getattr(totals, name) for name in native.TOTALS})

    def latency_us(self, share: float) -> float:
        return float(self._c.blast_latency_us(self._at, share))

    def close(self) -> None:
        self._c.blast_free(self._at)
        self._at = None
