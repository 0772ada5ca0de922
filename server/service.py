"""The one thing the edge calls: attach and detach connections, execute commands, read timelines.

It finds the actor a command belongs to, opens engagements for visitors, and keeps connections and
engagements acquainted. What is allowed is decided by the machines; an id that is not the caller's
is answered like one that does not exist.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from msgspec import Struct

from server import render
from server.backend import IndexQuery, Log
from server.commands import Files, Translator, engagement_id, mint
from server.config import SiteConfig
from server.effects import Effects, follow, unfollow
from server.hub import Hub, Live
from server.presence import Outlets
from server.sealing import Sealer
from server.sessions import Outlet, Session
from server.sharing import Sharing
from signaling import events as ev
from signaling import protocol as p
from signaling.actors import engagement_actor, engagement_of, routing_actor
from signaling.errors import InvalidCursor, NotFound
from signaling.state import Engagement

T = TypeVar("T")
OPEN_PHASES: tuple[p.PhaseName, ...] = ("open", "queued", "offered", "active")
AGENT_PHASES: tuple[p.PhaseName, ...] = ("active", "wrap_up")
TIMELINE_PAGE = 100


class Records(Struct, frozen=True):
    """What the service has beside engagements. find_agent: site, login -> id or None."""

    files: Files
    sharing: Sharing
    find_agent: Callable[[p.SiteId, str], Awaitable[p.ParticipantId | None]]


class Service:
    """Facade over hub, effects and sealing; one per node."""

    def __init__(
        self,
        hub: Hub,
        log: Log,
        sealer: Sealer,
        effects: Effects,
        outlets: Outlets,
        records: Records,
    ) -> None:
        self._hub = hub
        self._log = log
        self._sealer = sealer
        self._effects = effects
        self._outlets = outlets
        self._records = records
        self.sharing = records.sharing
        self._followed: dict[int, set[p.ActorId]] = {}
        self._opening: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._policies: dict[str, ev.Policy] = {}
        hub.prepare = self._prepare
        hub.runner = effects

    async def start(self, sites: Mapping[str, SiteConfig]) -> None:
        """Open the queue of every site and wake what was at work when the last process ended."""
        await self.open_sites(sites)
        unfinished = await self._log.query(IndexQuery(phases=(*OPEN_PHASES, "wrap_up"), limit=1_000_000))
        await self._hub.recover([engagement_actor(row.engagement) for row in unfinished])

    async def open_sites(self, sites: Mapping[str, SiteConfig]) -> None:
        """Queues of new sites are opened; new time-outs hold for engagements that open from now on."""
        self._policies = {site: config.policy() for site, config in sites.items()}
        for site in sites:
            opened = ev.SiteOpened(at_ms=self._now(), site=p.SiteId(site), policy=self._policies[site])
            await self._hub.post(routing_actor(site), opened)

    # --- connections --------------------------------------------------------------------------

    async def attach(self, outlet: Outlet, engagement: str | None = None, after_seq: int = 0) -> None:
        """Make a connection known: `session.ready` with all it missed, then live events."""
        session = outlet.session
        self._outlets.add(outlet)
        self._followed[id(outlet)] = set()
        availability: p.AvailabilityName = "offline"
        if session.role != "visitor":
            self._effects.names.agents[session.participant] = session.name
            availability = await self._connect_agent(session)
        shots = []
        for found in await self._engagements(session, engagement):
            since = after_seq if found == engagement else 0
            shots.append(await self._follow(outlet, found, since))
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
            )
        )
        await self._greet(outlet, shots)

    async def _greet(self, outlet: Outlet, shots: list[p.EngagementSnapshot]) -> None:
        """After the snapshot: presence, the visited page, offers that ring just now."""
        session = outlet.session
        for shot in shots:
            actor = engagement_actor(shot.view.id)
            if shot.view.phase == "ended":
                continue
            online = ev.ParticipantOnline(at_ms=self._now(), by=session.participant, device=session.device)
            self._hub.tell(actor, online)
            if session.role == "visitor" and session.page is not None:
                await self._page_visited(session, shot.view.id, session.page)
            if session.role == "visitor" and session.verified:
                await self._identified(session, shot.view.id)
        if session.role != "visitor":
            await self._show_agent(session)

    async def detach(self, outlet: Outlet) -> None:
        """The connection is gone; the participant is away when it was the last one."""
        session = outlet.session
        last = self._outlets.remove(outlet)
        for actor in self._followed.pop(id(outlet), set()):
            if (live := self._hub.live.get(actor)) is not None:
                unfollow(live, outlet)
            if last:
                away = ev.ParticipantAway(at_ms=self._now(), by=session.participant, reason="lost")
                self._hub.tell(actor, away)
        if last and session.role != "visitor":
            gone = ev.AgentDisconnected(at_ms=self._now(), agent=session.participant)
            self._hub.tell(routing_actor(session.site), gone)

    async def _connect_agent(self, session: Session) -> p.AvailabilityName:
        connected = ev.AgentConnected(
            at_ms=self._now(), agent=session.participant, role=session.role, capacity=session.capacity
        )
        actor = routing_actor(session.site)
        await self._hub.post(actor, connected)
        availability: p.AvailabilityName = await self._hub.inspect(
            actor, lambda live: live.state.agents[session.participant].availability
        )
        return availability

    async def _show_agent(self, session: Session) -> None:
        def look(live: Live) -> list[p.EngagementId]:
            self._effects.announce_agent(live.state, session.participant)
            offers = live.state.offers.values()
            return [offer.engagement for offer in offers if offer.agent == session.participant]

        for engagement in await self._hub.inspect(routing_actor(session.site), look):
            await self._hub.inspect(
                engagement_actor(engagement), lambda live: self._show_offer(live, session.participant)
            )

    def _show_offer(self, live: Live, agent: p.ParticipantId) -> None:
        if live.state.offered_to == agent:
            self._effects.show_offer(live, agent)

    async def _engagements(self, session: Session, named: str | None) -> list[p.EngagementId]:
        if session.role != "visitor":
            rows = await self._log.query(
                IndexQuery(site=session.site, agent=session.participant, phases=AGENT_PHASES)
            )
            mine = [row.engagement for row in rows]
            return mine + [one for one in self._joined(session.participant) if one not in mine]
        current = await self._current(session)
        if current is not None:
            return [current]
        rows = await self._log.query(IndexQuery(site=session.site, visitor=session.participant, limit=50))
        return [row.engagement for row in rows if row.engagement == named]

    def _joined(self, participant: p.ParticipantId) -> list[p.EngagementId]:
        """Where a colleague takes part: what is at work is in memory."""
        return [
            live.state.id
            for live in self._hub.live.values()
            if isinstance(live.state, Engagement) and live.state.is_colleague(participant)
        ]

    async def _follow(
        self, outlet: Outlet, engagement: p.EngagementId, after_seq: int
    ) -> p.EngagementSnapshot:
        """Snapshot and registration in one mailbox turn: nothing is missed, nothing doubled."""
        actor = engagement_actor(engagement)

        def look(live: Live) -> p.EngagementSnapshot:
            follow(live, outlet)
            since = after_seq if after_seq <= live.state.seq else 0
            return self._snapshot(live, outlet.session.role, since)

        shot = await self._hub.inspect(actor, look)
        self._followed.setdefault(id(outlet), set()).add(actor)
        return shot

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
            case p.EngagementSync(engagement=engagement, after_seq=after_seq):
                return p.Ack(snapshot=await self._sync(session, engagement, after_seq))
            case p.PageLeave() if len(self._outlets.of(session.participant)) > 1:
                return p.Ack()
            case p.CobrowseOpen(engagement=engagement):
                return await self.sharing.open(session, p.EngagementId(engagement))
            case p.CobrowseJoinCode(code=code):
                return await self._in_engagement(session, self.sharing.by_code(session, code), command)
            case p.ChatSend() | p.CallStart() | p.CobrowseCode() if command.engagement is None:
                engagement = await self._open(session, command.counter)
                return await self._in_engagement(session, engagement, command)
            case p.PageVisit(engagement=engagement, page=page):
                await self._page_visited(session, p.EngagementId(engagement), page)
                return p.Ack()
            case _:
                assert command.engagement is not None
                return await self._in_engagement(session, p.EngagementId(command.engagement), command)

    async def _in_engagement(
        self, session: Session, engagement: p.EngagementId, command: p.AnyCommand
    ) -> p.Ack:
        actor = engagement_actor(engagement)
        file = None
        if isinstance(command, p.ChatSend) and command.file is not None:
            file = await self._records.files.info(p.FileId(command.file), session)
        box = await self._sealer.box(engagement)
        if box.erased:
            raise NotFound(engagement)
        translator = Translator(session, box, self._now())
        self.sharing.narrow(session, engagement, command)
        if isinstance(command, p.EngagementInvite):
            event: Any = translator.invitation(command, await self._colleague(session, command.login))
        elif isinstance(command, p.CobrowseCode):
            life_ms = self._policies[session.site].code_ms
            event = translator.code(command, self.sharing.code(session.site), life_ms)
        else:
            event = translator.event(command, file)
        media = isinstance(command, p.CallOpenPath | p.CallAnswer)
        posted = await self._hub.post(actor, event, wait_effects=media)
        if file is not None:
            await self._records.files.share(file.id, engagement)
        return p.Ack(
            seq=posted.seq,
            engagement=engagement,
            at_ms=posted.at_ms,
            offer=posted.offer,
            ticket=posted.ticket,
        )

    async def _colleague(self, session: Session, login: str) -> p.ParticipantId:
        """Raises: NotFound when nobody at this site has the login."""
        found = await self._records.find_agent(session.site, login)
        if found is None or found == session.participant:
            raise NotFound("no such colleague", code="no_such_agent")
        return found

    async def _queue(self, session: Session, event: ev.AnyEvent) -> p.Ack:
        posted = await self._hub.post(routing_actor(session.site), event)
        return p.Ack(seq=posted.seq, at_ms=posted.at_ms)

    async def _sync(self, session: Session, engagement: str, after_seq: int) -> p.EngagementSnapshot:
        def look(live: Live) -> p.EngagementSnapshot:
            live.state.participant(session.participant)
            if not 0 <= after_seq <= live.state.seq:
                raise InvalidCursor(after_seq)
            return self._snapshot(live, session.role, after_seq)

        return await self._hub.inspect(engagement_actor(engagement), look)

    async def _page_visited(self, session: Session, engagement: p.EngagementId, page: p.Page) -> None:
        actor = engagement_actor(engagement)
        box = await self._sealer.box(engagement)

        def look(live: Live) -> bool:
            live.state.participant(session.participant)
            return box.open(live.state.page, p.Page) != page and live.state.phase in OPEN_PHASES

        if await self._hub.inspect(actor, look):
            visited = ev.PageVisited(at_ms=self._now(), by=session.participant, page=box.seal(page))
            await self._hub.post(actor, visited)

    async def _identified(self, session: Session, engagement: p.EngagementId) -> None:
        """A visitor that began anonymously signed in at the company."""
        actor = engagement_actor(engagement)

        def look(live: Live) -> bool:
            return not live.state.verified and live.state.phase in OPEN_PHASES

        if await self._hub.inspect(actor, look):
            box = await self._sealer.box(engagement)
            name = box.seal(session.name) if session.name else None
            subject = box.seal(session.subject)
            identified = ev.VisitorIdentified(
                at_ms=self._now(), by=session.participant, name=name, subject=subject
            )
            await self._hub.post(actor, identified)

    # --- engagements --------------------------------------------------------------------------

    async def _current(self, session: Session) -> p.EngagementId | None:
        query = IndexQuery(site=session.site, visitor=session.participant, phases=OPEN_PHASES, limit=1)
        rows = await self._log.query(query)
        return rows[0].engagement if rows else None

    async def _open(self, session: Session, counter: int) -> p.EngagementId:
        """The visitor's open engagement, or the one that this command opens."""
        lock = self._opening.setdefault(session.participant, asyncio.Lock())
        async with lock:
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
                policy=self._policies[session.site],
            )
            await self._hub.post(engagement_actor(engagement), opened)
        for outlet in self._outlets.of(session.participant):
            shot = await self._follow(outlet, engagement, 0)
            outlet.send(p.EngagementSnapshotEvent(shot))
        return engagement

    # --- reading ------------------------------------------------------------------------------

    async def timeline(self, session: Session, engagement: str, before: int) -> p.TimelinePage:
        """The items just before seq `before`, oldest first. Raises: NotFound, InvalidCursor."""
        if before < 0:
            raise InvalidCursor(before)

        def look(live: Live) -> p.TimelinePage:
            live.state.participant(session.participant)
            older = [d for d in live.extras.get("drafts", ()) if d.seq < before]
            shown = render.items(older, live.state, live.extras["box"], self._effects.names, session.role)
            return p.TimelinePage(shown[-TIMELINE_PAGE:], len(shown) > TIMELINE_PAGE)

        return await self._hub.inspect(engagement_actor(engagement), look)

    async def takes_part(self, session: Session, engagement: str) -> None:
        """Raises: NotFound unless the session's participant is in this engagement."""
        await self._hub.inspect(
            engagement_actor(engagement), lambda live: live.state.participant(session.participant)
        )

    def _snapshot(self, live: Live, role: p.RoleName, after_seq: int) -> p.EngagementSnapshot:
        drafts = live.extras.get("drafts", ())
        return render.snapshot(live.state, drafts, live.extras["box"], self._effects.names, role, after_seq)

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
