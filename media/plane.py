"""The forwarding plane: packets from a leg to the places its routes name. It never decodes.

This is the part both engines share: the route table, who asks for key frames, who speaks, who hears our
own packets (music, tones), feedback (`reporting.py`). An engine only moves RTP: `plain.py` one packet at a
time, the oracle; `fast.py` in batches and in place. `set_routes` alone changes who gets whose packets.
Source: RFC 3550, RFC 4585, RFC 7667 (selective forwarding middlebox).
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from media import feedback as fb
from media import rtp
from media.congestion import Arrivals, Passed
from media.guard import Kind
from media.leg import Leg
from media.path import MAX_SSRCS, Path
from media.reporting import Reporter, report_arrivals, reporter
from media.sdp import KINDS, RTX
from media.tracks import Binding, Out, Track
from signaling.effects import HOLD_MUSIC, Route
from signaling.protocol import EngagementId, LegId

KEY_FRAME_EVERY_S = 0.5
SILENT_AFTER_S = 0.5
# Voice comes every 20 ms; what is older than two of them was missed for good.
MISSED_S = 0.05
CUT_AFTER_S = 3.0
TONE_AFTER_CONNECT_S = 10.0
SPEECH_LEVEL = 50


class Plane(ABC):
    """Route table of a node, and what does not depend on how a packet is moved."""

    name: ClassVar[str]

    def __init__(self, drop: Callable[[str], None]) -> None:
        self.drop = drop
        self.bound: Callable[[Path, int], None] = lambda path, ssrc: None
        self._legs: dict[LegId, Leg] = {}
        self._members: dict[EngagementId, list[Leg]] = {}
        self._routes: dict[EngagementId, frozenset[Route]] = {}
        self._reporter = Reporter(drop, self.ask_key_frame)
        self._reporting: set[Leg] = set()
        self._loudest: dict[EngagementId, tuple[LegId, LegId]] = {}
        self.music = Track(None, "audio")
        self.interrupted: list[Out] = []
        self._voices: set[Track] = set()

    # --- the table ------------------------------------------------------------------------------

    def add_leg(self, leg: Leg) -> None:
        self._legs[leg.id] = leg
        self._members.setdefault(leg.engagement, []).append(leg)
        for route in sorted(self._routes.get(leg.engagement, ())):
            if leg.id in (route.source, route.sink):
                self._link(route)
        self._settle(leg.engagement)

    def drop_leg(self, identity: LegId) -> None:
        leg = self._legs.pop(identity, None)
        if leg is None:
            return
        self._reporting.discard(leg)
        self._members[leg.engagement].remove(leg)
        for out in leg.outs.values():
            self._unlink(out)
        for track in leg.tracks.values():
            for out in list(track.outs):
                self._unlink(out)
        self._settle(leg.engagement)
        if not self._members[leg.engagement]:
            del self._members[leg.engagement]
            self._loudest.pop(leg.engagement, None)

    def set_routes(self, engagement: EngagementId, routes: tuple[Route, ...]) -> None:
        """Replace the engagement's whole table; a picture that goes live asks for a key frame."""
        old = self._routes.get(engagement, frozenset())
        new = frozenset(routes)
        for route in old - new:
            if (sink := self._legs.get(route.sink)) is not None:
                self._unlink(sink.outs[route.kind, route.slot])
        if new:
            self._routes[engagement] = new
        else:
            self._routes.pop(engagement, None)
        for route in sorted(new - old):
            self._link(route)
        self._settle(engagement)

    def _link(self, route: Route) -> None:
        sink = self._legs.get(route.sink)
        if route.source == HOLD_MUSIC:
            track: Track | None = self.music
        else:
            source = self._legs.get(route.source)
            track = source.track(route.kind) if source is not None else None
        if sink is None or track is None:
            return
        out = sink.outs[route.kind, route.slot]
        self._unlink(out)
        out.track = track
        track.outs.append(out)
        if out.video:
            self.ask_key_frame(track)
        else:
            self._voices.add(track)

    def _unlink(self, out: Out) -> None:
        if out.track is not None:
            out.track.outs.remove(out)
            if not out.track.outs:
                self._voices.discard(out.track)
            out.track = None

    def _settle(self, engagement: EngagementId) -> None:
        """Whose feedback passes through: senders with one receiver that sees nobody else."""
        for leg in self._members.get(engagement, ()):
            sinks = {out.sink for track in leg.tracks.values() for out in track.outs if out.video}
            through = next((sink for sink in sinks if len(sinks) == 1 and _sees_only(sink, leg)), None)
            if through is not leg.through:
                leg.through, leg.passed = through, None if through is None else Passed()
            if leg.through is not None or not sinks:
                leg.arrivals = None
                self._reporting.discard(leg)
            elif leg.arrivals is None:
                leg.arrivals = Arrivals()
                self._reporting.add(leg)

    def sink_connected(self, sink: Leg) -> None:
        """A path of the sink came up: it hears the last of what it missed, and sees a whole picture soon."""
        for out in sink.outs.values():
            if out.video and out.track is not None:
                self.ask_key_frame(out.track)
            missed, out.missed = out.missed, None
            if missed is None or out.track is not missed.source.track:
                continue
            if time.monotonic() - missed.at_s < MISSED_S and (header := rtp.parse(missed.packet)) is not None:
                self.play(out, missed.source, header, missed.packet)

    # --- media ----------------------------------------------------------------------------------

    def packet(self, leg: Leg, path: Path, kind: Kind, packet: bytes) -> None:
        """An unprotected packet of a leg's speaking path."""
        if kind is Kind.RTCP:
            self._reporter.packet(leg, path, packet)
        else:
            self.move(leg, path, packet)

    @abstractmethod
    def move(self, leg: Leg, path: Path, packet: bytes) -> None:
        """An engine's way of one packet."""

    def bind(self, leg: Leg, path: Path, header: rtp.Header) -> Binding | None:
        """The binding of a new SSRC; one per kind and path, so nobody can slip in another."""
        kind = KINDS.get(header.payload_type)
        if kind is None:
            self.drop("rtp_unknown_pt")
            return None
        rtx = header.payload_type in RTX
        taken = any(b.track.kind == kind and b.rtx == rtx for b in path.bindings.values())
        if taken or len(path.bindings) >= MAX_SSRCS:
            self.drop("ssrc_conflict")
            return None
        binding = Binding(leg.track(kind), path, header.ssrc, rtx=rtx)
        path.bindings[header.ssrc] = binding
        self.bound(path, header.ssrc)
        return binding

    def play(self, out: Out, binding: Binding, header: rtp.Header, packet: bytes) -> None:
        """Send one packet to a place: of our own (music, a tone), or one that was missed."""
        path = out.sink.current
        if path is None:
            return
        now_s = time.monotonic()
        if out.source is not binding:
            out.take_over(binding, header.seq, header.timestamp, now_s)
        seq = (header.seq + out.seq_offset) & 0xFFFF
        timestamp = (header.timestamp + out.timestamp_offset) & 0xFFFFFFFF
        rewritten = bytearray(packet)
        if header.mid:
            rewritten[header.mid] = out.mid
        rtp.rewrite(rewritten, seq, timestamp, out.ssrc)
        protected = path.protect(bytes(rewritten))
        if protected is not None:
            path.send(protected)
            out.sent(seq, timestamp, header.payload, now_s)

    # --- key frames -----------------------------------------------------------------------------

    def ask_key_frame(self, track: Track) -> None:
        """PLI to a source, at most two a second whoever asks; one asked too early is sent later."""
        leg, source = track.leg, track.source
        if leg is None or leg.current is None or source is None:
            return
        now_s = time.monotonic()
        wait_s = track.key_frame_s + KEY_FRAME_EVERY_S - now_s
        if wait_s > 0:
            if not track.key_frame_due:
                track.key_frame_due = True
                asyncio.get_running_loop().call_later(wait_s, self._ask_due, track)
            return
        track.key_frame_s = now_s
        leg.current.send_rtcp(fb.picture_loss(reporter(leg), source.ssrc))

    def _ask_due(self, track: Track) -> None:
        track.key_frame_due = False
        if track.outs:
            self.ask_key_frame(track)

    # --- now and then ---------------------------------------------------------------------------

    def report(self) -> None:
        """Ten times a second: tell senders of calls of more than two what arrived."""
        for leg in self._reporting:
            report_arrivals(leg)

    def watch(self, now_s: float) -> list[tuple[EngagementId, LegId]]:
        """Five times a second: whose voice is interrupted (they get a tone), and who speaks now.

        Returns the changes of who speaks, in calls of more than two.
        """
        quiet_s = now_s - SILENT_AFTER_S
        self.interrupted = [
            out
            for track in self._voices
            if track.heard_s < quiet_s and _interrupted(track, now_s)
            for out in track.outs
        ]
        changes = []
        for engagement, members in self._members.items():
            if len(members) > 2 and (speaker := self._speaker(engagement, members, now_s)) is not None:
                changes.append((engagement, speaker))
        return changes

    def missing(self, now_s: float) -> list[Out]:
        """Places whose voice is interrupted still."""
        return [
            out
            for out in self.interrupted
            if out.track is not None and now_s - out.track.heard_s > SILENT_AFTER_S / 2
        ]

    def _speaker(self, engagement: EngagementId, members: list[Leg], now_s: float) -> LegId | None:
        """The loudest one, when it is so for the second time in a row and was not told yet."""
        heard = [
            (track.level, leg.id)
            for leg in members
            if (track := leg.tracks.get("audio")) is not None
            and track.outs
            and now_s - track.heard_s < SILENT_AFTER_S
            and track.level < SPEECH_LEVEL
        ]
        if not heard:
            return None
        loudest = min(heard)[1]
        candidate, told = self._loudest.get(engagement, (LegId(""), LegId("")))
        is_new = candidate == loudest != told
        self._loudest[engagement] = (loudest, loudest if is_new else told)
        return loudest if is_new else None


def _sees_only(sink: Leg, source: Leg) -> bool:
    tracks = [out.track for out in sink.outs.values() if out.video and out.track is not None]
    return all(track.leg is source for track in tracks)


def _interrupted(track: Track, now_s: float) -> bool:
    """It has spoken, and its path went, is new and still silent, or has not been heard of for long."""
    leg = track.leg
    if leg is None or track.source is None:
        return False
    if leg.current is None:
        return True
    if track.source.path is not leg.current:
        return now_s - leg.connected_s < TONE_AFTER_CONNECT_S
    return now_s - leg.current.heard_s > CUT_AFTER_S
