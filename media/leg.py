"""A participant's place in the call: the path that carries it now, the next ones, and its numbers.

SSRCs of what we send to it stay the same over all its paths; sequence and timestamp go on. The old path
is kept until the new one carries packets. A path prepared in advance (a ticket) is a path like any other,
only that nobody has answered it yet. Source: docs/architecture.md, "calls".
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from media.congestion import Arrivals, Passed
from media.guard import Kind
from media.path import Path
from media.sdp import SECTIONS
from media.tracks import Out, Track
from signaling.errors import NotFound
from signaling.protocol import EngagementId, LegId, MediaKind, PathId

OLD_PATH_S = 3.0
MAX_PENDING = 4


class Listener(Protocol):
    """Who hears of legs (media/node.py)."""

    def leg_connected(self, leg: Leg, path: Path) -> None: ...
    def leg_path_gone(self, leg: Leg, path: Path, *, was_current: bool) -> None: ...
    def leg_packet(self, leg: Leg, path: Path, kind: Kind, packet: bytes) -> None: ...


class Leg:
    """Paths of one leg (path.Owner), what it sends (tracks) and what it is sent (outs by place)."""

    def __init__(self, engagement: EngagementId, identity: LegId, listener: Listener) -> None:
        self.engagement = engagement
        self.id = identity
        self.paths: dict[PathId, Path] = {}
        self.current: Path | None = None
        self.speaking: Path | None = None
        self.connected_s = 0.0
        self.tracks: dict[MediaKind, Track] = {}
        self.outs: dict[tuple[MediaKind, int], Out] = {(s.kind, s.slot): Out(self, s) for s in SECTIONS}
        self.by_ssrc: dict[int, Out] = {out.ssrc: out for out in self.outs.values()}
        self.through: Leg | None = None
        self.arrivals: Arrivals | None = None
        self.passed: Passed | None = None
        self.limit_bps: int | None = None
        self.told_limit: tuple[float, int] = (0.0, 0)
        self.ticket_made_s = 0.0
        self._listener = listener

    def track(self, kind: MediaKind) -> Track:
        if kind not in self.tracks:
            self.tracks[kind] = Track(self, kind)
        return self.tracks[kind]

    def path(self, path: PathId) -> Path:
        """Raises: NotFound for a path that is over or never was."""
        if path not in self.paths:
            raise NotFound(path)
        return self.paths[path]

    def add(self, path: Path) -> None:
        """Keep a new path; the oldest unanswered ones give way."""
        self.paths[path.id] = path
        pending = [p for p in self.paths.values() if not p.answered]
        for old in pending[: max(0, len(pending) - MAX_PENDING)]:
            old.close()

    def close(self) -> None:
        for path in list(self.paths.values()):
            path.close()

    # --- path.Owner -----------------------------------------------------------------------------

    def path_connected(self, path: Path) -> None:
        old, self.current = self.current, path
        self.connected_s = path.heard_s
        for out in self.outs.values():
            out.forget()
        if old is not None and not old.closed:
            asyncio.get_running_loop().call_later(OLD_PATH_S, old.close)
        self._listener.leg_connected(self, path)

    def path_closed(self, path: Path) -> None:
        self.paths.pop(path.id, None)
        was_current = self.current is path
        if was_current:
            self.current = next((old for old in self.paths.values() if old.connected), None)
            was_current = self.current is None
        self._listener.leg_path_gone(self, path, was_current=was_current)

    def path_rtcp(self, path: Path, packet: bytes) -> None:
        if path is self.speaking or path is self.current:
            self._listener.leg_packet(self, path, Kind.RTCP, packet)

    def path_rtp(self, path: Path, packet: bytes) -> None:
        if path is self.speaking or self.turn_to(path):
            self._listener.leg_packet(self, path, Kind.RTP, packet)

    def turn_to(self, path: Path) -> bool:
        """The old path speaks for the leg until the new one does; the new one's first packet lets it go."""
        if path is not self.current:
            return False
        self.speaking = path
        if self.arrivals is not None:
            self.arrivals = Arrivals()
        for old in list(self.paths.values()):
            if old.connected and old is not path:
                old.close()
        return True

    def is_due_for_ticket(self, now_s: float, every_s: float) -> bool:
        return self.current is not None and now_s - self.ticket_made_s > every_s

    def sweep(self) -> None:
        """Close what is silent or was never used."""
        now_s = time.monotonic()
        for path in list(self.paths.values()):
            path.refill()
            if path.is_silent(now_s):
                path.close()
