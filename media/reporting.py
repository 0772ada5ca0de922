"""Who is told what by RTCP: a receiver's feedback in its source's own numbers, and the other way round.

Reports, NACK, PLI, FIR, REMB and transport-cc of a sink are about our numbers; they are answered from the
cache or told to the source in its. Sender reports are rewritten per sink, so that lips stay in sync.
Source: RFC 3550, RFC 4585, RFC 4588, RFC 7667 section 3.7.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from media import feedback as fb
from media import rtp
from media.congestion import loss_limit
from media.leg import Leg
from media.path import Path
from media.sdp import RTX_OF
from media.tracks import Out, Track

LIMIT_EVERY_S = 0.2
MAX_ASKED = 64


class Reporter:
    """Stateless but for what legs and outs remember."""

    def __init__(self, drop: Callable[[str], None], ask_key_frame: Callable[[Track], None]) -> None:
        self._drop = drop
        self._ask_key_frame = ask_key_frame

    def packet(self, leg: Leg, path: Path, packet: bytes) -> None:
        """An unprotected compound packet of a leg."""
        found, whole = fb.parse(packet)
        if not whole:
            self._drop("rtcp_malformed")
        for item in found:
            match item:
                case fb.SenderReport():
                    _sender_report(path, item)
                case fb.Reports(blocks=blocks):
                    self._reports(leg, blocks)
                case fb.Nack(ssrc=ssrc, lost=lost):
                    self._nack(leg, ssrc, lost)
                case fb.KeyFrameRequest(ssrc=ssrc):
                    if (out := leg.by_ssrc.get(ssrc)) is not None and out.track is not None:
                        self._ask_key_frame(out.track)
                case fb.TransportCc(body=body):
                    _pass_transport_cc(leg, body)
                case fb.Bitrate(bps=bps):
                    _limit(leg, bps)

    def _reports(self, leg: Leg, blocks: tuple[fb.Block, ...]) -> None:
        """What the sink received, told to each source in its own numbers."""
        limited = False
        for block in blocks:
            out = leg.by_ssrc.get(block.ssrc)
            source = _source_leg(out)
            if out is None or out.source is None or source is None or source.current is None:
                continue
            told = fb.Block(
                out.source.ssrc,
                block.fraction,
                block.lost,
                (block.highest_seq - out.seq_offset + out.cycle_fix) & 0xFFFFFFFF,
                block.jitter,
                block.lsr,
                block.dlsr,
            )
            source.current.send_rtcp(fb.receiver_report(reporter(source), (told,)))
            if out.video and source.through is None:
                leg.limit_bps = loss_limit(leg.limit_bps, block.fraction)
                limited = True
        if limited:
            tell_limits(leg)

    def _nack(self, leg: Leg, ssrc: int, lost: tuple[int, ...]) -> None:
        """Send again what we still have; ask the source for the rest."""
        out = leg.by_ssrc.get(ssrc)
        if out is None or out.source is None or leg.current is None:
            return
        missing = []
        now_s = time.monotonic()
        for seq in lost:
            packet = out.cached(seq)
            if packet is None:
                missing.append((seq - out.seq_offset) & 0xFFFF)
                continue
            if not out.may_resend(now_s):
                self._drop("resend_limit")
                return
            protected = leg.current.protect(_again(out, packet) if leg.current.takes_rtx else packet)
            if protected is not None:
                leg.current.send(protected)
        source = _source_leg(out)
        if missing and source is not None and source.current is not None:
            asked = fb.nack(reporter(source), out.source.ssrc, missing[:MAX_ASKED])
            source.current.send_rtcp(asked)


def reporter(leg: Leg) -> int:
    """The SSRC by which we report to a leg: one that it knows from our offer."""
    return leg.outs["video", 0].ssrc


def tell_limits(sink: Leg) -> None:
    """Whoever the sink sees may send what its weakest sink can take (REMB)."""
    now_s = time.monotonic()
    for source in {id(leg): leg for out in sink.outs.values() if (leg := _source_leg(out))}.values():
        limits = [
            out.sink.limit_bps
            for track in source.tracks.values()
            if track.kind != "audio"
            for out in track.outs
            if out.sink.limit_bps is not None
        ]
        shown = next((t for k, t in source.tracks.items() if k != "audio" and t.source), None)
        if not limits or shown is None or shown.source is None or source.current is None:
            continue
        told_s, told_bps = source.told_limit
        limit = min(limits)
        if limit < told_bps or now_s - told_s > LIMIT_EVERY_S:
            source.told_limit = (now_s, limit)
            source.current.send_rtcp(fb.bitrate(reporter(source), shown.source.ssrc, limit))


def report_arrivals(leg: Leg) -> None:
    """Our own transport-cc to a sender whose feedback is not passed through."""
    if leg.arrivals is None or leg.current is None or (body := leg.arrivals.report()) is None:
        return
    shown = next((t for k, t in leg.tracks.items() if k != "audio" and t.source), None)
    ssrc = shown.source.ssrc if shown is not None and shown.source is not None else 0
    leg.current.send_rtcp(fb.transport_cc(reporter(leg), ssrc, body))


def _sender_report(path: Path, report: fb.SenderReport) -> None:
    binding = path.bindings.get(report.ssrc)
    if binding is None or binding.rtx:
        return
    for out in binding.track.outs:
        if out.sink.current is not None and out.source is binding:
            timestamp = (report.timestamp + out.timestamp_offset) & 0xFFFFFFFF
            told = fb.sender_report(out.ssrc, report.ntp, timestamp, out.packets, out.octets)
            out.sink.current.send_rtcp(told)


def _pass_transport_cc(sink: Leg, body: bytes) -> None:
    """A receiver's arrivals to the one it sees; what it loses on the way from us limits that one, if much."""
    source, out = _passed_to(sink)
    if source is None or source.passed is None or source.current is None or out is None:
        return
    told = source.passed.told(body)
    source.current.send_rtcp(fb.transport_cc(reporter(source), out.source.ssrc if out.source else 0, told))
    if (fraction := source.passed.fraction()) is not None:
        sink.limit_bps = loss_limit(sink.limit_bps, fraction)
        tell_limits(sink)


def _limit(sink: Leg, bps: int) -> None:
    """What a receiver believes it can take (REMB): but not where its arrivals are passed.

    There it sees no transport-wide number on what we sent again, and estimates by those packets alone.
    """
    source, _ = _passed_to(sink)
    if source is None or source.passed is None or not source.passed.reported:
        sink.limit_bps = bps
        tell_limits(sink)


def _passed_to(sink: Leg) -> tuple[Leg | None, Out | None]:
    """Whose packets' numbers the sink sees, and a place of theirs."""
    for out in sink.outs.values():
        source = _source_leg(out)
        if out.video and out.source is not None and source is not None and source.through is sink:
            return source, out
    return None, None


def _source_leg(out: Out | None) -> Leg | None:
    return out.track.leg if out is not None and out.track is not None else None


def _again(out: Out, packet: bytes) -> bytes:
    """A cached packet as a retransmission; its transport-wide number was another packet's."""
    header = rtp.parse(packet)
    assert header is not None
    payload_type = RTX_OF.get(header.payload_type)
    if payload_type is None:
        return packet
    if header.twcc:
        changed = bytearray(packet)
        rtp.blank_twcc(changed, header.twcc, rtp.is_two_byte(packet))
        packet = bytes(changed)
    return rtp.retransmission(packet, header, payload_type, out.next_rtx_seq(), out.rtx_ssrc)
