"""What a reader is shown of an event: drafts of timeline items, content still sealed.

Derived from the event and the states around it, so that a replay of the log shows the same
items; `server/render.py` opens the seals and makes `protocol.TimelineItem`s of them.
Source: docs/architecture.md, "log".
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from signaling.events import (
    AgentAssigned,
    CallBroughtHere,
    CallChanged,
    CallDeclined,
    CallHeld,
    CallJoined,
    CallResumed,
    CallStarted,
    CallSuggested,
    ColleagueJoined,
    Event,
    MessageSent,
    Opened,
    PageVisited,
    Sealed,
    TimerFired,
    WrappedUp,
)
from signaling.protocol import (
    Capability,
    CobrowseStep,
    ControlKind,
    DeviceId,
    EndReason,
    MediaKind,
    ParticipantId,
    PhaseName,
    RoleName,
)
from signaling.roles import SILENT
from signaling.sharing import (
    CapabilityAsked,
    CapabilityGranted,
    CapabilityRevoked,
    CobrowseDeclined,
    CobrowsePaused,
    CobrowseRequested,
    CobrowseResumed,
    CobrowseStarted,
    CodeIssued,
    CodeUsed,
    SecretsMasked,
    ViewerJoined,
    ViewerLeft,
)
from signaling.state import Call, Cobrowse, Engagement, Phase

CallStep = Literal[
    "suggested", "declined", "requested", "joined", "connected", "held", "resumed", "moved", "ended"
]


class Draft(Struct, frozen=True, kw_only=True):
    """Base. seq/at_ms: of the event that made it. agents_only: never shown to the visitor."""

    seq: int
    at_ms: int
    by: ParticipantId
    agents_only: bool = False


class MessageDraft(Draft, frozen=True):
    content: Sealed
    device: DeviceId
    counter: int


class JoinedDraft(Draft, frozen=True):
    role: RoleName


class LeftDraft(Draft, frozen=True):
    pass


class CallDraft(Draft, frozen=True):
    """what: as in protocol.CallItem; duration_ms only on `ended`."""

    what: CallStep
    media: MediaKind = "audio"
    duration_ms: int = 0


class VideoDraft(Draft, frozen=True):
    on: bool
    media: MediaKind = "video"


class ConsentDraft(Draft, frozen=True):
    capability: Capability


class CobrowseDraft(Draft, frozen=True):
    """Fields as in protocol.CobrowseItem."""

    what: CobrowseStep
    capability: Capability = "view"
    kinds: tuple[ControlKind, ...] = ()
    origin: str = ""
    expires_ms: int = 0
    wording_sha256: str = ""
    language: str = ""
    count: int = 0


class PageDraft(Draft, frozen=True):
    page: Sealed


class NoteDraft(Draft, frozen=True):
    code: str
    note: Sealed | None


class PhaseDraft(Draft, frozen=True):
    phase: PhaseName
    reason: EndReason


def drafts(before: Engagement | None, event: Event, after: Engagement) -> tuple[Draft, ...]:
    """The items that `event` adds, in the order in which they are shown."""
    made: list[Draft] = []
    seq, at_ms = after.seq, event.at_ms
    by = getattr(event, "by", after.visitor)
    if isinstance(event, Opened) and event.page is not None:
        made.append(PageDraft(seq=seq, at_ms=at_ms, by=by, page=event.page, agents_only=True))
    if before is not None:
        made += _said(event, seq, at_ms)
        made += _call_items(before, event, after, by)
        made += _cobrowse_items(before, event, after, by)
    if before is not None:
        made += _came_and_went(before, event, after)
    if before is None or before.phase != after.phase:
        made += _phase_items(event, after, by)
    return tuple(made)


def _came_and_went(before: Engagement, event: Event, after: Engagement) -> list[Draft]:
    """Agents and colleagues; the visitor does not learn of those who only listen."""
    seq, at_ms = after.seq, event.at_ms
    made: list[Draft] = []
    if isinstance(event, ColleagueJoined):
        leg = after.leg_of(event.by)
        hidden = (leg.mode if leg is not None else event.mode) in SILENT
        made.append(JoinedDraft(seq=seq, at_ms=at_ms, by=event.by, role=event.role, agents_only=hidden))
    for gone in before.participants.keys() - after.participants.keys():
        leg = before.leg_of(gone)
        hidden = leg is not None and leg.mode in SILENT
        made.append(LeftDraft(seq=seq, at_ms=at_ms, by=gone, agents_only=hidden))
    return made


def _said(event: Event, seq: int, at_ms: int) -> list[Draft]:
    match event:
        case MessageSent(by=by, content=content, device=device, counter=counter):
            return [
                MessageDraft(seq=seq, at_ms=at_ms, by=by, content=content, device=device, counter=counter)
            ]
        case PageVisited(by=by, page=page):
            return [PageDraft(seq=seq, at_ms=at_ms, by=by, page=page, agents_only=True)]
        case WrappedUp(by=by, code=code, note=note):
            return [NoteDraft(seq=seq, at_ms=at_ms, by=by, code=code, note=note, agents_only=True)]
        case AgentAssigned(agent=agent, role=role):
            return [JoinedDraft(seq=seq, at_ms=at_ms, by=agent, role=role)]
        case CallStarted(by=by, consent=consent, video=video):
            given: list[Draft] = [ConsentDraft(seq=seq, at_ms=at_ms, by=by, capability=consent.capability)]
            return given + ([VideoDraft(seq=seq, at_ms=at_ms, by=by, on=True)] if video else [])
        case CallChanged(by=by, consent=consent) if consent is not None:
            return [ConsentDraft(seq=seq, at_ms=at_ms, by=by, capability=consent.capability)]
        case _:
            return []


_CALL_STEPS: dict[type[Event], CallStep] = {
    CallSuggested: "suggested",
    CallDeclined: "declined",
    CallStarted: "requested",
    CallJoined: "joined",
    CallHeld: "held",
    CallResumed: "resumed",
    CallBroughtHere: "moved",
}


def _call_items(before: Engagement, event: Event, after: Engagement, by: ParticipantId) -> list[Draft]:
    seq, at_ms = after.seq, event.at_ms
    made: list[Draft] = []
    if (what := _CALL_STEPS.get(type(event))) is not None:
        media: MediaKind = event.media if isinstance(event, CallSuggested) else "audio"
        made.append(CallDraft(seq=seq, at_ms=at_ms, by=by, what=what, media=media))
    if isinstance(event, CallChanged):
        was, now = before.leg_of(by), after.leg_of(by)
        if was is not None and now is not None and was.video != now.video:
            made.append(VideoDraft(seq=seq, at_ms=at_ms, by=by, on=now.video))
        if was is not None and now is not None and bool(was.screen) != bool(now.screen):
            made.append(VideoDraft(seq=seq, at_ms=at_ms, by=by, on=bool(now.screen), media="screen"))
    if before.call is Call.NEGOTIATING and after.call is Call.CONNECTED:
        made.append(CallDraft(seq=seq, at_ms=at_ms, by=by, what="connected"))
    if before.call is not Call.NONE and after.call is Call.NONE:
        duration_ms = at_ms - before.connected_ms if before.connected_ms else 0
        made.append(CallDraft(seq=seq, at_ms=at_ms, by=by, what="ended", duration_ms=duration_ms))
    return made


_COBROWSE_STEPS: dict[type[Event], CobrowseStep] = {
    CobrowseRequested: "requested",
    CobrowseStarted: "started",
    CobrowseDeclined: "declined",
    CobrowsePaused: "paused",
    CobrowseResumed: "resumed",
    CapabilityAsked: "asked",
    CapabilityGranted: "granted",
    CapabilityRevoked: "revoked",
    ViewerJoined: "viewer_joined",
    ViewerLeft: "viewer_left",
    SecretsMasked: "masked",
    CodeIssued: "code_issued",
    CodeUsed: "code_used",
}


def _cobrowse_items(before: Engagement, event: Event, after: Engagement, by: ParticipantId) -> list[Draft]:
    """Receipts of what the visitor allowed, and what became of it."""
    common: dict[str, Any] = {"seq": after.seq, "at_ms": event.at_ms, "by": by}
    made: list[Draft] = []
    if (what := _COBROWSE_STEPS.get(type(event))) is not None:
        made.append(CobrowseDraft(**{**common, **_receipt(event, after)}, what=what))
    if before.cobrowse is not Cobrowse.OFF and after.cobrowse is Cobrowse.OFF and what != "declined":
        made.append(CobrowseDraft(**common, what="stopped"))
    if isinstance(event, TimerFired):
        gone = before.grants.keys() - after.grants.keys() if after.cobrowse is not Cobrowse.OFF else ()
        made += [CobrowseDraft(**common, what="expired", capability=capability) for capability in gone]
    return made


def _receipt(event: Event, after: Engagement) -> dict[str, Any]:
    match event:
        case CobrowseStarted(consent=consent, origin=origin) | CodeIssued(consent=consent, origin=origin):
            return {
                "origin": origin,
                "wording_sha256": consent.wording_sha256,
                "language": consent.language,
            }
        case CapabilityGranted(consent=consent, kinds=kinds, origin=origin):
            grant = after.grants[consent.capability]
            return {
                "capability": consent.capability,
                "kinds": kinds,
                "origin": origin,
                "expires_ms": grant.expires_ms,
                "wording_sha256": consent.wording_sha256,
                "language": consent.language,
            }
        case CapabilityAsked(capability=capability, kinds=kinds):
            return {"capability": capability, "kinds": kinds}
        case CobrowseDeclined(capability=capability) | CapabilityRevoked(capability=capability):
            return {"capability": capability}
        case ViewerJoined(participant=participant) | ViewerLeft(participant=participant):
            return {"by": participant}
        case SecretsMasked(count=count):
            return {"count": count, "agents_only": True}
        case _:
            return {}


def _phase_items(event: Event, after: Engagement, by: ParticipantId) -> list[Draft]:
    """Queue steps back and forth are the agents' concern; the end is everybody's."""
    internal = after.phase in (Phase.OFFERED, Phase.QUEUED, Phase.OPEN)
    return [
        PhaseDraft(
            seq=after.seq,
            at_ms=event.at_ms,
            by=by,
            phase=after.phase.value,
            reason=after.end_reason,
            agents_only=internal,
        )
    ]
