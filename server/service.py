"""The one thing the edge calls: attach and detach connections, execute commands, read timelines.

It finds the actor a command belongs to and the node that owns it, opens engagements for visitors, and asks
the owner (`owner.py`, here or elsewhere). What is allowed is decided by the machines; an id that is not the
caller's is answered like one that does not exist.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from server.backend import IndexQuery, Log
from server.commands import engagement_id, mint
from server.config import SiteConfig
from server.effects import Effects
from server.hub import Hub
from server.mailbox import Live
from server.nodes import messages as m
from server.nodes.peers import Unreachable
from server.owner import OPEN_PHASES, Owner
from server.presence import HERE, Outlets
from server.sealing import Sealer
from server.sessions import OwnOutlet, Session
from server.tasks import start
from signaling import events as ev
from signaling import protocol as p
from signaling.actors import engagement_actor, engagement_of, routing_actor
from signaling.errors import (
    BackendError,
    BackendUnavailable,
    InvalidCursor,
    NotFound,
    OwnershipLost,
    TalkError,
)

AGENT_PHASES: tuple[p.PhaseName, ...] = ("active", "wrap_up")
FIND_S = 2.5
QUEUE_S = 10.0
FIND_AGAIN_S = 0.1
CHECK_MS = 700
ATTACH_TRIES = 4
ATTACHING = 32


class Service:
    """Facade over owner, hub and sealing; one per node."""

    def __init__(
        self, hub: Hub, log: Log, sealer: Sealer, effects: Effects, outlets: Outlets, owner: Owner
    ) -> None:
        self._hub = hub
        self._log = log
        self._sealer = sealer
        self._effects = effects
        self._outlets = outlets
        self._owner = owner
        self._peers = effects.peers
        self._attaching = asyncio.Semaphore(ATTACHING)
        hub.prepare = self._prepare
        hub.runner = effects

    async def start(self, sites: Mapping[str, SiteConfig]) -> None:
        """Wake what was at work when the last process ended, and open the queue of every site."""
        await self._hub.adopt([peer.id for peer in self._peers.others()])
        await self.open_sites(sites)

    async def open_sites(self, sites: Mapping[str, SiteConfig]) -> None:
        """Queues of new sites are opened; new time-outs hold for engagements that open from now on."""
        self._owner.set_policies(dict(sites))
        for site, policy in self._owner.policies.items():
            opened = ev.SiteOpened(at_ms=self._now(), site=p.SiteId(site), policy=policy)
            await self._open_queue(opened)

    async def _open_queue(self, opened: ev.SiteOpened) -> None:
        """The queue may be with a node that has just died. Raises: BackendError after QUEUE_S."""
        until_s = time.monotonic() + QUEUE_S
        while True:
            try:
                await self._hub.post(routing_actor(opened.site), opened)
                return
            except BackendError:
                if time.monotonic() > until_s:
                    raise
            await asyncio.sleep(FIND_AGAIN_S)

    # --- connections --------------------------------------------------------------------------

    async def attach(self, outlet: OwnOutlet, engagement: str | None = None, after_seq: int = 0) -> None:
        """Make a connection known: `session.ready` with all it missed, then live events.

        What it is to follow may move to another node meanwhile; then all is asked for anew.
        Raises: BackendError, when it does not come to rest.
        """
        if not self._hub.holds:
            raise BackendUnavailable("no lease", retry_after_ms=500)
        session = outlet.session
        conn = self._outlets.add(outlet)
        queue = routing_actor(session.site)
        if session.role != "visitor":
            self._effects.names.agents[session.participant] = session.name
            self._peers.note_all(m.Here(conn, session))
        for _ in range(ATTACH_TRIES):
            async with self._attaching:  # when all come back at once they wait in order, not for the database
                availability, shots = await self._gather(outlet, conn, engagement, after_seq)
            if not outlet.start_over():
                break
        else:
            raise BackendUnavailable("moving", retry_after_ms=500)
        outlet.begin(
            p.SessionReady(
                protocol=p.PROTOCOL_VERSION,
                participant=session.participant,
                role=session.role,
                name=session.name,
                site=session.site,
                server_ms=self._now(),
                engagements=shots,
                availability=availability,
                capacity=session.capacity,
                check_ms=CHECK_MS if self._peers.several else 0,
                servers=[peer.url for peer in self._peers.others() if peer.url],
            )
        )
        if session.role != "visitor":
            for ringing in await self._at(queue, m.ShowAgent(session), outlet):
                offer = m.ShowOffer(ringing, session.participant)
                await self._at(engagement_actor(ringing), offer, outlet)

    async def _gather(
        self, outlet: OwnOutlet, conn: int, engagement: str | None, after_seq: int
    ) -> tuple[p.AvailabilityName, list[p.EngagementSnapshot]]:
        session = outlet.session
        availability: p.AvailabilityName = "offline"
        if session.role != "visitor":
            availability = await self._at(routing_actor(session.site), m.ConnectAgent(session), outlet)
        shots = []
        for found in await self._engagements(session, engagement):
            since = after_seq if found == engagement else 0
            with contextlib.suppress(NotFound):  # it was given to somebody else just now
                shots.append(await self._follow(outlet, conn, found, since))
        return availability, shots

    async def detach(self, outlet: OwnOutlet) -> None:
        """The connection is gone, here and at whoever has something for it."""
        session = outlet.session
        name = self._outlets.name(outlet)
        if name is None:
            return
        gone = m.Gone(name[1])
        sources = self._outlets.sources(outlet)
        last = self._owner.forget(outlet)
        if session.role == "visitor":
            for node in sources:
                self._peers.note(node, gone)
            return
        self._peers.note_all(gone)
        if last:
            self._owner.agent_lost(session)

    async def _follow(
        self, outlet: OwnOutlet, conn: int, engagement: p.EngagementId, after_seq: int
    ) -> p.EngagementSnapshot:
        asked = m.Follow(conn, outlet.session, engagement, after_seq)
        shot: p.EngagementSnapshot = await self._at(engagement_actor(engagement), asked, outlet)
        if self._outlets.name(outlet) is None:  # it ended meanwhile, and whoever was asked does not know
            self._peers.note_all(m.Gone(conn))
        return shot

    async def _engagements(self, session: Session, named: str | None) -> list[p.EngagementId]:
        if session.role != "visitor":
            rows = await self._log.query(
                IndexQuery(site=session.site, agent=session.participant, phases=AGENT_PHASES)
            )
            mine = [row.engagement for row in rows]
            for joined in await self._peers.ask_all(m.Joined(session.participant)):
                mine += joined
            return list(dict.fromkeys(mine))
        current = await self._current(session)
        if current is not None:
            return [current]
        rows = await self._log.query(IndexQuery(site=session.site, visitor=session.participant, limit=50))
        return [row.engagement for row in rows if row.engagement == named]

    # --- commands -----------------------------------------------------------------------------

    async def execute(self, session: Session, command: p.AnyCommand) -> p.Ack:
        """Run one command; returns after its commit. Raises: TalkError with the code to answer."""
        match command:
            case p.AgentSetAvailability(availability=availability):
                return await self._queue(
                    session,
                    ev.AvailabilitySet(
                        at_ms=self._now(), agent=session.participant, availability=availability
                    ),
                )
            case p.OfferAccept(engagement=engagement, offer=offer):
                accepted = ev.OfferAccepted(
                    at_ms=self._now(),
                    agent=session.participant,
                    device=session.device,
                    engagement=p.EngagementId(engagement),
                    offer=p.OfferId(offer),
                    leg=p.LegId(mint("l")),
                )
                return await self._queue(session, accepted)
            case p.OfferDecline(engagement=engagement, offer=offer):
                declined = ev.OfferDeclined(
                    at_ms=self._now(),
                    agent=session.participant,
                    engagement=p.EngagementId(engagement),
                    offer=p.OfferId(offer),
                )
                return await self._queue(session, declined)
            case p.SessionCheck():
                return p.Ack()
            case p.CobrowseJoinCode(code=code):
                return await self._do(session, await self._by_code(session, code), command)
            case p.ChatSend() | p.CallStart() | p.CobrowseCode() if command.engagement is None:
                return await self._do(session, await self._open(session, command.counter), command)
            case _:
                assert command.engagement is not None
                return await self._do(session, p.EngagementId(command.engagement), command)

    async def _do(self, session: Session, engagement: p.EngagementId, command: p.AnyCommand) -> p.Ack:
        ack: p.Ack = await self._at(engagement_actor(engagement), m.Do(session, engagement, command))
        if ack.cobrowse is None:
            return ack
        # The viewer's page comes from the node that the softphone came from, wherever the page is shared.
        return replace(ack, cobrowse=replace(ack.cobrowse, viewer_url=self._owner.sharing.viewer_url))

    async def _queue(self, session: Session, event: ev.AnyEvent) -> p.Ack:
        posted = await self._hub.post(routing_actor(session.site), event)
        return p.Ack(seq=posted.seq, at_ms=posted.at_ms)

    async def _by_code(self, session: Session, code: str) -> p.EngagementId:
        """Raises: NotFound, LimitExceeded."""
        sharing = self._owner.sharing
        sharing.may_try(session)
        known = [found for found in await self._peers.ask_all(m.ByCode(session.site, code)) if found]
        if len(known) != 1:
            sharing.tried_wrong(session)
            raise NotFound("no such code", code="no_such_code")
        engagement: p.EngagementId = known[0]
        return engagement

    async def _at(self, actor: p.ActorId, ask: m.Ask, outlet: OwnOutlet | None = None) -> Any:
        """Ask whoever owns the actor; when it has just moved, or its node has just died, look again.

        outlet: depends from now on on what that node says.
        """
        until_s = time.monotonic() + FIND_S
        while True:
            try:
                node = await self._hub.locate(actor)
                if node is not None and outlet is not None:
                    self._outlets.depends(outlet, node)
                return await self._peers.ask(node or self._peers.me, ask)
            except (BackendUnavailable, OwnershipLost) as error:
                # Following twice is following once; a command may have been done before its node died.
                done = isinstance(error, BackendUnavailable) and not isinstance(error, Unreachable)
                if outlet is None and done:
                    raise
                # Whoever comes while this node may do nothing is better off at another one.
                if time.monotonic() > until_s or (outlet is not None and not self._hub.holds):
                    raise
            self._hub.forget(actor)
            await asyncio.sleep(FIND_AGAIN_S)

    # --- engagements --------------------------------------------------------------------------

    async def _current(self, session: Session) -> p.EngagementId | None:
        query = IndexQuery(site=session.site, visitor=session.participant, phases=OPEN_PHASES, limit=1)
        rows = await self._log.query(query)
        return rows[0].engagement if rows else None

    async def _open(self, session: Session, counter: int) -> p.EngagementId:
        """The visitor's open engagement, or the one that this command opens."""
        async with self._log.alone(f"open {session.participant}"):
            if (current := await self._current(session)) is not None:
                return current
            engagement = engagement_id(self._sealer.secret, session, counter)
            box = await self._sealer.create(engagement, session.participant)
            opened = ev.Opened(
                at_ms=self._now(),
                site=session.site,
                engagement=engagement,
                visitor=session.participant,
                device=session.device,
                name=box.seal(session.name) if session.name else None,
                subject=box.seal(session.subject) if session.subject else None,
                page=box.seal(session.page) if session.page else None,
                verified=session.verified,
                policy=self._owner.policies[session.site],
            )
            await self._hub.post(engagement_actor(engagement), opened)
        await self._follow_opened(session.participant, engagement)
        self._peers.note_all(m.Opened(session.site, session.participant, engagement))
        return engagement

    def opened(self, _: p.NodeId, note: m.Opened) -> None:
        """On another node: tabs of the visitor that are connected here read it too."""
        if self._outlets.of(note.visitor):
            start(self._hub.tasks, self._opened(note), "follow-opened")

    async def _opened(self, note: m.Opened) -> None:
        with contextlib.suppress(TalkError):  # a tab that comes back finds it anyway
            await self._follow_opened(note.visitor, note.engagement)

    async def _follow_opened(self, visitor: p.ParticipantId, engagement: p.EngagementId) -> None:
        for outlet in self._outlets.of(visitor):
            name = self._outlets.name(outlet)
            if name is not None and name[0] == HERE:
                shot = await self._follow(outlet, name[1], engagement, 0)  # type: ignore[arg-type]
                outlet.send(p.EngagementSnapshotEvent(shot))

    async def elsewhere(self, engagement: p.EngagementId) -> p.NodeId | None:
        """The other node on which an engagement lives; None: here, or nowhere. Raises: BackendError."""
        try:
            return await self._hub.locate(engagement_actor(engagement))
        except NotFound:
            return None

    def ask_again(self, engagement: p.EngagementId) -> None:
        """Where it lives may have changed."""
        self._hub.forget(engagement_actor(engagement))

    async def ask_owner(self, engagement: p.EngagementId, ask: m.Ask) -> Any:
        """Raises: NotFound, BackendError, or what the ask's handler raises."""
        return await self._at(engagement_actor(engagement), ask)

    # --- reading ------------------------------------------------------------------------------

    async def timeline(self, session: Session, engagement: str, before: int) -> p.TimelinePage:
        """The items just before seq `before`, oldest first. Raises: NotFound, InvalidCursor."""
        if before < 0:
            raise InvalidCursor(before)
        asked = m.ReadTimeline(session, p.EngagementId(engagement), before)
        page: p.TimelinePage = await self._at(engagement_actor(engagement), asked)
        return page

    async def takes_part(self, session: Session, engagement: str) -> None:
        """Raises: NotFound unless the session's participant is in this engagement."""
        await self._at(engagement_actor(engagement), m.TakesPart(session, p.EngagementId(engagement)))

    async def _prepare(self, live: Live) -> None:
        if (engagement := engagement_of(live.actor)) is not None:
            live.extras["box"] = await self._sealer.box(engagement)

    def _now(self) -> int:
        return self._hub.clock.now_ms()

    # --- media listener (media/node.py calls these) -------------------------------------------

    def path_connected(self, engagement: p.EngagementId, leg: p.LegId, path: p.PathId) -> None:
        connected = ev.PathConnected(at_ms=self._now(), leg=leg, path=path)
        self._hub.tell(engagement_actor(engagement), connected)

    def path_lost(self, engagement: p.EngagementId, leg: p.LegId, path: p.PathId) -> None:
        lost = ev.PathLost(at_ms=self._now(), leg=leg, path=path)
        self._hub.tell(engagement_actor(engagement), lost)

    def speaker_changed(self, engagement: p.EngagementId, leg: p.LegId) -> None:
        self._effects.speaker_changed(engagement, leg)

    def ticket_issued(self, engagement: p.EngagementId, leg: p.LegId, offer: p.PathOffer) -> None:
        self._effects.ticket_issued(engagement, leg, offer)
