"""The simplest correct engine: one packet, one unprotect, one rewrite and one protect per sink.

It is the oracle of the test suite and the fallback where the fast engine's system calls are missing.
"""

from __future__ import annotations

import time

from media import rtp
from media.leg import Leg
from media.path import Path
from media.plane import Plane
from media.tracks import Binding, Out


class PlainPlane(Plane):
    """Plane by plain Python objects."""

    name = "plain"

    def move(self, leg: Leg, path: Path, packet: bytes) -> None:
        header = rtp.parse(packet)
        if header is None:
            self.drop("rtp_malformed")
            return
        binding = path.bindings.get(header.ssrc) or self.bind(leg, path, header)
        if binding is None:
            return
        now_s = time.monotonic()
        track = binding.track
        if header.level:
            track.level = packet[header.level] & 0x7F
        if header.twcc and leg.arrivals is not None:
            leg.arrivals.add(int.from_bytes(packet[header.twcc : header.twcc + 2], "big"), now_s)
        if binding.rtx:
            for out in track.outs:
                self._send_again(out, binding, header, packet)
            return
        track.source = binding
        track.heard_s = now_s
        for out in track.outs:
            self._send(out, binding, header, packet, now_s)

    def _send(self, out: Out, binding: Binding, header: rtp.Header, packet: bytes, now_s: float) -> None:
        """Rewrite for the sink and send by its current path; numbers go on over a change of source."""
        path = out.sink.current
        if path is None:
            out.miss(binding, packet, now_s)
            return
        if out.source is not binding:
            out.take_over(binding, header.seq, header.timestamp, now_s)
        seq = (header.seq + out.seq_offset) & 0xFFFF
        timestamp = (header.timestamp + out.timestamp_offset) & 0xFFFFFFFF
        rewritten = _for_sink(out, header, packet)
        rtp.rewrite(rewritten, seq, timestamp, out.ssrc)
        if self._protect_and_send(path, bytes(rewritten)):
            out.sent(seq, timestamp, header.payload, now_s)
            if out.video:
                out.keep(seq, bytes(rewritten))

    def _send_again(self, out: Out, binding: Binding, header: rtp.Header, packet: bytes) -> None:
        """A retransmission of the source: numbered anew, its original number as the sink knows it."""
        path, source = out.sink.current, out.source
        if path is None or source is None or source.path is not binding.path or not path.takes_rtx:
            return
        rewritten = _for_sink(out, header, packet)
        timestamp = (header.timestamp + out.timestamp_offset) & 0xFFFFFFFF
        rtp.rewrite(rewritten, out.next_rtx_seq(), timestamp, out.rtx_ssrc)
        if header.payload >= 2:
            at = header.size
            original = int.from_bytes(packet[at : at + 2], "big") + out.seq_offset
            rewritten[at : at + 2] = (original & 0xFFFF).to_bytes(2, "big")
        self._protect_and_send(path, bytes(rewritten))

    def _protect_and_send(self, path: Path, packet: bytes) -> bool:
        protected = path.protect(packet)
        if protected is None:
            return False
        path.send(protected)
        return True


def _for_sink(out: Out, header: rtp.Header, packet: bytes) -> bytearray:
    """The sink's own mid; the transport-wide number only when its report reaches the source."""
    rewritten = bytearray(packet)
    if header.mid:
        rewritten[header.mid] = out.mid
    if header.twcc and out.track is not None and out.track.leg is not None:
        source = out.track.leg
        if source.through is out.sink and source.passed is not None:
            source.passed.add(int.from_bytes(packet[header.twcc : header.twcc + 2], "big"))
        else:
            rtp.blank_twcc(rewritten, header.twcc, rtp.is_two_byte(packet))
    return rewritten
