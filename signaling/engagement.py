"""THE engagement state machine: `step(state, event) -> (state, effects)`, and nothing beside it.

Rule 1: everything that changes an engagement is reached from `step`; it works on a copy, so a
raised error leaves the state as it was. Tables say which event is possible in which phase; the
coupling rules between regions stand once, beneath them. Replaying the durable events of a log
through `step` gives the state; `outstanding` then names the effects that a crash may have eaten.
Source: docs/architecture.md, "log" and "regions".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from msgspec.structs import replace

from signaling import calls, cobrowse, colleagues
from signaling.actors import routing_actor
from signaling.admission import WAITING, admit, post_key, seen_before, stale
from signaling.effects import (
    Announce,
    AnnounceTyping,
    AnyEffect,
    SetCode,
    SetRoutes,
    SetTimer,
    ShowOffer,
    Welcome,
)
from signaling.errors import (
    IdempotencyConflict,
    InvalidTransition,
    NotPermitted,
)
from signaling.events import (
    AgentAssigned,
    AgentEnded,
    AgentOffered,
    AnswerReceived,
    CallStarted,
    CommandEvent,
    DirectSignalled,
    EngagementEvent,
    EngagementGone,
    EngagementReleased,
    EngagementWaiting,
    Event,
    Marked,
    MessageSent,
    OfferEnded,
    Opened,
    PageVisited,
    ParticipantAway,
    ParticipantOnline,
    PathRequested,
    PostConfirmed,
    PostedEvent,
    Recovered,
    TimerFired,
    TypingChanged,
    VisitorIdentified,
    VisitorLeft,
    WrappedUp,
)
from signaling.protocol import Capability, EndReason, LegId, ParticipantId
from signaling.roles import routes
from signaling.state import (
    REMEMBERED_PER_DEVICE,
    Call,
    Cobrowse,
    Engagement,
    Participant,
    Phase,
    Presence,
    Remembered,
    Work,
)

# What is not told to readers as a change of the engagement.
_SILENT = (PostConfirmed, Recovered, TypingChanged, DirectSignalled, PathRequested, AnswerReceived)


def step(state: Engagement | None, event: EngagementEvent) -> tuple[Engagement, tuple[AnyEffect, ...]]:
    """Fold one event: the next state and the effects to run after its commit.

    Raises: PeerError subclasses when the event is not possible now; `state` is then unchanged.
    A posted event that was seen before, a stale timer: next state equal but for seq, no effects.
    """
    work = Work(_opened(event) if state is None else state.copy(), [])
    if state is not None:
        admit(state, event)
        if not seen_before(work, event) and not stale(state, event):
            before = cobrowse.staff(state)
            _HANDLERS[type(event)](work, event)
            cobrowse.follow_people(work, before)
    if type(event).durable:
        _account(work, event)
    return work.state, tuple(work.effects)


def recall(state: Engagement | None, event: Event) -> Remembered | None:
    """The ack already given for this (device, counter), or None for a new command.

    Raises: IdempotencyConflict when the counter was used with another body, or is too old to know.
    """
    if state is None or not isinstance(event, CommandEvent):
        return None
    memory = state.remembered.get(_sender(event), ())
    for remembered in reversed(memory):
        if remembered.counter == event.counter:
            if remembered.body_hash != event.body_hash:
                raise IdempotencyConflict(event.counter)
            return remembered
    if len(memory) == REMEMBERED_PER_DEVICE and event.counter < memory[0].counter:
        raise IdempotencyConflict("forgotten", event.counter)
    return None


def _sender(event: CommandEvent) -> str:
    """Devices are named by clients: a participant can only meet its own counters."""
    return f"{event.by}/{event.device}"


def is_noop(state: Engagement | None, event: EngagementEvent) -> bool:
    """True when the event changes nothing, so that the shell need not append it."""
    if state is None:
        return False
    match event:
        case Marked():
            me = state.participants.get(event.by)
            return me is not None and event.delivered <= me.delivered and event.read <= me.read
        case ParticipantOnline():
            me = state.participants.get(event.by)
            return me is None or me.presence is Presence.ONLINE
        case ParticipantAway():
            me = state.participants.get(event.by)
            return me is None or me.presence is not Presence.ONLINE
        case TimerFired():
            return stale(state, event)
        case PostConfirmed():
            return event.post not in state.posts
        case PostedEvent():
            return post_key(event) in state.seen_posts
        case _:
            return False


def outstanding(state: Engagement) -> tuple[AnyEffect, ...]:
    """Effects that must be running for this state: all timers, unconfirmed posts, the routes."""
    timers = [SetTimer(name, due_ms) for name, due_ms in sorted(state.timers.items())]
    ringing: list[AnyEffect] = []
    if state.phase is Phase.OFFERED and state.offered_to and state.offer:
        ringing.append(ShowOffer(state.offered_to, state.offer, state.offer_due_ms, state.wants))
    carried: list[AnyEffect] = []
    if state.legs:
        carried.append(SetRoutes(routes(state.call, state.legs, state.participants)))
    if state.cobrowse is not Cobrowse.OFF:
        carried.append(cobrowse.gate(state))
    if state.code:
        carried.append(SetCode(state.code))
    return (*timers, *state.posts.values(), *ringing, *carried)


# --- before and after every handler ---------------------------------------------------------


def _opened(event: EngagementEvent) -> Engagement:
    if not isinstance(event, Opened):
        raise InvalidTransition("not opened", type(event).__name__)
    visitor = Participant(event.visitor, "visitor")
    return Engagement(
        id=event.engagement,
        site=event.site,
        visitor=event.visitor,
        policy=event.policy,
        opened_ms=event.at_ms,
        name=event.name,
        subject=event.subject,
        verified=event.verified,
        page=event.page,
        participants={visitor.id: visitor},
    )


def _account(work: Work, event: EngagementEvent) -> None:
    """Every durable event: number it, remember its ack, tell the readers."""
    state = work.state
    state.seq += 1
    state.changed_ms = event.at_ms
    if isinstance(event, CommandEvent):
        remembered = Remembered(event.counter, event.body_hash, state.seq, event.at_ms)
        memory = (*state.remembered.get(_sender(event), ()), remembered)
        state.remembered[_sender(event)] = memory[-REMEMBERED_PER_DEVICE:]
    if not isinstance(event, _SILENT):
        work.effects.insert(0, Announce(state.seq))


# --- phase: chat, queue, end ----------------------------------------------------------------


def _message_sent(work: Work, event: MessageSent) -> None:
    state = work.state
    if state.first_content is None:
        state.first_content = event.content
    sender = state.participants[event.by]
    seq = state.seq + 1
    state.participants[event.by] = replace(sender, delivered=seq, read=seq)
    if state.phase is Phase.OPEN:
        _enter_queue(work, event.at_ms)


def _marked(work: Work, event: Marked) -> None:
    state = work.state
    me = state.participants[event.by]
    if max(event.delivered, event.read) > state.seq:
        raise InvalidTransition("mark beyond the log", event.delivered, event.read)
    state.participants[event.by] = replace(
        me, delivered=max(me.delivered, event.delivered), read=max(me.read, event.read)
    )


def _call_started(work: Work, event: CallStarted) -> None:
    if event.by != work.state.visitor:
        raise NotPermitted("only the visitor starts a call")
    calls.started(work, event)
    if work.state.phase is Phase.OPEN:
        _enter_queue(work, event.at_ms)


def _enter_queue(work: Work, at_ms: int) -> None:
    """queued_ms is kept when it is set: a re-queued engagement has its old place."""
    state = work.state
    state.phase = Phase.QUEUED
    state.queued_ms = state.queued_ms or at_ms
    post = work.next_post()
    work.post(
        routing_actor(state.site),
        EngagementWaiting(
            at_ms=at_ms,
            origin=_me(state),
            post=post,
            engagement=state.id,
            arrived_ms=state.queued_ms,
            wants=state.wants,
        ),
    )


def _agent_offered(work: Work, event: AgentOffered) -> None:
    state = work.state
    state.phase = Phase.OFFERED
    state.offer, state.offered_to, state.offer_due_ms = event.offer, event.agent, event.due_ms
    work.order(ShowOffer(event.agent, event.offer, event.due_ms, state.wants))


def _offer_ended(work: Work, event: OfferEnded) -> None:
    if work.state.offer == event.offer:
        work.state.phase = Phase.QUEUED
        _clear_offer(work.state)


def _agent_assigned(work: Work, event: AgentAssigned) -> None:
    """The agent accepted. Too late (the visitor has left): its capacity is given back."""
    state = work.state
    if state.phase not in (Phase.QUEUED, Phase.OFFERED):
        if state.agent != event.agent:
            _release(work, event.agent, event.at_ms)
        return
    state.phase = Phase.ACTIVE
    _clear_offer(state)
    cobrowse.no_code(work)
    state.agent, state.agent_device = event.agent, event.device
    state.participants[event.agent] = Participant(event.agent, event.role)
    work.order(Welcome(event.agent))
    if state.call is Call.REQUESTED:
        calls.join(work, event, event.leg, event.agent, event.device)


def _visitor_left(work: Work, event: VisitorLeft) -> None:
    if event.by != work.state.visitor:
        raise NotPermitted("only the visitor leaves")
    _leave(work, event.at_ms, "visitor_left")


def _leave(work: Work, at_ms: int, reason: EndReason) -> None:
    if work.state.phase is Phase.ACTIVE:
        _wrap_up(work, at_ms, reason)
    else:
        _end(work, at_ms, reason)


def _agent_ended(work: Work, event: AgentEnded) -> None:
    if event.by != work.state.agent:
        raise NotPermitted("only its agent ends it for wrap-up")
    _wrap_up(work, event.at_ms, "agent_ended")


def _wrap_up(work: Work, at_ms: int, reason: EndReason) -> None:
    state = work.state
    state.phase, state.end_reason = Phase.WRAP_UP, reason
    calls.end_call(work)
    cobrowse.turn_off(work)
    colleagues.dismiss(work)
    work.set_timer("wrap_up", at_ms + state.policy.wrap_up_ms)


def _wrapped_up(work: Work, event: WrappedUp) -> None:
    if event.by != work.state.agent:
        raise NotPermitted("only its agent wraps up")
    _end(work, event.at_ms, work.state.end_reason)


def _end(work: Work, at_ms: int, reason: EndReason) -> None:
    """Coupling rule: whatever was going on (call, queue place, capacity, timers) ends with it."""
    state = work.state
    calls.end_call(work)
    cobrowse.turn_off(work)
    colleagues.dismiss(work)
    if state.phase in (Phase.QUEUED, Phase.OFFERED):
        post = work.next_post()
        gone = EngagementGone(at_ms=at_ms, origin=_me(state), post=post, engagement=state.id)
        work.post(routing_actor(state.site), gone)
    if state.agent is not None:
        _release(work, state.agent, at_ms)
    _clear_offer(state)
    for name in list(state.timers):
        work.cancel_timer(name)
    state.phase, state.ended_ms, state.end_reason = Phase.ENDED, at_ms, reason


def _release(work: Work, agent: ParticipantId, at_ms: int) -> None:
    state = work.state
    post = work.next_post()
    work.post(
        routing_actor(state.site),
        EngagementReleased(at_ms=at_ms, origin=_me(state), post=post, engagement=state.id, agent=agent),
    )


def _clear_offer(state: Engagement) -> None:
    state.offer, state.offered_to, state.offer_due_ms = None, None, 0


def _me(state: Engagement) -> Any:
    return f"e:{state.id}"


# --- presence -------------------------------------------------------------------------------


def _online(work: Work, event: ParticipantOnline) -> None:
    state = work.state
    me = state.participants.get(event.by)
    if me is None:
        return
    state.participants[event.by] = replace(me, presence=Presence.ONLINE, away_reason="")
    work.cancel_timer(f"presence:{event.by}")
    if event.by == state.agent and state.leg_of(event.by) is None:
        state.agent_device = event.device


def _away(work: Work, event: ParticipantAway) -> None:
    me = work.state.participants.get(event.by)
    if me is None or me.presence is not Presence.ONLINE:
        return
    _mark_away(work, me, event.at_ms, event.reason)


def _mark_away(work: Work, me: Participant, at_ms: int, reason: Any) -> None:
    state = work.state
    state.participants[me.id] = replace(me, presence=Presence.AWAY, away_reason=reason)
    policy = state.policy
    grace_ms = policy.visitor_grace_ms if me.role == "visitor" else policy.agent_grace_ms
    if state.phase is not Phase.ENDED:
        work.set_timer(f"presence:{me.id}", at_ms + grace_ms)


def _gone(work: Work, participant: ParticipantId, at_ms: int) -> None:
    """Grace is over. The visitor: what waits is abandoned. The agent: back to the queue's old place."""
    state = work.state
    me = state.participants.get(participant)
    if me is None or me.presence is Presence.ONLINE:
        return
    state.participants[participant] = replace(me, presence=Presence.GONE)
    if participant == state.visitor:
        if state.phase in WAITING:
            _end(work, at_ms, "abandoned")
        elif state.phase is Phase.ACTIVE:
            calls.end_call(work)
            cobrowse.turn_off(work)
    elif participant == state.agent and state.phase is Phase.ACTIVE:
        calls.leave_call(work, participant)
        cobrowse.left(work, participant)
        _release(work, participant, at_ms)
        del state.participants[participant]
        state.agent = None
        _enter_queue(work, at_ms)
    elif state.is_colleague(participant):
        colleagues.left(work, participant)


def _recovered(work: Work, event: Recovered) -> None:
    """After a load nobody is connected yet and no path exists; every leg keeps its place."""
    state = work.state
    for me in list(state.participants.values()):
        if me.presence is Presence.ONLINE:
            _mark_away(work, me, event.at_ms, "lost")
    for leg in list(state.legs.values()):
        calls.await_path(work, leg, event.at_ms)


def _timer_fired(work: Work, event: TimerFired) -> None:
    del work.state.timers[event.name]
    kind, _, subject = event.name.partition(":")
    if kind == "presence":
        _gone(work, ParticipantId(subject), event.at_ms)
    elif kind == "leg":
        calls.leg_timer_fired(work, LegId(subject))
    elif kind == "wrap_up":
        _end(work, event.at_ms, work.state.end_reason)
    elif kind == "grant":
        cobrowse.expired(work, cast(Capability, subject))
    elif kind == "code":
        _code_is_old(work, event.at_ms)


def _code_is_old(work: Work, at_ms: int) -> None:
    """Nobody used it. An engagement that was opened for it alone is over."""
    cobrowse.no_code(work)
    if work.state.phase is Phase.OPEN:
        _end(work, at_ms, "abandoned")


def _page_visited(work: Work, event: PageVisited) -> None:
    work.state.page = event.page


def _visitor_identified(work: Work, event: VisitorIdentified) -> None:
    """Once: whoever is verified stays who it is."""
    state = work.state
    if state.verified or event.by != state.visitor:
        return
    state.name, state.subject, state.verified = event.name, event.subject, True


def _typing(work: Work, event: TypingChanged) -> None:
    work.order(AnnounceTyping(event.by, event.typing))


def _post_confirmed(work: Work, event: PostConfirmed) -> None:
    work.state.posts.pop(event.post, None)


_HANDLERS: dict[type[Event], Callable[[Work, Any], None]] = {
    MessageSent: _message_sent,
    Marked: _marked,
    CallStarted: _call_started,
    ParticipantOnline: _online,
    ParticipantAway: _away,
    PageVisited: _page_visited,
    VisitorIdentified: _visitor_identified,
    VisitorLeft: _visitor_left,
    AgentEnded: _agent_ended,
    WrappedUp: _wrapped_up,
    AgentOffered: _agent_offered,
    OfferEnded: _offer_ended,
    AgentAssigned: _agent_assigned,
    TypingChanged: _typing,
    Recovered: _recovered,
    TimerFired: _timer_fired,
    PostConfirmed: _post_confirmed,
    **calls.HANDLERS,
    **colleagues.HANDLERS,
    **cobrowse.HANDLERS,
}
