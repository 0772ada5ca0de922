"""The forwarding plane: packets from a leg to the legs its routes name. It never decodes.

The simplest correct engine: per packet one unprotect, one header rewrite and one protect per sink. It
knows legs, routes and numbers, nothing of engagements; `set_routes` is the only thing that changes who
gets whose packets. Feedback of a sink is told to its source in the source's own numbers.
Source: RFC 3550, RFC 4585, RFC 7667 (selective forwarding middlebox).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable

from media import feedback as fb
from media import rtp
from media.guard import Kind
from media.leg import BITRATE_EVERY_S, RTX_CACHE, Leg, Out
from media.path import Path
from media.sdp import CLOCK_HZ, KINDS
from signaling.effects import HOLD_MUSIC, Route
from signaling.protocol import EngagementId, LegId, MediaKind

KEY_FRAME_EVERY_S = 0.5
_HALF = 1 << 15


class PlainPlane:
    """Route table and forwarding; one per node."""

    def __init__(self, drop: Callable[[str], None]) -> None:
        self._drop = drop
        self._legs: dict[LegId, Leg] = {}
        self._routes: dict[EngagementId, frozenset[Route]] = {}
        self._sinks: dict[tuple[LegId, MediaKind], list[LegId]] = defaultdict(list)
        self.forwarded = 0

    # --- the table ------------------------------------------------------------------------------

    def add_leg(self, leg: Leg) -> None:
        self._legs[leg.id] = leg

    def drop_leg(self, leg: LegId) -> None:
        self._legs.pop(leg, None)

    def set_routes(self, engagement: EngagementId, routes: tuple[Route, ...]) -> None:
        """Replace the engagement's whole table; a video route that goes live asks for a key frame."""
        old = self._routes.get(engagement, frozenset())
        new = frozenset(routes)
        for route in old - new:
            self._sinks[route.source, route.kind].remove(route.sink)
            if not self._sinks[route.source, route.kind]:
                del self._sinks[route.source, route.kind]
        for route in sorted(new - old):
            self._sinks[route.source, route.kind].append(route.sink)
            if route.kind == "video" and (source := self._legs.get(route.source)) is not None:
                self._ask_key_frame(source)
        if new:
            self._routes[engagement] = new
        else:
            self._routes.pop(engagement, None)

    def sinks(self, source: LegId, kind: MediaKind) -> list[Leg]:
        found = self._sinks.get((source, kind), ())
        return [self._legs[sink] for sink in found if sink in self._legs]

    def music_sinks(self) -> list[Leg]:
        return [leg for leg in self.sinks(HOLD_MUSIC, "audio") if leg.current is not None]

    def sink_connected(self, sink: Leg) -> None:
        """A path of the sink came up: whoever it sees must send a whole picture."""
        for (source, kind), sinks in list(self._sinks.items()):
            if kind == "video" and sink.id in sinks and source in self._legs:
                self._ask_key_frame(self._legs[source])

    # --- media ----------------------------------------------------------------------------------

    def packet(self, leg: Leg, path: Path, kind: Kind, packet: bytes) -> None:
        """An unprotected packet of the leg's current path."""
        if kind is Kind.RTCP:
            self._rtcp(leg, path, packet)
            return
        header = rtp.parse(packet)
        if header is None:
            self._drop("rtp_malformed")
            return
        media = KINDS.get(header.payload_type)
        if media is None:
            self._drop("rtp_unknown_pt")
            return
        if path.ssrcs.setdefault(media, header.ssrc) != header.ssrc:
            self._drop("ssrc_conflict")
            return
        leg.sends[media] = header.ssrc
        for sink in self.sinks(leg.id, media):
            out = sink.out[media]
            out.source_leg = leg.id
            self.send(sink, media, header, packet, (path.id, header.ssrc))

    def send(
        self, sink: Leg, media: MediaKind, header: rtp.Header, packet: bytes, source: tuple[str, int]
    ) -> None:
        """Rewrite for the sink and send by its current path; numbers go on over a change of source."""
        if sink.current is None:
            return
        out = sink.out[media]
        now_s = time.monotonic()
        if out.source != source:
            _take_over(out, source, header, media, now_s)
        seq = (header.seq + out.seq_offset) & 0xFFFF
        timestamp = (header.timestamp + out.timestamp_offset) & 0xFFFFFFFF
        rewritten = bytearray(packet)
        rtp.rewrite(rewritten, seq=seq, timestamp=timestamp, ssrc=out.ssrc)
        protected = sink.current.protect(bytes(rewritten))
        if protected is None:
            return
        sink.current.send(protected)
        self.forwarded += 1
        out.packets += 1
        out.octets += len(packet) - header.size
        if (seq - out.last_seq) & 0xFFFF < _HALF:
            out.last_seq, out.last_timestamp, out.last_s = seq, timestamp, now_s
        if media == "video":
            out.cache[seq % RTX_CACHE] = (seq, protected)

    # --- feedback -------------------------------------------------------------------------------

    def _rtcp(self, leg: Leg, path: Path, packet: bytes) -> None:
        found, whole = fb.parse(packet)
        if not whole:
            self._drop("rtcp_malformed")
        for item in found:
            match item:
                case fb.SenderReport():
                    self._sender_report(leg, path, item)
                case fb.Reports(blocks=blocks):
                    self._reports(leg, blocks)
                case fb.Nack(ssrc=ssrc, lost=lost):
                    self._nack(leg, ssrc, lost)
                case fb.KeyFrameRequest(ssrc=ssrc):
                    self._key_frame_request(leg, ssrc)
                case fb.Bitrate(bps=bps):
                    self._bitrate(leg, bps)

    def _sender_report(self, leg: Leg, path: Path, report: fb.SenderReport) -> None:
        for media, ssrc in leg.sends.items():
            if ssrc != report.ssrc:
                continue
            for sink in self.sinks(leg.id, media):
                out = sink.out[media]
                if sink.current is not None and out.source == (path.id, ssrc):
                    timestamp = (report.timestamp + out.timestamp_offset) & 0xFFFFFFFF
                    told = fb.sender_report(out.ssrc, report.ntp, timestamp, out.packets, out.octets)
                    sink.current.send_rtcp(told)

    def _reports(self, leg: Leg, blocks: tuple[fb.Block, ...]) -> None:
        """What the sink received, told to each source in its own numbers."""
        for block in blocks:
            source, out, ssrc = self._source_of(leg, block.ssrc)
            if source is None or out is None or source.current is None:
                continue
            told = fb.Block(
                ssrc,
                block.fraction,
                block.lost,
                (block.highest_seq - out.seq_offset + out.cycle_fix) & 0xFFFFFFFF,
                block.jitter,
                block.lsr,
                block.dlsr,
            )
            source.current.send_rtcp(fb.receiver_report(source.out["video"].ssrc, (told,)))

    def _nack(self, leg: Leg, ssrc: int, lost: tuple[int, ...]) -> None:
        """Send again what we still have; ask the source for the rest."""
        source, out, source_ssrc = self._source_of(leg, ssrc)
        if out is None:
            return
        missing = []
        now_s = time.monotonic()
        for seq in lost:
            protected = out.cached(seq)
            if protected is not None and leg.current is not None:
                if not out.may_resend(now_s):
                    self._drop("resend_limit")
                    return
                leg.current.send(protected)
            else:
                missing.append((seq - out.seq_offset) & 0xFFFF)
        if missing and source is not None and source.current is not None:
            source.current.send_rtcp(fb.nack(source.out["video"].ssrc, source_ssrc, missing[:64]))

    def _key_frame_request(self, leg: Leg, ssrc: int) -> None:
        source, _, _ = self._source_of(leg, ssrc)
        if source is not None:
            self._ask_key_frame(source)

    def _ask_key_frame(self, source: Leg) -> None:
        """PLI to a source, at most two a second whoever asks."""
        now_s = time.monotonic()
        ssrc = source.sends.get("video")
        if source.current is None or ssrc is None or now_s - source.key_frame_asked_s < KEY_FRAME_EVERY_S:
            return
        source.key_frame_asked_s = now_s
        source.current.send_rtcp(fb.picture_loss(source.out["video"].ssrc, ssrc))

    def _bitrate(self, leg: Leg, bps: int) -> None:
        """A source may send what its weakest sink can take."""
        leg.bitrate_bps = bps
        for (source_id, kind), sinks in list(self._sinks.items()):
            source = self._legs.get(source_id)
            if kind != "video" or leg.id not in sinks or source is None or source.current is None:
                continue
            known = [self._legs[s].bitrate_bps for s in sinks if s in self._legs]
            limit = min(rate for rate in known if rate is not None)
            ssrc = source.sends.get("video")
            told_s, told_bps = source.bitrate_told
            now_s = time.monotonic()
            if ssrc is not None and (limit < told_bps or now_s - told_s > BITRATE_EVERY_S):
                source.bitrate_told = (now_s, limit)
                source.current.send_rtcp(fb.bitrate(source.out["video"].ssrc, ssrc, limit))

    def _source_of(self, sink: Leg, ssrc: int) -> tuple[Leg | None, Out | None, int]:
        """Whose packets the sink gets under our SSRC: leg, track, and the source's own SSRC."""
        for out in sink.out.values():
            if out.ssrc == ssrc and out.source is not None:
                source = self._legs.get(out.source_leg) if out.source_leg is not None else None
                return source, out, out.source[1]
        return None, None, 0


def _take_over(out: Out, source: tuple[str, int], header: rtp.Header, media: MediaKind, now_s: float) -> None:
    """Another source (or its new path): go on one after the last number, as late as time has passed."""
    elapsed_s = min(now_s - out.last_s, 60.0) if out.last_s else 0.0
    out.source = source
    out.seq_offset = (out.last_seq + 1 - header.seq) & 0xFFFF
    out.cycle_fix = 0x10000 if (out.last_seq + 1) & 0xFFFF < out.seq_offset else 0
    passed = max(1, int(elapsed_s * CLOCK_HZ[media]))
    out.timestamp_offset = (out.last_timestamp + passed - header.timestamp) & 0xFFFFFFFF
    out.cache.clear()
