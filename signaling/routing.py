"""The queue of one site: waiting engagements, agents with availability and capacity, offers.

One actor per site, so a claim cannot race: an engagement is waiting, offered or assigned, and at
most one agent has it. The state is changed in place (a copy of 10,000 waiting people costs more
than a match); equality of replay is tested. First come, first served; an offer that ran out or was
declined returns to its old place and is tried at other agents first.
Source: docs/architecture.md, "queue".
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from heapq import merge
from typing import Any

from msgspec import Struct, field

from signaling.actors import engagement_actor, routing_actor
from signaling.effects import (
    AnnounceAgent,
    AnnounceQueue,
    AnyEffect,
    CancelTimer,
    Post,
    SetTimer,
    WithdrawOffer,
)
from signaling.errors import AlreadyAssigned, InvalidTransition, NotFound
from signaling.events import (
    AgentAssigned,
    AgentConnected,
    AgentDisconnected,
    AgentOffered,
    AvailabilitySet,
    EngagementGone,
    EngagementReleased,
    EngagementWaiting,
    Event,
    OfferAccepted,
    OfferDeclined,
    OfferEnded,
    PostConfirmed,
    Posted,
    PostedEvent,
    Recovered,
    RoutingEvent,
    SiteOpened,
    TimerFired,
)
from signaling.policy import Policy
from signaling.protocol import (
    ActorId,
    AvailabilityName,
    EngagementId,
    OfferId,
    ParticipantId,
    RoleName,
    SiteId,
)

SEEN_POSTS = 8_192


class Agent(Struct):
    """engagements: what the agent has now (talking or wrapping up); free_ms: since when it could take one."""

    id: ParticipantId
    role: RoleName
    capacity: int
    connected: bool = True
    availability: AvailabilityName = "busy"
    engagements: set[EngagementId] = field(default_factory=set)
    ringing: int = 0
    missed: int = 0
    free_ms: int = 0

    @property
    def can_take(self) -> bool:
        load = len(self.engagements) + self.ringing
        return self.connected and self.availability == "ready" and load < self.capacity


class Waiting(Struct):
    """passed: agents that let this engagement's offer go, in order; they are tried last."""

    engagement: EngagementId
    arrived_ms: int
    passed: list[ParticipantId] = field(default_factory=list)


class Offer(Struct):
    id: OfferId
    engagement: EngagementId
    agent: ParticipantId
    due_ms: int
    waiting: Waiting


class Routing(Struct):
    """order: (arrived_ms, engagement) sorted, so the queue is a bisect away."""

    site: SiteId
    policy: Policy
    seq: int = 0
    changed_ms: int = 0
    order: list[tuple[int, EngagementId]] = field(default_factory=list)
    waiting: dict[EngagementId, Waiting] = field(default_factory=dict)
    offers: dict[EngagementId, Offer] = field(default_factory=dict)
    agents: dict[ParticipantId, Agent] = field(default_factory=dict)
    timers: dict[str, int] = field(default_factory=dict)
    posts: dict[int, Post] = field(default_factory=dict)
    next_post: int = 1
    seen_posts: dict[str, None] = field(default_factory=dict)


class Work(Struct):
    state: Routing
    at_ms: int
    effects: list[AnyEffect] = field(default_factory=list)

    def post(self, engagement: EngagementId, make: Callable[[ActorId, int], Posted]) -> None:
        number = self.state.next_post
        self.state.next_post += 1
        posted = Post(engagement_actor(engagement), number, make(routing_actor(self.state.site), number))
        self.state.posts[number] = posted
        self.effects.append(posted)

    def set_timer(self, name: str, due_ms: int) -> None:
        self.state.timers[name] = due_ms
        self.effects.append(SetTimer(name, due_ms))

    def cancel_timer(self, name: str) -> None:
        if self.state.timers.pop(name, None) is not None:
            self.effects.append(CancelTimer(name))


def step(state: Routing | None, event: RoutingEvent) -> tuple[Routing, tuple[AnyEffect, ...]]:
    """Fold one event, in place. Raises: PeerError subclasses before anything is changed."""
    if state is None:
        if not isinstance(event, SiteOpened):
            raise InvalidTransition("site not opened", type(event).__name__)
        return Routing(event.site, event.policy, seq=1, changed_ms=event.at_ms), ()
    handler = _HANDLERS.get(type(event))
    if handler is None:
        raise InvalidTransition(type(event).__name__)
    work = Work(state, event.at_ms)
    if not is_noop(state, event):
        before = _waiting(state)
        handler(work, event)
        _remember(state, event)
        _match(work)
        if before != _waiting(state) or isinstance(event, EngagementWaiting):
            work.effects.append(AnnounceQueue())
    state.seq += 1
    state.changed_ms = event.at_ms
    return state, tuple(work.effects)


def is_noop(state: Routing | None, event: RoutingEvent) -> bool:
    if state is None:
        return False
    if isinstance(event, PostedEvent):
        return f"{event.origin}/{event.post}" in state.seen_posts
    if isinstance(event, TimerFired):
        return state.timers.get(event.name) != event.due_ms
    if isinstance(event, PostConfirmed):
        return event.post not in state.posts
    return False


def outstanding(state: Routing) -> tuple[AnyEffect, ...]:
    timers = [SetTimer(name, due_ms) for name, due_ms in sorted(state.timers.items())]
    return (*timers, *state.posts.values())


def places(state: Routing) -> dict[EngagementId, int]:
    """Of all who wait; 1 = next. Who rings keeps its place: when the offer ends, nobody's gets worse."""
    ringing = sorted((offer.waiting.arrived_ms, engagement) for engagement, offer in state.offers.items())
    return {engagement: place for place, (_, engagement) in enumerate(merge(ringing, state.order), 1)}


def agents_at_work(state: Routing) -> int:
    return sum(agent.connected and agent.availability != "break" for agent in state.agents.values())


def _waiting(state: Routing) -> tuple[int, int]:
    return len(state.order) + len(state.offers), agents_at_work(state)


# --- matching -------------------------------------------------------------------------------


def _match(work: Work) -> None:
    """Offer the longest waiting to whom has most room, as long as both exist."""
    state = work.state
    for _, engagement in list(state.order):
        free = [agent for agent in state.agents.values() if agent.can_take]
        if not free:
            return
        waiting = state.waiting[engagement]
        agent = min(free, key=lambda a: (_rank(waiting, a), len(a.engagements) + a.ringing, a.free_ms, a.id))
        _offer(work, waiting, agent)


def _rank(waiting: Waiting, agent: Agent) -> int:
    """0 for whom has not been asked; then by how long ago it let the offer go."""
    return waiting.passed.index(agent.id) + 1 if agent.id in waiting.passed else 0


def _offer(work: Work, waiting: Waiting, agent: Agent) -> None:
    state = work.state
    due_ms = work.at_ms + state.policy.offer_timeout_ms
    offer = Offer(
        OfferId(f"o_{state.seq + 1}_{waiting.engagement[2:]}"[:64]),
        waiting.engagement,
        agent.id,
        due_ms,
        waiting,
    )
    _leave_line(state, waiting.engagement)
    state.offers[waiting.engagement] = offer
    agent.ringing += 1
    work.set_timer(f"offer:{offer.id}", due_ms)
    work.post(
        offer.engagement,
        lambda origin, post: AgentOffered(
            at_ms=work.at_ms, origin=origin, post=post, agent=agent.id, offer=offer.id, due_ms=due_ms
        ),
    )


def _enter_line(state: Routing, waiting: Waiting) -> None:
    state.waiting[waiting.engagement] = waiting
    insort(state.order, (waiting.arrived_ms, waiting.engagement))


def _leave_line(state: Routing, engagement: EngagementId) -> bool:
    waiting = state.waiting.pop(engagement, None)
    if waiting is None:
        return False
    state.order.remove((waiting.arrived_ms, engagement))
    return True


def _end_offer(work: Work, offer: Offer, reason: Any) -> None:
    """The offer is over without an agent: ring no more, back to the old place."""
    state = work.state
    _close_offer(work, offer)
    if offer.agent in offer.waiting.passed:
        offer.waiting.passed.remove(offer.agent)
    offer.waiting.passed.append(offer.agent)
    _enter_line(state, offer.waiting)
    work.effects.append(WithdrawOffer(offer.agent, offer.id, offer.engagement, reason))
    work.post(
        offer.engagement,
        lambda origin, post: OfferEnded(
            at_ms=work.at_ms, origin=origin, post=post, offer=offer.id, reason=reason
        ),
    )


def _close_offer(work: Work, offer: Offer) -> None:
    del work.state.offers[offer.engagement]
    work.state.agents[offer.agent].ringing -= 1
    work.cancel_timer(f"offer:{offer.id}")


# --- handlers -------------------------------------------------------------------------------


def _agent_connected(work: Work, event: AgentConnected) -> None:
    agent = work.state.agents.get(event.agent)
    if agent is None:
        agent = Agent(event.agent, event.role, event.capacity, free_ms=event.at_ms)
        work.state.agents[event.agent] = agent
    agent.connected, agent.role, agent.capacity = True, event.role, event.capacity
    work.cancel_timer(f"agent:{event.agent}")
    work.effects.append(AnnounceAgent(event.agent))


def _agent_disconnected(work: Work, event: AgentDisconnected) -> None:
    agent = _agent(work.state, event.agent)
    agent.connected = False
    for offer in [o for o in work.state.offers.values() if o.agent == event.agent]:
        _end_offer(work, offer, "unavailable")
    work.set_timer(f"agent:{event.agent}", work.at_ms + work.state.policy.agent_grace_ms)


def _availability_set(work: Work, event: AvailabilitySet) -> None:
    agent = _agent(work.state, event.agent)
    agent.availability, agent.missed = event.availability, 0
    if event.availability == "ready":
        agent.free_ms = event.at_ms
    else:
        for offer in [o for o in work.state.offers.values() if o.agent == event.agent]:
            _end_offer(work, offer, "unavailable")
    work.effects.append(AnnounceAgent(event.agent))


def _engagement_waiting(work: Work, event: EngagementWaiting) -> None:
    known = event.engagement in work.state.waiting or event.engagement in work.state.offers
    if not known:
        _enter_line(work.state, Waiting(event.engagement, event.arrived_ms))


def _engagement_gone(work: Work, event: EngagementGone) -> None:
    _leave_line(work.state, event.engagement)
    offer = work.state.offers.get(event.engagement)
    if offer is not None:
        _close_offer(work, offer)
        work.effects.append(WithdrawOffer(offer.agent, offer.id, offer.engagement, "visitor_left"))


def _engagement_released(work: Work, event: EngagementReleased) -> None:
    agent = work.state.agents.get(event.agent)
    if agent is not None:
        agent.engagements.discard(event.engagement)
        agent.free_ms = event.at_ms
        work.effects.append(AnnounceAgent(agent.id))


def _offer_accepted(work: Work, event: OfferAccepted) -> None:
    """Whoever accepts first has it; the same agent accepting again is no error."""
    state = work.state
    agent = _agent(state, event.agent)
    if event.engagement in agent.engagements:
        return
    offer = state.offers.get(event.engagement)
    if offer is None or offer.id != event.offer or offer.agent != event.agent:
        raise AlreadyAssigned(event.offer)
    _close_offer(work, offer)
    agent.engagements.add(event.engagement)
    agent.missed = 0
    work.effects.append(AnnounceAgent(agent.id))
    work.post(
        event.engagement,
        lambda origin, post: AgentAssigned(
            at_ms=work.at_ms,
            origin=origin,
            post=post,
            agent=agent.id,
            role=agent.role,
            offer=offer.id,
            device=event.device,
            leg=event.leg,
        ),
    )


def _offer_declined(work: Work, event: OfferDeclined) -> None:
    offer = work.state.offers.get(event.engagement)
    if offer is None or offer.id != event.offer or offer.agent != event.agent:
        raise AlreadyAssigned(event.offer)
    _end_offer(work, offer, "declined")


def _timer_fired(work: Work, event: TimerFired) -> None:
    state = work.state
    del state.timers[event.name]
    kind, _, subject = event.name.partition(":")
    if kind == "offer":
        offer = next((o for o in state.offers.values() if o.id == subject), None)
        if offer is not None:
            _end_offer(work, offer, "timeout")
            _missed(work, state.agents[offer.agent])
    elif kind == "agent":
        agent = state.agents.get(ParticipantId(subject))
        if agent is not None and not agent.connected:
            agent.availability = "offline"


def _missed(work: Work, agent: Agent) -> None:
    agent.missed += 1
    if agent.missed >= work.state.policy.agent_missed:
        agent.availability = "busy"
    work.effects.append(AnnounceAgent(agent.id))


def _recovered(work: Work, event: Recovered) -> None:
    """After a load no agent is connected yet: what rang goes back to its place."""
    for agent in list(work.state.agents.values()):
        if agent.connected:
            _agent_disconnected(work, AgentDisconnected(at_ms=event.at_ms, agent=agent.id))


def _post_confirmed(work: Work, event: PostConfirmed) -> None:
    work.state.posts.pop(event.post, None)


def _agent(state: Routing, agent: ParticipantId) -> Agent:
    if agent not in state.agents:
        raise NotFound(agent)
    return state.agents[agent]


def _remember(state: Routing, event: RoutingEvent) -> None:
    if isinstance(event, PostedEvent):
        state.seen_posts[f"{event.origin}/{event.post}"] = None
        if len(state.seen_posts) > SEEN_POSTS:
            del state.seen_posts[next(iter(state.seen_posts))]


_HANDLERS: dict[type[Event], Callable[[Work, Any], None]] = {
    AgentConnected: _agent_connected,
    AgentDisconnected: _agent_disconnected,
    AvailabilitySet: _availability_set,
    EngagementWaiting: _engagement_waiting,
    EngagementGone: _engagement_gone,
    EngagementReleased: _engagement_released,
    OfferAccepted: _offer_accepted,
    OfferDeclined: _offer_declined,
    TimerFired: _timer_fired,
    Recovered: _recovered,
    PostConfirmed: _post_confirmed,
}
