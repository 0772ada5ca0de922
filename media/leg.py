"""A participant's place in the call: the path that carries it now, the next ones, and its numbers.

SSRCs of what we send to it stay the same over all its paths; sequence and timestamp go on. The old path
is kept until the new one carries packets. A path prepared in advance (a ticket) is a path like any other,
only that nobody has answered it yet. Source: docs/architecture.md, "calls".
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Protocol

from media.guard import Kind
from media.path import Path
from signaling.errors import NotFound
from signaling.protocol import EngagementId, LegId, MediaKind, PathId

OLD_PATH_S = 3.0
MAX_PENDING = 4
RTX_CACHE = 512
RESENDS_PER_S, RESEND_BURST = 200.0, 100.0
BITRATE_EVERY_S = 0.2


class Out:
    """One track that we send to a leg: its SSRC, and how the source's numbers become ours."""

    def __init__(self) -> None:
        self.ssrc = secrets.randbits(31) + 1
        self.source: tuple[PathId | str, int] | None = None
        self.source_leg: LegId | None = None
        self.seq_offset = 0
        self.timestamp_offset = 0
        self.last_seq = secrets.randbits(14)
        self.last_timestamp = secrets.randbits(31)
        self.last_s = 0.0
        self.packets = 0
        self.octets = 0
        self.cycle_fix = 0
        self.cache: dict[int, tuple[int, bytes]] = {}
        self._resends_left = RESEND_BURST
        self._resends_s = 0.0

    def may_resend(self, now_s: float) -> bool:
        """A receiver's wish list is bounded: retransmissions must not amplify what it sends."""
        passed_s = now_s - self._resends_s
        self._resends_left = min(RESEND_BURST, self._resends_left + passed_s * RESENDS_PER_S)
        self._resends_s = now_s
        if self._resends_left < 1:
            return False
        self._resends_left -= 1
        return True

    def cached(self, seq: int) -> bytes | None:
        """The packet as it was sent, still protected; None when it is not here any more."""
        found = self.cache.get(seq % RTX_CACHE)
        return found[1] if found is not None and found[0] == seq else None


class Listener(Protocol):
    """Who hears of legs (media/node.py)."""

    def leg_connected(self, leg: Leg, path: Path) -> None: ...
    def leg_path_gone(self, leg: Leg, path: Path, *, was_current: bool) -> None: ...
    def leg_packet(self, leg: Leg, path: Path, kind: Kind, packet: bytes) -> None: ...


class Leg:
    """Paths of one leg (path.Owner) and its tracks."""

    def __init__(self, engagement: EngagementId, identity: LegId, listener: Listener) -> None:
        self.engagement = engagement
        self.id = identity
        self.paths: dict[PathId, Path] = {}
        self.current: Path | None = None
        self.speaking: Path | None = None
        self.bitrate_told: tuple[float, int] = (0.0, 0)
        self.out: dict[MediaKind, Out] = {"audio": Out(), "video": Out()}
        self.sends: dict[MediaKind, int] = {}
        self.bitrate_bps: int | None = None
        self.key_frame_asked_s = 0.0
        self.ticket_made_s = 0.0
        self._listener = listener

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
        for out in self.out.values():
            out.cache.clear()
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

    def path_packet(self, path: Path, kind: Kind, packet: bytes) -> None:
        """The old path speaks for the leg until the new one does; its first packet lets the old one go."""
        if path is self.current and kind is Kind.RTP and self.speaking is not path:
            self.speaking = path
            for old in list(self.paths.values()):
                if old.connected and old is not path:
                    old.close()
        if path is not self.speaking and path is not self.current:
            return
        self._listener.leg_packet(self, path, kind, packet)

    def is_due_for_ticket(self, now_s: float, every_s: float) -> bool:
        return self.current is not None and now_s - self.ticket_made_s > every_s

    def sweep(self) -> None:
        """Close what is silent or was never used."""
        now_s = time.monotonic()
        for path in list(self.paths.values()):
            if path.is_silent(now_s):
                path.close()
