"""Who is in a room: tabs that are recorded, windows that show them, where frames are kept, and counts.

State only; what happens between them is `room.py`.
"""

from __future__ import annotations

import asyncio
import secrets
import time

from msgspec import Struct

from cobrowse.stream import Stream
from cobrowse.viewers import Credit
from server.cobrowse.line import Line
from signaling.protocol import ParticipantId, RoleName

# A tab that was lost leads for so long as if it were still there: its next page is on its way.
CHANGING_S = 5.0
# a page that was too big twice within this time is not asked for again that soon
TOO_BIG_S = 30.0
# all of a page with more nodes is written beside the event loop
BIG_MIRROR = 4_000


class Counts(Struct):
    """Since the node started: for metrics."""

    frames: int = 0
    bytes: int = 0
    masked: int = 0
    keyframes: int = 0
    resyncs: int = 0
    # of them: the page's own hash was another one than the mirror's
    drifts: int = 0
    refused: int = 0


class Tab:
    """One tab of the visitor: its stream and the socket that records it, if any."""

    def __init__(self, stream_id: str, stream: Stream) -> None:
        self.id = stream_id
        self.stream = stream
        self.line: Line | None = None
        self.device = ""
        self.lost_at = 0.0
        # of this node's memory alone: epochs begin again where a node does; an int for every msgpack writer
        self.life = secrets.randbits(31)
        self.big_at = -TOO_BIG_S
        self.quiet_until = 0.0
        self.shown_at = 0.0
        # the page is more than a stream may hold: nothing of it is shown
        self.too_big = False
        # held while the stream is at work beside the event loop
        self.lock = asyncio.Lock()
        # grows with each recorder that says HELLO: what an older one had waiting is not taken
        self.turn = 0
        self.acked_ms = 0
        self.unacked = 0
        self.edition = -1
        # address and title of the last frame that passed
        self.page = ("", "")
        self.news: tuple[object, ...] = ()

    @property
    def state(self) -> str:
        if self.stream.mirror.scenery.held:
            return "held"
        if self.line is not None and self.stream.live:
            return "live"
        if self.too_big:
            return "too_big"
        return "stale" if self.is_here else "away"

    @property
    def is_here(self) -> bool:
        """Connected, or between two pages."""
        return self.line is not None or time.monotonic() - self.lost_at < CHANGING_S


class Watcher(Struct, frozen=True):
    """Who looks."""

    participant: ParticipantId
    name: str
    role: RoleName


class Viewer:
    """One window that shows the page. selected: a stream, or "" for the visible one."""

    def __init__(self, number: int, who: Watcher, line: Line) -> None:
        self.number = number
        self.participant = who.participant
        self.name = who.name
        self.role = who.role
        self.since_ms = int(time.time() * 1_000)
        self.line = line
        self.credit = Credit()
        self.selected = ""
        self.tab: Tab | None = None
        self.catching_up = False
        # nodes whose stills it still gets
        self.owed: list[int] = []
        self.late = asyncio.Event()
