"""All shared pages of this node: what the service orders, what the sockets and picture requests ask.

It keeps one room per engagement whose gate is not closed, and carries out what the engagement's machine
decided. Closing a gate is synchronous: the service does it before the end is even written down.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, Protocol

from msgspec.structs import replace

from cobrowse.gate import GateState
from server.cobrowse.assets import Assets
from server.cobrowse.members import Counts
from server.cobrowse.recordings import Recordings
from server.cobrowse.room import Room
from server.cobrowse.tokens import Pass, Role, Tokens
from server.config import Config, SiteConfig
from server.sealing import Box
from server.sessions import Session
from signaling.effects import SetGate
from signaling.errors import InvalidTransition, LimitExceeded
from signaling.protocol import CobrowseAccess, EngagementId, ParticipantId, SiteId

SOCKET_PATH = "/v1/cobrowse"
MASKED_NEWS_S = 10.0
PAUSE = "pause"  # among what was taken back; the others are capabilities
CODE_TRIES, CODE_WINDOW_S = 5, 60.0


class Listener(Protocol):
    """The service, as the carrier of pages tells it (server/service.py)."""

    def viewer_joined(self, engagement: EngagementId, participant: ParticipantId) -> None: ...
    def viewer_left(self, engagement: EngagementId, participant: ParticipantId) -> None: ...
    def secrets_masked(self, engagement: EngagementId, count: int) -> None: ...


class Cobrowse:
    """One per node. `rooms` by engagement; `tokens`, `assets` and `counts` for the edge."""

    def __init__(self, config: Config, sites: Mapping[str, SiteConfig], secret: bytes, data: Path) -> None:
        self.tokens = Tokens(secret)
        self.assets = Assets(data / "pictures")
        self.counts = Counts()
        self.rooms: dict[EngagementId, Room] = {}
        self.listener: Listener | None = None
        self._config = config
        self._sites = sites
        self._recordings = Recordings(data / "recordings")
        self._executor = ThreadPoolExecutor(2, "cobrowse")
        self._codes: dict[tuple[SiteId, str], EngagementId] = {}
        self._tries: dict[ParticipantId, deque[float]] = {}
        self._masked: dict[EngagementId, int] = {}
        self._closed: dict[EngagementId, int] = {}
        self._narrowed: dict[EngagementId, set[str]] = {}

    async def close(self) -> None:
        for room in list(self.rooms.values()):
            room.keeper.end()
            for line in room.lines():
                line.close(1001, "server stops")
        await self._recordings.close()
        self._executor.shutdown(cancel_futures=True)

    # --- what the service asks and orders -----------------------------------------------------------

    def access(self, session: Session, engagement: EngagementId) -> CobrowseAccess:
        """Raises: InvalidTransition while nothing is shared."""
        room = self.rooms.get(engagement)
        if room is None or not room.gate.open:
            raise InvalidTransition("nothing is shared", engagement)
        role: Literal["recorder", "viewer"] = "recorder" if session.role == "visitor" else "viewer"
        token = self.tokens.issue(self.pass_of(session, engagement, role))
        return CobrowseAccess(token, self._config.node_url + SOCKET_PATH, role, self.viewer_url)

    @staticmethod
    def pass_of(session: Session, engagement: EngagementId, role: Role) -> Pass:
        return Pass(
            role=role,
            site=session.site,
            engagement=engagement,
            participant=session.participant,
            device=session.device,
            person=session.role,
            name=session.name,
            until_s=0,
        )

    @property
    def viewer_url(self) -> str:
        return self._config.viewer_origin + "/viewer.html"

    def set_gate(
        self, engagement: EngagementId, site: SiteId, order: SetGate, box: Box, *, again: bool = False
    ) -> None:
        """Do what the engagement decided; idempotent, also after a recovery.

        again: nothing new was decided: what was taken back, and is not yet written down, stays so.
        """
        if not again:
            self._narrowed.pop(engagement, None)
        elif narrowed := self._narrowed.get(engagement):
            grants = tuple(grant for grant in order.grants if grant.capability not in narrowed)
            paused = order.state == "live" and PAUSE in narrowed
            order = replace(order, grants=grants, state="paused" if paused else order.state)
        room = self.rooms.get(engagement)
        if order.state == "closed":
            if room is not None and room.gate.state.epoch < order.epoch:
                self.close_now(engagement)
            self._closed.pop(engagement, None)
            return
        if order.epoch <= self._closed.get(engagement, -1):
            return
        if room is None:
            policy = self._sites[site].cobrowse
            room = Room(engagement, policy, self._executor, self.counts)
            room.on_masked = lambda count: self._masked_more(engagement, count)
            self.rooms[engagement] = room
        room.gate.set(GateState(order.epoch, order.state, order.grants, order.staff, order.origin))
        room.dismiss()
        if order.state == "paused":
            room.hold()
        self._set_recording(room, box)
        room.tell_streams()

    def close_now(self, engagement: EngagementId) -> None:
        """From this moment no frame passes, whatever becomes of the command that said so."""
        self._narrowed.pop(engagement, None)
        room = self._close(engagement, 4403, "consent ended")
        if room is not None:
            # An opening of this epoch that is still on its way opens nothing.
            self._closed[engagement] = room.gate.state.epoch

    def let_go(self, engagement: EngagementId) -> None:
        """Consent holds, but the engagement is some other node's now, maybe ours again in a moment."""
        self._close(engagement, 1012, "moved")

    def _close(self, engagement: EngagementId, code: int, reason: str) -> Room | None:
        room = self.rooms.pop(engagement, None)
        if room is not None:
            room.keeper.end()
            room.close(code, reason)
        return room

    def narrow(self, engagement: EngagementId, capability: str) -> None:
        """The same for one grant."""
        if (room := self.rooms.get(engagement)) is not None:
            self._narrowed.setdefault(engagement, set()).add(capability)
            state = room.gate.state
            kept = tuple(grant for grant in state.grants if grant.capability != capability)
            room.gate.set(replace(state, grants=kept))
            if capability == "record":
                room.keeper.end()

    def hold(self, engagement: EngagementId) -> None:
        """The same for a pause."""
        if (room := self.rooms.get(engagement)) is not None:
            self._narrowed.setdefault(engagement, set()).add(PAUSE)
            state = room.gate.state
            room.gate.set(replace(state, state="paused"))
            room.hold()

    # --- codes for somebody on the phone ------------------------------------------------------------

    def set_code(self, engagement: EngagementId, site: SiteId, code: str) -> None:
        for key in [key for key, found in self._codes.items() if found == engagement]:
            del self._codes[key]
        if code:
            self._codes[site, code] = engagement

    def is_taken(self, site: SiteId, code: str) -> bool:
        return (site, code) in self._codes

    def by_code(self, site: SiteId, code: str) -> EngagementId | None:
        return self._codes.get((site, code))

    def may_try(self, participant: ParticipantId) -> None:
        """Raises: LimitExceeded after CODE_TRIES wrong codes in a minute."""
        now = time.monotonic()
        tries = self._tries.get(participant) or deque()
        while tries and now - tries[0] > CODE_WINDOW_S:
            tries.popleft()
        if len(tries) >= CODE_TRIES:
            raise LimitExceeded("codes", retry_after_ms=int((CODE_WINDOW_S - now + tries[0]) * 1_000))

    def tried_wrong(self, participant: ParticipantId) -> None:
        now = time.monotonic()
        self._tries.setdefault(participant, deque()).append(now)
        for who in [who for who, last in self._tries.items() if now - last[-1] > CODE_WINDOW_S]:
            del self._tries[who]

    # --- recordings and counting ----------------------------------------------------------------------

    def _set_recording(self, room: Room, box: Box) -> None:
        wanted = room.policy.record and room.gate.grant("record", int(time.time() * 1_000)) is not None
        if not wanted:
            room.keeper.end()
        elif room.keeper.sink is None:
            room.keeper.sink = self._recordings.begin(room.engagement, box)

    def _masked_more(self, engagement: EngagementId, count: int) -> None:
        """At most one record per MASKED_NEWS_S in the engagement's log."""
        waiting = engagement in self._masked
        self._masked[engagement] = self._masked.get(engagement, 0) + count
        if not waiting:
            asyncio.get_running_loop().call_later(MASKED_NEWS_S, self._tell_masked, engagement)

    def _tell_masked(self, engagement: EngagementId) -> None:
        count = self._masked.pop(engagement, 0)
        if count and self.listener is not None and engagement in self.rooms:
            self.listener.secrets_masked(engagement, count)
