"""What the service does for shared pages.

Access to the socket, codes for the phone, and closing before writing.

A command that takes consent back is carried out at the gate first and written down second: if writing fails,
the page stays closed. Who may do what is decided by the engagement's machine. Source: docs/protocol.md, "the
shared page".
"""

from __future__ import annotations

import secrets

from server.cobrowse.node import Cobrowse
from server.cobrowse.tokens import Pass, Role
from server.hub import Hub
from server.mailbox import Live
from server.nodes import messages as m
from server.sessions import Session
from signaling import protocol as p
from signaling import sharing as sh
from signaling.actors import engagement_actor
from signaling.errors import NotFound, Overloaded
from signaling.state import Engagement

CODE_DIGITS = 6
CODE_CHOICES = 50


class Sharing:
    """One per node, beside the service. Also the listener of the carrier (server/cobrowse/node.py)."""

    def __init__(self, hub: Hub, cobrowse: Cobrowse) -> None:
        self._hub = hub
        self._cobrowse = cobrowse
        cobrowse.listener = self

    async def open(self, session: Session, engagement: p.EngagementId) -> p.Ack:
        """Raises: NotFound unless the session takes part; InvalidTransition while nothing is shared."""

        def look(live: Live) -> p.CobrowseAccess:
            live.state.participant(session.participant)
            return self._cobrowse.access(session, engagement)

        access = await self._hub.inspect(engagement_actor(engagement), look)
        return p.Ack(engagement=engagement, cobrowse=access)

    @property
    def viewer_url(self) -> str:
        return self._cobrowse.viewer_url

    def code(self, site: p.SiteId) -> str:
        """One that leads nowhere yet. Raises: Overloaded when they are nearly used up."""
        for _ in range(CODE_CHOICES):
            code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
            if not self._cobrowse.is_taken(site, code):
                return code
        raise Overloaded("codes", retry_after_ms=60_000)

    def by_code(self, site: p.SiteId, code: str) -> p.EngagementId | None:
        """Of those that live here."""
        return self._cobrowse.by_code(site, code)

    def may_try(self, session: Session) -> None:
        """Raises: LimitExceeded for who has guessed too often."""
        self._cobrowse.may_try(session.participant)

    def tried_wrong(self, session: Session) -> None:
        self._cobrowse.tried_wrong(session.participant)

    def narrow(self, session: Session, engagement: p.EngagementId, command: p.AnyCommand) -> None:
        """Before a command of a participant is written down: what it takes back holds from now on."""
        live = self._hub.live.get(engagement_actor(engagement))
        state = None if live is None else live.state
        if not isinstance(state, Engagement) or session.participant not in state.participants:
            return
        if self._is_repeated(state, session, command):
            return
        ends = isinstance(command, p.CobrowseStop)
        ends |= isinstance(command, p.EngagementEnd) and state.agent == session.participant
        if ends or (isinstance(command, p.EngagementLeave) and session.role == "visitor"):
            self._cobrowse.close_now(engagement)
        elif isinstance(command, p.CobrowsePause) and session.role == "visitor":
            self._cobrowse.hold(engagement)
        elif isinstance(command, p.CobrowseRevoke):
            self._cobrowse.narrow(engagement, command.capability)

    @staticmethod
    def _is_repeated(state: Engagement, session: Session, command: p.AnyCommand) -> bool:
        """It was carried out before: its retry gets the old ack and takes nothing back again."""
        memory = state.remembered.get(f"{session.participant}/{session.device}", ())
        return any(known.counter == getattr(command, "counter", 0) for known in memory)

    # --- pictures, asked for by any node (nodes/messages.py) ------------------------------------------

    async def may_put(self, _: p.NodeId, asked: m.MayPut) -> None:
        """Raises: NotFound, Unauthenticated."""
        self._granted(asked.token, "recorder")

    async def put_picture(self, _: p.NodeId, asked: m.PutPicture) -> None:
        granted = self._granted(asked.token, "recorder")
        await self._cobrowse.assets.put(granted.site, asked.digest, asked.data)

    async def get_picture(self, _: p.NodeId, asked: m.GetPicture) -> tuple[bytes, str]:
        granted = self._granted(asked.token, "pictures")
        return await self._cobrowse.assets.get(granted.site, asked.digest)

    def _granted(self, token: str, role: Role) -> Pass:
        """Raises: NotFound when nothing is shared (any more), or no longer with this participant."""
        granted = self._cobrowse.tokens.read(token, role)
        room = self._cobrowse.rooms.get(granted.engagement)
        looks = role == "pictures"
        if room is None or not room.gate.shows or (looks and not room.gate.admits(granted.participant)):
            raise NotFound("nothing is shared")
        return granted

    # --- the carrier tells (server/cobrowse/node.py) ------------------------------------------------

    def viewer_joined(self, engagement: p.EngagementId, participant: p.ParticipantId) -> None:
        self._tell(engagement, sh.ViewerJoined(at_ms=self._now(), participant=participant))

    def viewer_left(self, engagement: p.EngagementId, participant: p.ParticipantId) -> None:
        self._tell(engagement, sh.ViewerLeft(at_ms=self._now(), participant=participant))

    def secrets_masked(self, engagement: p.EngagementId, count: int) -> None:
        self._tell(engagement, sh.SecretsMasked(at_ms=self._now(), count=count))

    def _tell(self, engagement: p.EngagementId, event: sh.SharingEvent) -> None:
        self._hub.tell(engagement_actor(engagement), event)

    def _now(self) -> int:
        return self._hub.clock.now_ms()
