"""Who comes in beside the visitor and its agent: invited colleagues and supervisors, and how they leave.

A colleague takes part while it is in: it reads the chat and, when there is a call, has a leg in the mode it
was invited to. Hanging up is leaving. What each mode hears is `roles.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from signaling import calls, cobrowse
from signaling.effects import Farewell, ShowInvitation, Welcome
from signaling.errors import InvalidTransition, NotFound, NotPermitted
from signaling.events import CallHungUp, ColleagueInvited, ColleagueJoined, ColleagueLeft, Event
from signaling.protocol import LegMode, ParticipantId
from signaling.roles import SUPERVISORS
from signaling.state import Call, Participant, Work


def invited(work: Work, event: ColleagueInvited) -> None:
    state = work.state
    if state.participant(event.by).role == "visitor":
        raise NotPermitted("only agents invite")
    if event.agent in state.participants:
        raise InvalidTransition("takes part already", event.agent)
    state.invited[event.agent] = event.mode
    work.order(ShowInvitation(event.agent, event.by, event.mode))


def joined(work: Work, event: ColleagueJoined) -> None:
    """Raises: NotFound for whoever was not invited and is no supervisor of the site."""
    state = work.state
    if event.by in state.participants and event.site == state.site:
        raise InvalidTransition("takes part already", event.by)
    mode = _mode(work, event)
    state.invited.pop(event.by, None)
    state.participants[event.by] = Participant(event.by, event.role)
    work.order(Welcome(event.by))
    if state.call is not Call.NONE:
        calls.join(work, event, event.leg, event.by, event.device, mode)


def _mode(work: Work, event: ColleagueJoined) -> LegMode:
    asked = work.state.invited.get(event.by)
    supervises = event.role == "supervisor"
    if event.site != work.state.site or (asked is None and not supervises):
        raise NotFound(work.state.id)
    mode = event.mode or asked or "monitor"
    if mode in SUPERVISORS and not supervises:
        raise NotPermitted(mode)
    return mode


def hung_up(work: Work, event: CallHungUp) -> None:
    colleague = work.state.is_colleague(event.by)
    calls.hung_up(work, event)
    if colleague:
        left(work, event.by)


def gone(work: Work, event: ColleagueLeft) -> None:
    """Raises: NotPermitted for the agent whose engagement it is; it ends it."""
    if not work.state.is_colleague(event.by):
        raise NotPermitted("only a colleague leaves the others")
    left(work, event.by)


def left(work: Work, participant: ParticipantId) -> None:
    """Out of the call and of the engagement; nothing more is told to it."""
    calls.leave_call(work, participant)
    cobrowse.left(work, participant)
    del work.state.participants[participant]
    work.cancel_timer(f"presence:{participant}")
    work.order(Farewell(participant))


def dismiss(work: Work) -> None:
    """The engagement is over for everybody but its agent."""
    state = work.state
    state.invited.clear()
    for participant in list(state.participants):
        if state.is_colleague(participant):
            left(work, participant)


HANDLERS: dict[type[Event], Callable[[Work, Any], None]] = {
    CallHungUp: hung_up,
    ColleagueInvited: invited,
    ColleagueJoined: joined,
    ColleagueLeft: gone,
}
