"""What the machines order, done: one small function per effect, run after the commit, in order.

Nothing here decides; nothing here waits while a mailbox holds its turn: what needs time (media,
other actors) runs as a task of its own. Source: README, "One message, four stops".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Protocol

from server import render
from server.hub import Hub
from server.mailbox import Live, Turn
from server.nodes.messages import Places
from server.nodes.peers import Peers
from server.presence import HERE, Outlets, followers
from server.sealing import Box
from server.tasks import start
from signaling import routing
from signaling.actors import engagement_actor, routing_actor
from signaling.effects import (
    Announce,
    AnnounceAgent,
    AnnounceQueue,
    AnnounceTyping,
    AnyEffect,
    ApplyAnswer,
    CancelTimer,
    CloseLegs,
    Farewell,
    MoveLeg,
    OpenPath,
    Post,
    Route,
    SetCode,
    SetGate,
    SetRoutes,
    SetTimer,
    ShowInvitation,
    ShowOffer,
    SignalDirect,
    Welcome,
    WithdrawOffer,
)
from signaling.errors import BackendError, TalkError
from signaling.events import (
    Marked,
    MessageSent,
    ParticipantOnline,
)
from signaling.protocol import (
    AgentChanged,
    AnswerReply,
    CallDirect,
    CallMoved,
    CallOffered,
    CallSpeaker,
    CallTicket,
    ChatMarked,
    ChatPosted,
    ChatTypingChanged,
    EngagementChanged,
    EngagementId,
    EngagementInvited,
    EngagementSnapshotEvent,
    LegId,
    MarkView,
    MessageItem,
    NodeId,
    OfferWithdrawn,
    ParticipantId,
    PathId,
    PathOffer,
    QueueMoved,
    RoleName,
    ServerEvent,
    SiteId,
    TimelineItem,
)
from signaling.state import Engagement, Phase
from signaling.timeline import Draft, drafts

logger = logging.getLogger(__name__)

QUEUE_NEWS_S = 0.1
POST_AGAIN_S = 1.0
ENDING = (Phase.WRAP_UP, Phase.ENDED)


class Media(Protocol):
    """The media node as effects see it (media/node.py)."""

    async def open_path(self, engagement: EngagementId, leg: LegId) -> PathOffer: ...
    async def apply_answer(self, leg: LegId, path: PathId, revision: int, sdp: str) -> AnswerReply: ...
    def set_routes(self, engagement: EngagementId, routes: tuple[Route, ...]) -> None: ...
    async def close_legs(self, legs: tuple[LegId, ...]) -> None: ...


class Pages(Protocol):
    """The carrier of shared pages as effects see it (server/cobrowse/node.py)."""

    def set_gate(
        self, engagement: EngagementId, site: SiteId, order: SetGate, box: Box, *, again: bool
    ) -> None: ...
    def set_code(self, engagement: EngagementId, site: SiteId, code: str) -> None: ...
    def let_go(self, engagement: EngagementId) -> None: ...


class Effects:
    """Runs the effects of committed turns (hub.Runner)."""

    def __init__(self, hub: Hub, peers: Peers, outlets: Outlets, names: render.Names, media: Media) -> None:
        self._hub = hub
        self._tasks = hub.tasks
        self.peers = peers
        self._outlets = outlets
        self.names = names
        self._media = media
        self.pages: Pages | None = None
        self._queue_news: set[SiteId] = set()

    def run(self, live: Live, turn: Turn) -> None:
        waits = False
        for effect in turn.effects:
            waits |= self._run(live, turn, effect)
        if turn.mail.wait_effects and not waits:
            turn.resolve()

    def resume(self, live: Live, effects: Sequence[AnyEffect]) -> None:
        """After a load: the effects a crash may have eaten (timers, posts, ringing, routes).

        Colleagues who are there are told; nothing in an index says where they take part.
        """
        for effect in effects:
            self._run(live, None, effect)
        if isinstance(live.state, Engagement) and live.state.phase not in ENDING:
            for one in filter(live.state.is_colleague, list(live.state.participants)):
                self._find_again(live, one)

    def _find_again(self, live: Live, colleague: ParticipantId) -> None:
        there = [o for o in self._outlets.of(colleague) if o not in followers(live)]
        if there:
            self._welcome(live, colleague)
            now_ms = self._hub.clock.now_ms()
            online = ParticipantOnline(at_ms=now_ms, by=colleague, device=there[0].session.device)
            self._hub.tell(live.actor, online)

    def dropped(self, live: Live) -> None:
        """The actor is not ours any more: its legs, its page and its readers are somebody else's now."""
        if isinstance(live.state, Engagement):
            self._media.set_routes(live.state.id, ())
            self._start("close legs", self._media.close_legs(tuple(live.state.legs)))
            if self.pages is not None:
                self.pages.let_go(live.state.id)
        self.missed(live)
        for outlet in followers(live):
            self._outlets.unfollow(live, outlet)
        if isinstance(live.state, routing.Routing):
            # Whoever loads the queue takes its agents for lost until they connect.
            for outlet in self._outlets.staff(live.state.site):
                outlet.come_back("moved", 0)

    def missed(self, live: Live) -> None:
        """Its readers were not told of something: they come back and read it."""
        for outlet in followers(live):
            outlet.come_back("moved", 0)

    def _run(self, live: Live, turn: Turn | None, effect: AnyEffect) -> bool:
        """True when the effect will resolve the turn itself, later."""
        match effect:
            case SetTimer(name=name, due_ms=due_ms):
                self._hub.timers.set(live.actor, name, due_ms)
            case CancelTimer(name=name):
                self._hub.timers.cancel(live.actor, name)
            case Post():
                self._tasks.create_task(self._post(live, effect), name=f"post-{effect.to}")
            case SetRoutes(routes=routes):
                self._media.set_routes(live.state.id, routes)
            case CloseLegs(legs=legs):
                self._start("close legs", self._media.close_legs(legs))
            case OpenPath():
                self._start("open path", self._open_path(live.state.id, effect, turn))
                return True
            case ApplyAnswer():
                self._start("apply answer", self._apply_answer(effect, turn))
                return True
            case _:
                self._tell(live, turn, effect)
        return False

    def _tell(self, live: Live, turn: Turn | None, effect: AnyEffect) -> None:
        """Effects that only send something to somebody."""
        match effect:
            case Announce() if turn is not None:
                self._announce(live, turn)
            case AnnounceTyping(by=by, typing=typing):
                self._announce_typing(live, by, typing)
            case Welcome(participant=participant):
                self._welcome(live, participant)
            case ShowOffer(agent=agent):
                self.show_offer(live, agent)
            case WithdrawOffer(agent=agent, offer=offer, engagement=engagement, reason=reason):
                self._outlets.send(agent, OfferWithdrawn(offer, engagement, reason))
            case AnnounceAgent(agent=agent):
                self.announce_agent(live.state, agent)
            case AnnounceQueue():
                self._announce_queue(live.state.site)
            case _:
                self._tell_call(live, effect, again=turn is None)

    def _tell_call(self, live: Live, effect: AnyEffect, *, again: bool) -> None:
        """The same, for what belongs to a call and its people. again: it was decided before."""
        match effect:
            case MoveLeg():
                self._move_leg(live, effect)
            case SetGate() if self.pages is not None:
                box: Box = live.extras["box"]
                self.pages.set_gate(live.state.id, live.state.site, effect, box, again=again)
            case SetCode(code=code) if self.pages is not None:
                self.pages.set_code(live.state.id, live.state.site, code)
            case Farewell(participant=participant):
                for outlet in self._outlets.of(participant):
                    self._outlets.unfollow(live, outlet)
            case ShowInvitation():
                self._show_invitation(live, effect)
            case SignalDirect(participant=participant, device=device):
                signal = CallDirect(live.state.id, effect.attempt, effect.kind, effect.body)
                self._outlets.send(participant, signal, device)
            case _:
                raise AssertionError(f"no function for {type(effect).__name__}")

    def _move_leg(self, live: Live, effect: MoveLeg) -> None:
        moved = CallMoved(live.state.id, effect.leg, effect.device)
        for outlet in self._outlets.of(effect.participant):
            if outlet.session.device != effect.device:
                outlet.send(moved)

    # --- readers ------------------------------------------------------------------------------

    def _announce(self, live: Live, turn: Turn) -> None:
        """Render once per role, send to every connection that follows this engagement."""
        made = drafts(turn.before, turn.event, turn.after)
        rendered: dict[bool, list[ServerEvent]] = {}
        for outlet in followers(live):
            for_visitor = outlet.session.role == "visitor"
            if for_visitor not in rendered:
                rendered[for_visitor] = self._news(live, turn, made, for_visitor)
            for news in rendered[for_visitor]:
                outlet.send(news)

    def _news(self, live: Live, turn: Turn, made: Sequence[Draft], for_visitor: bool) -> list[ServerEvent]:
        state, event, seq = turn.after, turn.event, turn.answer.seq
        role: RoleName = "visitor" if for_visitor else "agent"
        box: Box = live.extras["box"]
        if isinstance(event, Marked):
            me = state.participants[event.by]
            return [ChatMarked(state.id, seq, MarkView(me.id, me.delivered, me.read))]
        shown = render.items(made, state, box, self.names, role)
        said: list[ServerEvent] = [ChatPosted(state.id, seq, i) for i in shown if isinstance(i, MessageItem)]
        if isinstance(event, MessageSent) and turn.before.phase == state.phase:
            return said
        other: list[TimelineItem] = [item for item in shown if not isinstance(item, MessageItem)]
        return [*said, EngagementChanged(seq, render.view(state, box, self.names, role), other)]

    def _announce_typing(self, live: Live, by: ParticipantId, typing: bool) -> None:
        event = ChatTypingChanged(live.state.id, by, typing)
        for outlet in followers(live):
            if outlet.session.participant != by:
                outlet.send(event)

    def _welcome(self, live: Live, participant: ParticipantId) -> None:
        for outlet in self._outlets.of(participant):
            self._outlets.follow(live, outlet)
            shot = render.snapshot(
                live.state, live.extras.get("drafts", ()), live.extras["box"], self.names, outlet.session.role
            )
            outlet.send(EngagementSnapshotEvent(shot))

    def _show_invitation(self, live: Live, effect: ShowInvitation) -> None:
        state, box = live.state, live.extras["box"]
        who = render.participant(state, state.participants[state.visitor], box, self.names, "agent")
        name = self.names.agent(effect.by)
        self._outlets.send(effect.agent, EngagementInvited(state.id, effect.by, name, effect.mode, who))

    def speaker_changed(self, engagement: EngagementId, leg: LegId) -> None:
        """Told to everybody in the call, not kept."""
        live = self._hub.live.get(engagement_actor(engagement))
        for outlet in followers(live) if live is not None else ():
            outlet.send(CallSpeaker(engagement, leg))

    def show_offer(self, live: Live, agent: ParticipantId) -> None:
        if live.state.offered_to != agent:
            return  # it was over before it could ring
        offer = render.offer(live.state, live.extras["box"], self.names, self._hub.clock.now_ms())
        self._outlets.send(agent, offer)

    def announce_agent(self, state: routing.Routing, agent: ParticipantId) -> None:
        """Tell an agent how it stands in its queue."""
        me = state.agents.get(agent)
        if me is not None:
            waiting = len(state.order) + len(state.offers)
            news = AgentChanged(me.availability, len(me.engagements), me.capacity, waiting, me.missed)
            self._outlets.send(agent, news)

    def _announce_queue(self, site: SiteId) -> None:
        """Coalesced: many changes within QUEUE_NEWS_S are one message per waiting visitor."""
        if site not in self._queue_news:
            self._queue_news.add(site)
            start(self._hub.tasks, self._queue_news_of(site), "queue news")

    async def _queue_news_of(self, site: SiteId) -> None:
        """Of what is stored: the queue changes in place, and its last change may still be on its way."""
        await asyncio.sleep(QUEUE_NEWS_S)
        self._queue_news.discard(site)
        if (actor := routing_actor(site)) in self._hub.live:
            try:
                await self._hub.inspect(actor, self._send_queue_news)
            except TalkError:  # it may be old, or nobody can say just now
                self._announce_queue(site)

    def _send_queue_news(self, queue: Live) -> None:
        agents = routing.agents_at_work(queue.state)
        elsewhere: dict[NodeId, dict[EngagementId, int]] = {}
        for engagement, place in routing.places(queue.state).items():
            node = self._hub.elsewhere(engagement_actor(engagement))
            elsewhere.setdefault(node or HERE, {})[engagement] = place
        for node, those in elsewhere.items():
            if node == HERE:
                self.tell_places(Places(those, agents))
            else:
                self.peers.note(node, Places(those, agents))
        for agent in queue.state.agents:
            self.announce_agent(queue.state, agent)

    def tell_places(self, news: Places) -> None:
        """To the visitors whose engagements live here."""
        for engagement, place in news.places.items():
            live = self._hub.live.get(engagement_actor(engagement))
            for outlet in followers(live) if live is not None else ():
                if outlet.session.role == "visitor":
                    outlet.send(QueueMoved(engagement, place, news.agents))

    # --- other actors and media ---------------------------------------------------------------

    async def _post(self, live: Live, effect: Post) -> None:
        """At least once: until the other actor has committed it (then it confirms)."""
        while effect.post in live.state.posts and self._hub.live.get(live.actor) is live:
            try:
                await self._hub.post(effect.to, effect.event)
                return
            except BackendError as error:
                if error.wire_code == "unavailable" and error.args == ("draining",):
                    return
                await asyncio.sleep(POST_AGAIN_S)
            except TalkError as error:
                logger.warning("post refused", extra={"to": effect.to, "code": error.wire_code})
                return

    async def _open_path(self, engagement: EngagementId, effect: OpenPath, turn: Turn | None) -> None:
        try:
            offer = await self._media.open_path(engagement, effect.leg)
        except TalkError as error:
            if turn is not None:
                turn.fail(error)
            raise
        if turn is not None and turn.mail.wait_effects:
            turn.answer.offer = offer
            turn.resolve()
        else:
            self._outlets.send(effect.participant, CallOffered(offer), effect.device)

    async def _apply_answer(self, effect: ApplyAnswer, turn: Turn | None) -> None:
        assert turn is not None
        try:
            reply = await self._media.apply_answer(effect.leg, effect.path, effect.revision, effect.sdp)
            turn.answer.ticket, turn.answer.offer = reply.ticket, reply.offer
        except TalkError as error:
            turn.fail(error)
            return
        turn.resolve()

    def ticket_issued(self, engagement: EngagementId, leg: LegId, ticket: PathOffer) -> None:
        """A fresh next path of a leg, for the device that holds it."""
        live = self._hub.live.get(engagement_actor(engagement))
        if live is not None and live.state is not None and (held := live.state.legs.get(leg)) is not None:
            self._outlets.send(held.participant, CallTicket(ticket), held.device)

    def _start(self, what: str, work: Awaitable[None]) -> None:
        self._tasks.create_task(_guarded(what, work), name=what)


async def _guarded(what: str, work: Awaitable[None]) -> None:
    """A fault of one leg or post must not end its siblings."""
    try:
        await work
    except TalkError as error:
        logger.warning("effect failed", extra={"effect": what, "code": error.wire_code})
