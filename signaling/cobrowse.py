"""The cobrowse region of an engagement: its table, its handlers, and what ending it means.

The visitor alone starts, pauses and grants; everybody may end. The epoch grows whenever the page is no longer
shared, so that an opening that was on its way opens nothing. Frames are none of its business: the gate is.
Source: docs/protocol.md, "the shared page"; docs/architecture.md, "regions".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from signaling.actors import routing_actor
from signaling.effects import SetCode, SetGate, Welcome
from signaling.errors import InvalidTransition, NotFound, NotPermitted
from signaling.event import CommandEvent, Event
from signaling.events import EngagementGone
from signaling.protocol import ActorId, Capability, ControlKind, ParticipantId, SharedGrant
from signaling.sharing import (
    CapabilityAsked,
    CapabilityGranted,
    CapabilityRevoked,
    CobrowseDeclined,
    CobrowsePaused,
    CobrowseRequested,
    CobrowseResumed,
    CobrowseStarted,
    CobrowseStopped,
    CodeIssued,
    CodeUsed,
    SecretsMasked,
    ViewerJoined,
    ViewerLeft,
)
from signaling.state import Ask, Cobrowse, Engagement, Grant, Participant, Phase, Work

_SHARED = (Cobrowse.LIVE, Cobrowse.PAUSED)

# (region value, event) -> next value. A pair that is not here raises InvalidTransition.
COBROWSE_TABLE: dict[tuple[Cobrowse, type[Event]], Cobrowse] = {
    (Cobrowse.OFF, CobrowseRequested): Cobrowse.REQUESTED,
    (Cobrowse.OFF, CobrowseStarted): Cobrowse.LIVE,
    (Cobrowse.REQUESTED, CobrowseStarted): Cobrowse.LIVE,
    (Cobrowse.REQUESTED, CobrowseDeclined): Cobrowse.OFF,
    (Cobrowse.OFF, CodeIssued): Cobrowse.LIVE,
    (Cobrowse.REQUESTED, CodeIssued): Cobrowse.LIVE,
    (Cobrowse.LIVE, CobrowsePaused): Cobrowse.PAUSED,
    (Cobrowse.PAUSED, CobrowseResumed): Cobrowse.LIVE,
    **{
        (state, event): state
        for state in _SHARED
        for event in (
            *(CobrowseDeclined, CapabilityAsked, CapabilityGranted, CapabilityRevoked, CodeIssued, CodeUsed),
            *(ViewerJoined, SecretsMasked),
        )
    },
    **{(state, ViewerLeft): state for state in Cobrowse},
    **{(state, CobrowseStopped): Cobrowse.OFF for state in (Cobrowse.REQUESTED, *_SHARED)},
}


def next_cobrowse(state: Engagement, event: Event) -> Cobrowse:
    """Raises: InvalidTransition for a pair that is not in the table."""
    try:
        return COBROWSE_TABLE[state.cobrowse, type(event)]
    except KeyError:
        raise InvalidTransition(type(event).__name__, state.cobrowse) from None


def gate(state: Engagement) -> SetGate:
    """The carrier's orders for this state."""
    if state.cobrowse not in _SHARED:
        return SetGate(state.cobrowse_epoch, "closed")
    grants = tuple(
        SharedGrant(grant.id, capability, grant.kinds, grant.origin, grant.expires_ms, grant.holder)
        for capability, grant in state.grants.items()
    )
    shown: Literal["live", "paused"] = "live" if state.cobrowse is Cobrowse.LIVE else "paused"
    return SetGate(state.cobrowse_epoch, shown, grants, staff(state), state.cobrowse_origin)


def staff(state: Engagement) -> tuple[ParticipantId, ...]:
    """Who may look while the page is shared: agents, colleagues and supervisors that take part."""
    return tuple(one.id for one in state.participants.values() if one.role != "visitor")


def follow_people(work: Work, before: tuple[ParticipantId, ...]) -> None:
    """Coupling rule: who comes may look at once, who goes sees nothing more. before: `staff` until now."""
    if work.state.cobrowse in _SHARED and staff(work.state) != before:
        work.order(gate(work.state))


# --- to look ------------------------------------------------------------------------------------


def requested(work: Work, event: CobrowseRequested) -> None:
    state = work.state
    _staff(state, event.by)
    state.cobrowse, state.cobrowse_by = next_cobrowse(state, event), event.by


def started(work: Work, event: CobrowseStarted) -> None:
    _visitor(work.state, event)
    _agreed(event.consent.capability, "view")
    _live(work, event)


def _live(work: Work, event: CobrowseStarted | CodeIssued) -> None:
    state = work.state
    if state.cobrowse not in _SHARED:
        state.cobrowse_ms, state.cobrowse_origin = event.at_ms, event.origin
    state.cobrowse = next_cobrowse(state, event)
    work.order(gate(state))


def declined(work: Work, event: CobrowseDeclined) -> None:
    state = work.state
    after = next_cobrowse(state, event)
    if event.capability == "view":
        if state.cobrowse is not Cobrowse.REQUESTED:
            raise InvalidTransition("nothing was asked", state.cobrowse)
        _answers(state, event.by, state.cobrowse_by)
        state.cobrowse, state.cobrowse_by = after, None
        return
    ask = state.asks.pop(event.capability, None)
    if ask is None:
        raise InvalidTransition("nothing was asked", event.capability)
    _answers(state, event.by, ask.by)


def _answers(state: Engagement, by: ParticipantId, asker: ParticipantId | None) -> None:
    if by not in (state.visitor, asker):
        raise NotPermitted("another agent asked")


def paused(work: Work, event: CobrowsePaused | CobrowseResumed) -> None:
    state = work.state
    _visitor(state, event)
    state.cobrowse = next_cobrowse(state, event)
    work.order(gate(state))


def stopped(work: Work, event: CobrowseStopped) -> None:
    next_cobrowse(work.state, event)
    turn_off(work)


def turn_off(work: Work) -> None:
    """Coupling rule: whatever the page was shared for ends with it."""
    state = work.state
    if state.cobrowse is Cobrowse.OFF:
        return
    was_shared = state.cobrowse in _SHARED
    state.cobrowse, state.cobrowse_by, state.cobrowse_ms = Cobrowse.OFF, None, 0
    state.asks.clear()
    state.viewers.clear()
    for capability in list(state.grants):
        _drop(work, capability)
    no_code(work)
    if was_shared:
        state.cobrowse_epoch += 1
        work.order(gate(state))


# --- to do more ---------------------------------------------------------------------------------


def asked(work: Work, event: CapabilityAsked) -> None:
    state = work.state
    _staff(state, event.by)
    next_cobrowse(state, event)
    if event.capability in state.grants:
        raise InvalidTransition("granted already", event.capability)
    state.asks[event.capability] = Ask(event.by, _kinds(state, event.capability, event.kinds))


def granted(work: Work, event: CapabilityGranted) -> None:
    state = work.state
    _visitor(state, event)
    next_cobrowse(state, event)
    capability = event.consent.capability
    if capability not in ("point", "control", "record"):
        raise InvalidTransition("no such grant", capability)
    expires_ms = event.expires_ms
    kinds = _kinds(state, capability, event.kinds)
    if capability == "control":
        if not event.origin:
            raise InvalidTransition("control of nothing", capability)
        last_ms = event.at_ms + state.policy.control_ms
        expires_ms = min(expires_ms or last_ms, last_ms)
    ask = state.asks.pop(capability, None)
    holder = None
    if capability == "control":
        holder = ask.by if ask is not None else state.agent
        if holder is None:
            raise InvalidTransition("nobody to control it", capability)
    state.grants[capability] = Grant(event.grant, event.at_ms, kinds, event.origin, expires_ms, holder)
    if expires_ms:
        work.set_timer(f"grant:{capability}", expires_ms)
    work.order(gate(state))


def _kinds(
    state: Engagement, capability: Capability, kinds: tuple[ControlKind, ...]
) -> tuple[ControlKind, ...]:
    """What of it the site allows. Raises: NotPermitted when that is nothing."""
    if capability == "record" and not state.policy.records:
        raise NotPermitted("the site keeps no pages")
    if capability != "control":
        return ()
    allowed = tuple(kind for kind in kinds if kind in state.policy.control_kinds)
    if not allowed:
        raise NotPermitted("the site allows no such control")
    return allowed


def revoked(work: Work, event: CapabilityRevoked) -> None:
    state = work.state
    next_cobrowse(state, event)
    if event.capability not in state.grants:
        raise InvalidTransition("not granted", event.capability)
    _drop(work, event.capability)
    work.order(gate(state))


def expired(work: Work, capability: Capability) -> None:
    """Its timer fired."""
    if work.state.grants.pop(capability, None) is not None:
        work.order(gate(work.state))


def left(work: Work, participant: ParticipantId) -> None:
    """Who goes takes along what it asked for and its control of the page; whoever comes was given neither."""
    state = work.state
    state.viewers.pop(participant, None)
    for capability in [capability for capability, ask in state.asks.items() if ask.by == participant]:
        del state.asks[capability]
    control = state.grants.get("control")
    if control is not None and control.holder in (participant, None):
        _drop(work, "control")
        work.order(gate(state))


def _drop(work: Work, capability: Capability) -> None:
    del work.state.grants[capability]
    work.cancel_timer(f"grant:{capability}")


# --- who looks ------------------------------------------------------------------------------------


def viewer_joined(work: Work, event: ViewerJoined) -> None:
    state = work.state
    next_cobrowse(state, event)
    _staff(state, event.participant)
    state.viewers.setdefault(event.participant, event.at_ms)


def viewer_left(work: Work, event: ViewerLeft) -> None:
    work.state.viewers.pop(event.participant, None)


def masked(work: Work, event: SecretsMasked) -> None:
    next_cobrowse(work.state, event)
    work.state.masked += event.count


# --- codes for somebody on the phone --------------------------------------------------------------


def code_issued(work: Work, event: CodeIssued) -> None:
    """The page is shared from now on, with whoever tells the code."""
    _visitor(work.state, event)
    _agreed(event.consent.capability, "view")
    no_code(work)
    _live(work, event)
    work.state.code = event.code
    work.set_timer("code", event.expires_ms)
    work.order(SetCode(event.code))


def code_used(work: Work, event: CodeUsed) -> None:
    """Whoever told the code has the engagement, unless an agent has it: then it comes in as a colleague.

    An engagement that waited in the queue leaves it; it takes nothing of the agent's capacity, for the agent
    talks to this person already. Raises: NotFound for a code that is not this engagement's.
    """
    state = work.state
    if event.site != state.site or not state.code or event.code != state.code:
        raise NotFound("no such code")
    if event.by in state.participants:
        raise InvalidTransition("takes part already", event.by)
    no_code(work)
    state.participants[event.by] = Participant(event.by, event.role)
    if state.agent is None:
        if state.phase in (Phase.QUEUED, Phase.OFFERED):
            me, number = ActorId(f"e:{state.id}"), work.next_post()
            gone = EngagementGone(at_ms=event.at_ms, origin=me, post=number, engagement=state.id)
            work.post(routing_actor(state.site), gone)
        state.offer, state.offered_to, state.offer_due_ms = None, None, 0
        state.phase, state.agent, state.agent_device = Phase.ACTIVE, event.by, event.device
    work.order(Welcome(event.by))


def no_code(work: Work) -> None:
    """Used, too old, or nothing to show any more."""
    if work.state.code:
        work.state.code = ""
        work.cancel_timer("code")
        work.order(SetCode(""))


# --- questions ------------------------------------------------------------------------------------


def _visitor(state: Engagement, event: CommandEvent) -> None:
    if event.by != state.visitor:
        raise NotPermitted("only the visitor decides who sees its page")


def _staff(state: Engagement, by: ParticipantId) -> None:
    if state.participant(by).role == "visitor":
        raise NotPermitted("only agents ask and look")


def _agreed(given: Capability, wanted: Capability) -> None:
    if given != wanted:
        raise NotPermitted(f"a consent to {given} is none to {wanted}")


HANDLERS: dict[type[Event], Callable[[Work, Any], None]] = {
    CobrowseRequested: requested,
    CobrowseStarted: started,
    CobrowseDeclined: declined,
    CobrowsePaused: paused,
    CobrowseResumed: paused,
    CobrowseStopped: stopped,
    CapabilityAsked: asked,
    CapabilityGranted: granted,
    CapabilityRevoked: revoked,
    ViewerJoined: viewer_joined,
    ViewerLeft: viewer_left,
    SecretsMasked: masked,
    CodeIssued: code_issued,
    CodeUsed: code_used,
}
