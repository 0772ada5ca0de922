"""The fence in front of an engagement: which event is possible in which phase, and whose.

A table and four questions; nothing is changed but the memory of posts seen. An event that is not in
the table is impossible in every phase (default deny). Source: docs/architecture.md, "regions".
"""

from __future__ import annotations

from signaling.errors import EngagementClosed, InvalidTransition
from signaling.events import (
    AgentAssigned,
    AgentEnded,
    AgentOffered,
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
    ColleagueInvited,
    ColleagueJoined,
    ColleagueLeft,
    DirectSignalled,
    EngagementEvent,
    Event,
    LegModeSet,
    Marked,
    MessageSent,
    OfferEnded,
    PageVisited,
    ParticipantAway,
    ParticipantOnline,
    PathConnected,
    PathLost,
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
from signaling.state import SEEN_POSTS, Engagement, Phase, Work

WAITING = frozenset({Phase.OPEN, Phase.QUEUED, Phase.OFFERED})
LIVE = WAITING | {Phase.ACTIVE}
ANY = frozenset(Phase)

# In which phases an event is possible. (Ended or, for the visitor, wrap-up: EngagementClosed.)
PHASE_TABLE: dict[type[Event], frozenset[Phase]] = {
    MessageSent: LIVE,
    Marked: ANY,
    CallSuggested: frozenset({Phase.ACTIVE}),
    CallDeclined: LIVE,
    CallStarted: LIVE,
    CallJoined: frozenset({Phase.ACTIVE}),
    CallChanged: LIVE,
    CallHeld: frozenset({Phase.ACTIVE}),
    CallResumed: frozenset({Phase.ACTIVE}),
    CallHungUp: LIVE,
    CallBroughtHere: LIVE,
    LegModeSet: frozenset({Phase.ACTIVE}),
    ColleagueInvited: frozenset({Phase.ACTIVE}),
    ColleagueJoined: frozenset({Phase.ACTIVE}),
    ColleagueLeft: frozenset({Phase.ACTIVE}),
    DirectSignalled: LIVE,
    PathConnected: LIVE,
    PathLost: LIVE,
    PathRequested: LIVE,
    AnswerReceived: LIVE,
    ParticipantOnline: ANY,
    ParticipantAway: ANY,
    PageVisited: LIVE,
    VisitorIdentified: LIVE,
    VisitorLeft: LIVE,
    AgentEnded: frozenset({Phase.ACTIVE}),
    WrappedUp: frozenset({Phase.WRAP_UP}),
    AgentOffered: frozenset({Phase.QUEUED}),
    OfferEnded: frozenset({Phase.OFFERED}),
    AgentAssigned: frozenset({Phase.QUEUED, Phase.OFFERED}),
    TypingChanged: LIVE,
    Recovered: ANY,
    TimerFired: ANY,
    PostConfirmed: ANY,
    CobrowseRequested: frozenset({Phase.ACTIVE}),
    CobrowseStarted: LIVE,
    CobrowseDeclined: LIVE,
    CobrowsePaused: LIVE,
    CobrowseResumed: LIVE,
    CobrowseStopped: LIVE,
    CapabilityAsked: frozenset({Phase.ACTIVE}),
    CapabilityGranted: LIVE,
    CapabilityRevoked: LIVE,
    ViewerJoined: LIVE,
    ViewerLeft: ANY,
    SecretsMasked: LIVE,
    CodeIssued: LIVE,
    CodeUsed: LIVE,
}


def admit(state: Engagement, event: EngagementEvent) -> None:
    """The permission fence: is this event possible now, and is its sender part of this?"""
    allowed = PHASE_TABLE.get(type(event))
    if allowed is None:
        raise InvalidTransition(type(event).__name__, state.phase)
    sender = getattr(event, "by", None)
    newcomers = ParticipantOnline | ParticipantAway | ColleagueJoined | CodeUsed
    if sender is not None and not isinstance(event, newcomers):
        state.participant(sender)
    if state.phase not in allowed and not isinstance(event, PostedEvent):
        closed = state.phase is Phase.ENDED or state.phase is Phase.WRAP_UP
        raise (EngagementClosed if closed else InvalidTransition)(type(event).__name__, state.phase)


def seen_before(work: Work, event: EngagementEvent) -> bool:
    """Posts arrive at least once; a repeated one, or one that came too late, changes nothing."""
    if not isinstance(event, PostedEvent):
        return False
    key = post_key(event)
    if key in work.state.seen_posts:
        return True
    work.state.seen_posts[key] = None
    if len(work.state.seen_posts) > SEEN_POSTS:
        del work.state.seen_posts[next(iter(work.state.seen_posts))]
    return work.state.phase not in PHASE_TABLE[type(event)] and not isinstance(event, AgentAssigned)


def post_key(event: PostedEvent) -> str:
    return f"{event.origin}/{event.post}"


def stale(state: Engagement, event: EngagementEvent) -> bool:
    return isinstance(event, TimerFired) and state.timers.get(event.name) != event.due_ms
