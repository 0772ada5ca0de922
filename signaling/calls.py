"""The call region of an engagement: its table, its handlers, and what ending a call means.

`call` says how far talking by voice is; legs say who has a place in it; a path is only
what carries a leg just now, so losing one never ends the call (that is the leg's grace timer's).
Source: docs/architecture.md, "calls".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from signaling.effects import (
    ApplyAnswer,
    CloseLegs,
    MoveLeg,
    OpenPath,
    SetRoutes,
    SignalDirect,
)
from signaling.errors import ControlHeld, InvalidTransition, LimitExceeded, NotPermitted
from signaling.events import (
    AnswerReceived,
    CallBroughtHere,
    CallChanged,
    CallDeclined,
    CallHeld,
    CallHungUp,
    CallJoined,
    CallResumed,
    CallStarted,
    CallSuggested,
    DirectSignalled,
    Event,
    LegModeSet,
    PathConnected,
    PathLost,
    PathRequested,
)
from signaling.protocol import MAX_SEATS, DeviceId, LegId, LegMode, ParticipantId
from signaling.roles import SILENT, SUPERVISORS, routes
from signaling.state import Call, Engagement, Leg, Phase, Work

# (region value, event) -> next value. A pair that is not here raises InvalidTransition.
CALL_TABLE: dict[tuple[Call, type[Event]], Call] = {
    (Call.NONE, CallSuggested): Call.NONE,
    (Call.NONE, CallStarted): Call.REQUESTED,
    (Call.NONE, CallDeclined): Call.NONE,
    (Call.REQUESTED, CallJoined): Call.NEGOTIATING,
    (Call.NEGOTIATING, CallJoined): Call.NEGOTIATING,
    (Call.CONNECTED, CallJoined): Call.CONNECTED,
    (Call.ON_HOLD, CallJoined): Call.ON_HOLD,
    (Call.CONNECTED, DirectSignalled): Call.CONNECTED,
    (Call.REQUESTED, CallDeclined): Call.NONE,
    (Call.REQUESTED, PathConnected): Call.REQUESTED,
    (Call.NEGOTIATING, PathConnected): Call.NEGOTIATING,
    (Call.CONNECTED, PathConnected): Call.CONNECTED,
    (Call.ON_HOLD, PathConnected): Call.ON_HOLD,
    (Call.CONNECTED, CallHeld): Call.ON_HOLD,
    (Call.ON_HOLD, CallResumed): Call.CONNECTED,
    (Call.CONNECTED, CallSuggested): Call.CONNECTED,
    (Call.CONNECTED, CallDeclined): Call.CONNECTED,
    **{
        (call, event): call
        for call in (Call.REQUESTED, Call.NEGOTIATING, Call.CONNECTED, Call.ON_HOLD)
        for event in (CallChanged, CallBroughtHere, LegModeSet, PathLost, PathRequested, AnswerReceived)
    },
    **{
        (call, CallHungUp): Call.NONE
        for call in (Call.REQUESTED, Call.NEGOTIATING, Call.CONNECTED, Call.ON_HOLD)
    },
}


def next_call(state: Engagement, event: Event) -> Call:
    """Raises: InvalidTransition for a pair that is not in the table."""
    try:
        return CALL_TABLE[state.call, type(event)]
    except KeyError:
        raise InvalidTransition(type(event).__name__, state.call) from None


def suggested(work: Work, event: CallSuggested) -> None:
    state = work.state
    _require_active(state)
    next_call(state, event)
    if (event.media == "audio") != (state.call is Call.NONE):
        raise InvalidTransition(event.media, state.call)
    state.suggestion, state.suggested_by = event.media, event.by


def declined(work: Work, event: CallDeclined) -> None:
    state = work.state
    after = next_call(state, event)
    if state.call is Call.REQUESTED:
        if event.by == state.visitor:
            raise NotPermitted("the visitor hangs up instead")
        end_call(work)
    elif not state.suggestion or state.suggested_by == event.by:
        raise InvalidTransition("nothing was suggested", state.call)
    state.call = after
    state.suggestion, state.suggested_by = "", None


def started(work: Work, event: CallStarted) -> None:
    """The visitor clicks talk now: its leg's path is opened at once, music until somebody joins."""
    state = work.state
    state.call = next_call(state, event)
    state.call_started_by = event.by
    state.video_wanted = event.video or state.suggestion == "video"
    agent_suggested = state.suggested_by is not None and state.suggested_by == state.agent
    state.suggestion, state.suggested_by = "", None
    _add_leg(work, event, event.leg, event.by, event.device)
    if event.video:
        state.legs[event.leg] = replace(state.legs[event.leg], video=True)
    if agent_suggested and state.agent is not None and state.phase is Phase.ACTIVE:
        device = state.agent_device
        join(work, event, LegId(f"{event.leg}-a"), state.agent, device)
    else:
        work.order(SetRoutes(routes(state.call, state.legs, state.participants)))


def joined(work: Work, event: CallJoined) -> None:
    _require_active(work.state)
    next_call(work.state, event)
    join(work, event, event.leg, event.by, event.device)


def join(
    work: Work,
    event: Event,
    leg: LegId,
    participant: ParticipantId,
    device: DeviceId,
    mode: LegMode = "talk",
) -> None:
    """Give an agent its leg; a call that was only requested is being negotiated from now on."""
    state = work.state
    if state.call is Call.REQUESTED:
        state.call = Call.NEGOTIATING
    _add_leg(work, event, leg, participant, device)
    state.legs[leg] = replace(state.legs[leg], mode=mode)
    _settle(work, 0)


def changed(work: Work, event: CallChanged) -> None:
    state = work.state
    next_call(state, event)
    leg = state.call_leg(event.by)
    goes_on = (event.video and not leg.video) or (event.screen and not leg.screen)
    if goes_on and event.by == state.visitor and event.consent is None:
        raise NotPermitted("the visitor's camera and screen need a consent")
    latest = max(other.screen for other in state.legs.values())
    screen = (leg.screen or latest + 1) if event.screen else 0
    state.legs[leg.id] = replace(leg, muted=event.muted, video=event.video, screen=screen)
    given = {"video": event.video, "screen": event.screen}
    if given.get(state.suggestion, False) and state.suggested_by != event.by:
        state.suggestion, state.suggested_by = "", None
    _settle(work, 0)


def mode_set(work: Work, event: LegModeSet) -> None:
    """Who may put whom where: supervisors themselves anywhere, agents each other and the visitor."""
    state = work.state
    next_call(state, event)
    leg = state.call_leg(event.participant)
    me = state.participant(event.by)
    if me.role == "visitor":
        raise NotPermitted("only agents change who hears whom")
    if event.mode in SUPERVISORS and (me.role != "supervisor" or event.participant != event.by):
        raise NotPermitted(event.mode)
    if event.participant == state.visitor and event.mode not in ("talk", "hold"):
        raise NotPermitted("a visitor talks or is on hold", event.mode)
    state.legs[leg.id] = replace(leg, mode=event.mode)
    _settle(work, 0)


def direct_signalled(work: Work, event: DirectSignalled) -> None:
    """Passed on unread, while the two may connect to each other; `close` also just after."""
    state = work.state
    _held_leg(state, event.by, event.device)
    if not state.direct and event.kind != "close":
        raise InvalidTransition("not a direct call", state.call)
    for leg in state.legs.values():
        if leg.participant != event.by:
            work.order(SignalDirect(leg.participant, leg.device, event.attempt, event.kind, event.body))


def held(work: Work, event: CallHeld | CallResumed) -> None:
    work.state.call = next_call(work.state, event)
    _settle(work, 0)


def hung_up(work: Work, event: CallHungUp) -> None:
    """The visitor's ends the call, and so does the last agent's; others only leave it."""
    next_call(work.state, event)
    leg = work.state.leg_of(event.by)
    if leg is None:
        end_call(work)
    else:
        _leave_leg(work, leg)


def brought_here(work: Work, event: CallBroughtHere) -> None:
    state = work.state
    next_call(state, event)
    leg = state.call_leg(event.by)
    state.legs[leg.id] = replace(leg, device=event.device)
    work.order(MoveLeg(leg.id, event.by, event.device), OpenPath(leg.id, event.by, event.device))


def path_connected(work: Work, event: PathConnected) -> None:
    state = work.state
    next_call(state, event)
    leg = _leg(state, event.leg)
    state.legs[leg.id] = replace(leg, path=event.path)
    work.cancel_timer(f"leg:{leg.id}")
    _settle(work, event.at_ms)


def path_lost(work: Work, event: PathLost) -> None:
    state = work.state
    next_call(state, event)
    leg = _leg(state, event.leg)
    if leg.path != event.path:
        raise InvalidTransition("not the leg's path", event.path)
    await_path(work, leg, event.at_ms)


def path_requested(work: Work, event: PathRequested) -> None:
    next_call(work.state, event)
    leg = _held_leg(work.state, event.by, event.device)
    work.order(OpenPath(leg.id, event.by, event.device))


def answer_received(work: Work, event: AnswerReceived) -> None:
    next_call(work.state, event)
    leg = _held_leg(work.state, event.by, event.device)
    work.order(ApplyAnswer(leg.id, event.by, event.path, event.revision, event.sdp))


def leg_timer_fired(work: Work, leg: LegId) -> None:
    """Nobody came back: one of more leaves, otherwise the call is over and the chat goes on."""
    if leg in work.state.legs and work.state.legs[leg].path is None:
        _leave_leg(work, work.state.legs[leg])


def await_path(work: Work, leg: Leg, at_ms: int) -> None:
    work.state.legs[leg.id] = replace(leg, path=None)
    work.set_timer(f"leg:{leg.id}", at_ms + work.state.policy.leg_grace_ms)


def leave_call(work: Work, participant: ParticipantId) -> None:
    """The participant left the engagement: its leg goes, and the call when nobody is left to talk to."""
    leg = work.state.leg_of(participant)
    if leg is not None:
        _leave_leg(work, leg)


def _leave_leg(work: Work, leg: Leg) -> None:
    """One leg goes; without the visitor, or without anybody who talks to it, the call is over."""
    left = [other for other in work.state.legs.values() if other.id != leg.id]
    staff = [other for other in left if other.participant != work.state.visitor and other.mode not in SILENT]
    if leg.participant == work.state.visitor or len(left) < 2 or not staff:
        end_call(work)
        return
    _drop_leg(work, leg.id)
    _settle(work, 0)


def end_call(work: Work) -> None:
    """Back to chat: every leg is closed, nothing is routed, timers of legs are gone."""
    state = work.state
    if state.call is Call.NONE:
        return
    for leg in state.legs:
        work.cancel_timer(f"leg:{leg}")
    work.order(SetRoutes(()), CloseLegs(tuple(state.legs)))
    state.legs.clear()
    state.call, state.call_started_by, state.connected_ms = Call.NONE, None, 0
    state.video_wanted, state.suggestion, state.suggested_by = False, "", None


def _settle(work: Work, at_ms: int) -> None:
    """After any change of legs: is the call connected, and what is routed."""
    state = work.state
    carried = sum(leg.path is not None for leg in state.legs.values())
    if state.call is Call.NEGOTIATING and len(state.legs) >= 2 and carried == len(state.legs):
        state.call, state.connected_ms = Call.CONNECTED, at_ms
    work.order(SetRoutes(routes(state.call, state.legs, state.participants)))


def _add_leg(work: Work, event: Event, leg: LegId, participant: ParticipantId, device: DeviceId) -> None:
    """A place in the call; when no path ever carries it (UDP is blocked), its grace timer ends the call."""
    if leg in work.state.legs or work.state.leg_of(participant) is not None:
        raise InvalidTransition("has a leg already", participant)
    taken = {other.seat for other in work.state.legs.values()}
    if len(taken) >= MAX_SEATS:
        raise LimitExceeded("people in a call", MAX_SEATS, code="call_full")
    seat = next(seat for seat in range(MAX_SEATS) if seat not in taken)
    work.state.legs[leg] = Leg(leg, participant, device, seat=seat)
    work.set_timer(f"leg:{leg}", event.at_ms + work.state.policy.leg_grace_ms)
    work.order(OpenPath(leg, participant, device))


def _drop_leg(work: Work, leg: LegId) -> None:
    del work.state.legs[leg]
    work.cancel_timer(f"leg:{leg}")
    work.order(CloseLegs((leg,)))


def _leg(state: Engagement, leg: LegId) -> Leg:
    if leg not in state.legs:
        raise InvalidTransition("no such leg", leg)
    return state.legs[leg]


def _held_leg(state: Engagement, participant: ParticipantId, device: DeviceId) -> Leg:
    leg = state.call_leg(participant)
    if leg.device != device:
        raise ControlHeld(leg.device)
    return leg


def _require_active(state: Engagement) -> None:
    if state.phase is not Phase.ACTIVE:
        raise InvalidTransition("needs an agent", state.phase)


HANDLERS: dict[type[Event], Callable[[Work, Any], None]] = {
    CallSuggested: suggested,
    CallDeclined: declined,
    CallJoined: joined,
    CallChanged: changed,
    CallHeld: held,
    CallResumed: held,
    CallBroughtHere: brought_here,
    LegModeSet: mode_set,
    DirectSignalled: direct_signalled,
    PathConnected: path_connected,
    PathLost: path_lost,
    PathRequested: path_requested,
    AnswerReceived: answer_received,
}
