"""What is done on the node where an actor lives, for a connection here or on another node.

Each `nodes.messages.Ask` about engagements and queues has its handler here; `service.py` finds out whom to
ask. Raises OwnershipLost when the actor has moved meanwhile: whoever asked looks for its owner again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from server import render
from server.commands import Files, Translator
from server.config import SiteConfig
from server.effects import Effects
from server.hub import Hub
from server.mailbox import Live
from server.nodes import messages as m
from server.nodes.peers import Peers
from server.presence import HERE, Outlets, RemoteOutlet
from server.sealing import Sealer
from server.sessions import Outlet, Session
from server.sharing import Sharing
from signaling import events as ev
from signaling import protocol as p
from signaling.actors import engagement_actor, routing_actor
from signaling.errors import InvalidCursor, NotFound, PeerError
from signaling.state import Engagement

OPEN_PHASES: tuple[p.PhaseName, ...] = ("open", "queued", "offered", "active")
TIMELINE_PAGE = 100


class Records(Struct, frozen=True):
    """What is beside engagements. find_agent: site, login -> id or None."""

    files: Files
    sharing: Sharing
    find_agent: Callable[[p.SiteId, str], Awaitable[p.ParticipantId | None]]


class Owner:
    """Handlers of asks; one per node."""

    def __init__(
        self, hub: Hub, peers: Peers, sealer: Sealer, effects: Effects, outlets: Outlets, records: Records
    ) -> None:
        self._hub = hub
        self._peers = peers
        self._sealer = sealer
        self._effects = effects
        self._outlets = outlets
        self._records = records
        self.sharing = records.sharing
        self.policies: dict[str, ev.Policy] = {}
        peers.asks |= {
            m.Do: self._do,
            m.Follow: self._follow,
            m.ConnectAgent: self._connect_agent,
            m.ShowAgent: self._show_agent,
            m.ShowOffer: self._show_offer,
            m.ReadTimeline: self._timeline,
            m.TakesPart: self._takes_part,
            m.Joined: self._joined,
            m.ByCode: self._by_code,
            m.MayPut: self.sharing.may_put,
            m.PutPicture: self.sharing.put_picture,
            m.GetPicture: self.sharing.get_picture,
        }

    def set_policies(self, sites: dict[str, SiteConfig]) -> None:
        self.policies = {site: config.policy() for site, config in sites.items()}

    # --- connections --------------------------------------------------------------------------

    async def _follow(self, node: p.NodeId, asked: m.Follow) -> p.EngagementSnapshot:
        """Snapshot and registration in one mailbox turn: nothing is missed, nothing doubled."""
        outlet = self._outlet(node, asked.conn, asked.session)
        session = asked.session

        def look(live: Live) -> p.EngagementSnapshot:
            live.state.participant(session.participant)
            self._outlets.follow(live, outlet)
            since = asked.after_seq if asked.after_seq <= live.state.seq else 0
            return self._snapshot(live, session.role, since)

        shot = await self._hub.inspect(engagement_actor(asked.engagement), look)
        if shot.view.phase != "ended":
            with contextlib.suppress(PeerError):  # it may end at this moment
                await self._greet(session, asked.engagement)
        return shot

    async def _greet(self, session: Session, engagement: p.EngagementId) -> None:
        """The reader is there: presence, the visited page, a sign-in since."""
        online = ev.ParticipantOnline(at_ms=self._now(), by=session.participant, device=session.device)
        self._hub.tell(engagement_actor(engagement), online)
        if session.role == "visitor" and session.page is not None:
            await self._page_visited(session, engagement, session.page)
        if session.role == "visitor" and session.verified:
            await self._identified(session, engagement)

    def _outlet(self, node: p.NodeId, conn: int, session: Session) -> Outlet:
        """The connection that a node calls `conn`; another node's is known from now on."""
        where = HERE if node == self._peers.me else node
        if (outlet := self._outlets.named((where, conn))) is not None:
            return outlet
        if where == HERE:
            raise NotFound("connection is over")
        made = RemoteOutlet(session, (node, conn), self._peers)
        self._outlets.add(made, (node, conn))
        return made

    def here(self, node: p.NodeId, note: m.Here) -> None:
        """An agent's connection on another node."""
        self._effects.names.agents[note.session.participant] = note.session.name
        self._outlet(node, note.conn, note.session)

    def gone(self, node: p.NodeId, note: m.Gone) -> None:
        if (outlet := self._outlets.named((node, note.conn))) is None:
            return
        if self.forget(outlet) and outlet.session.role != "visitor":
            self.agent_lost(outlet.session)

    def forget(self, outlet: Outlet) -> bool:
        """A connection is over; its participant is away from what lives here when it was the last one."""
        session = outlet.session
        followed, last = self._outlets.remove(outlet)
        for actor in followed:
            if (live := self._hub.live.get(actor)) is not None:
                self._outlets.unfollow(live, outlet)
                if last:
                    away = ev.ParticipantAway(at_ms=self._now(), by=session.participant, reason="lost")
                    self._hub.tell(actor, away)
        return last

    def agent_lost(self, session: Session) -> None:
        """An agent's last connection that we know of is over. Its queue is told by the node where it lives.

        That one has heard of every connection before its agent was connected; others may not yet know that
        the agent is back elsewhere.
        """
        if routing_actor(session.site) in self._hub.live:
            gone = ev.AgentDisconnected(at_ms=self._now(), agent=session.participant)
            self._hub.tell(routing_actor(session.site), gone)

    # --- queues -------------------------------------------------------------------------------

    async def _connect_agent(self, _: p.NodeId, asked: m.ConnectAgent) -> p.AvailabilityName:
        session = asked.session
        connected = ev.AgentConnected(
            at_ms=self._now(), agent=session.participant, role=session.role, capacity=session.capacity
        )
        actor = routing_actor(session.site)
        await self._hub.post(actor, connected)
        availability: p.AvailabilityName = await self._hub.inspect(
            actor, lambda live: live.state.agents[session.participant].availability
        )
        return availability

    async def _show_agent(self, _: p.NodeId, asked: m.ShowAgent) -> list[p.EngagementId]:
        agent = asked.session.participant

        def look(live: Live) -> list[p.EngagementId]:
            self._effects.announce_agent(live.state, agent)
            offers = live.state.offers.values()
            return [offer.engagement for offer in offers if offer.agent == agent]

        return await self._hub.inspect(routing_actor(asked.session.site), look)

    async def _show_offer(self, _: p.NodeId, asked: m.ShowOffer) -> None:
        def look(live: Live) -> None:
            self._effects.show_offer(live, asked.agent)

        await self._hub.inspect(engagement_actor(asked.engagement), look)

    # --- commands -----------------------------------------------------------------------------

    async def _do(self, _: p.NodeId, asked: m.Do) -> p.Ack:
        """Run one command; returns after its commit."""
        session, engagement = asked.session, asked.engagement
        match asked.command:
            case p.EngagementSync(after_seq=after_seq):
                return p.Ack(snapshot=await self._sync(session, engagement, after_seq))
            case p.PageLeave() if len(self._outlets.of(session.participant)) > 1:
                return p.Ack()
            case p.CobrowseOpen():
                return await self.sharing.open(session, engagement)
            case p.PageVisit(page=page):
                await self._page_visited(session, engagement, page)
                return p.Ack()
            case command:
                return await self._in_engagement(session, engagement, command)

    async def _in_engagement(
        self, session: Session, engagement: p.EngagementId, command: p.AnyCommand
    ) -> p.Ack:
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
            event = translator.code(
                command, self.sharing.code(session.site), self.policies[session.site].code_ms
            )
        else:
            event = translator.event(command, file)
        media = isinstance(command, p.CallOpenPath | p.CallAnswer)
        posted = await self._hub.post(engagement_actor(engagement), event, wait_effects=media)
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

    # --- reading ------------------------------------------------------------------------------

    async def _sync(self, session: Session, engagement: str, after_seq: int) -> p.EngagementSnapshot:
        def look(live: Live) -> p.EngagementSnapshot:
            live.state.participant(session.participant)
            if not 0 <= after_seq <= live.state.seq:
                raise InvalidCursor(after_seq)
            return self._snapshot(live, session.role, after_seq)

        return await self._hub.inspect(engagement_actor(engagement), look)

    async def _timeline(self, _: p.NodeId, asked: m.ReadTimeline) -> p.TimelinePage:
        session = asked.session

        def look(live: Live) -> p.TimelinePage:
            live.state.participant(session.participant)
            older = [d for d in live.extras.get("drafts", ()) if d.seq < asked.before]
            shown = render.items(older, live.state, live.extras["box"], self._effects.names, session.role)
            return p.TimelinePage(shown[-TIMELINE_PAGE:], len(shown) > TIMELINE_PAGE)

        return await self._hub.inspect(engagement_actor(asked.engagement), look)

    async def _takes_part(self, _: p.NodeId, asked: m.TakesPart) -> None:
        def look(live: Live) -> None:
            live.state.participant(asked.session.participant)

        await self._hub.inspect(engagement_actor(asked.engagement), look)

    async def _joined(self, _: p.NodeId, asked: m.Joined) -> list[p.EngagementId]:
        """What is at work is in memory."""
        states = [live.state for live in self._hub.live.values() if isinstance(live.state, Engagement)]
        return [state.id for state in states if state.is_colleague(asked.participant)]

    async def _by_code(self, _: p.NodeId, asked: m.ByCode) -> p.EngagementId | None:
        return self.sharing.by_code(asked.site, asked.code)

    def _snapshot(self, live: Live, role: p.RoleName, after_seq: int) -> p.EngagementSnapshot:
        drafts = live.extras.get("drafts", ())
        return render.snapshot(live.state, drafts, live.extras["box"], self._effects.names, role, after_seq)

    def _now(self) -> int:
        return self._hub.clock.now_ms()
