"""What can happen: the events of the two machines (what they may order: `effects.py`).

Events are past-tense facts; the durable ones are the records of an actor's log, so their tags and
field meanings are never reused (`tests/vectors/` keeps one of each for ever). Time is a field, ids
are minted by the shell, content (text, names, pages, file keys) is `Sealed`: encrypted by the shell
before it gets here, opaque to every rule.
Source: docs/architecture.md, sections "log" and "content".
"""

from __future__ import annotations

from typing import ClassVar, Literal

from signaling.event import CommandEvent as CommandEvent
from signaling.event import Ephemeral as Ephemeral
from signaling.event import Event as Event
from signaling.event import Sealed as Sealed
from signaling.event import Wants as Wants
from signaling.policy import Policy as Policy
from signaling.protocol import (
    ActorId,
    AvailabilityName,
    AwayReason,
    Consent,
    DeviceId,
    EngagementId,
    LegId,
    LegMode,
    MediaKind,
    OfferId,
    ParticipantId,
    PathId,
    RoleName,
    SiteId,
)
from signaling.sharing import SharingEvent as SharingEvent

# --- engagement: durable ------------------------------------------------------------------


class Opened(Event, tag="opened", frozen=True):
    """First record of an engagement. name/page: sealed; subject: sealed verified id or None."""

    site: SiteId
    engagement: EngagementId
    visitor: ParticipantId
    device: DeviceId
    name: Sealed | None = None
    subject: Sealed | None = None
    page: Sealed | None = None
    verified: bool = False
    policy: Policy = Policy()


class MessageSent(CommandEvent, tag="message_sent", frozen=True):
    content: Sealed


class Marked(Event, tag="marked", frozen=True):
    by: ParticipantId
    delivered: int
    read: int


class CallSuggested(CommandEvent, tag="call_suggested", frozen=True):
    media: MediaKind


class CallDeclined(CommandEvent, tag="call_declined", frozen=True):
    pass


class CallStarted(CommandEvent, tag="call_started", frozen=True):
    """leg: id minted for the visitor's leg."""

    leg: LegId
    video: bool
    consent: Consent


class CallJoined(CommandEvent, tag="call_joined", frozen=True):
    leg: LegId


class CallChanged(CommandEvent, tag="call_changed", frozen=True):
    muted: bool
    video: bool
    consent: Consent | None = None
    screen: bool = False


class LegModeSet(CommandEvent, tag="leg_mode_set", frozen=True):
    """Whom the participant's leg talks to and hears."""

    participant: ParticipantId
    mode: LegMode


class ColleagueInvited(CommandEvent, tag="colleague_invited", frozen=True):
    agent: ParticipantId
    mode: LegMode


class ColleagueJoined(CommandEvent, tag="colleague_joined", frozen=True):
    """mode None: as invited. leg: minted for its leg, used while there is a call."""

    site: SiteId
    role: RoleName
    leg: LegId
    mode: LegMode | None = None


class CallHeld(CommandEvent, tag="call_held", frozen=True):
    pass


class CallResumed(CommandEvent, tag="call_resumed", frozen=True):
    pass


class CallHungUp(CommandEvent, tag="call_hung_up", frozen=True):
    pass


class CallBroughtHere(CommandEvent, tag="call_brought_here", frozen=True):
    """The leg of `by` is from now on held by `device`."""


class PathConnected(Event, tag="path_connected", frozen=True):
    """A path of the leg is through ICE, DTLS and the fingerprint check: it carries media."""

    said_once: ClassVar[bool] = True

    leg: LegId
    path: PathId


class PathLost(Event, tag="path_lost", frozen=True):
    """The leg's only path died; the leg stays and awaits another."""

    said_once: ClassVar[bool] = True

    leg: LegId
    path: PathId


class ParticipantOnline(Event, tag="participant_online", frozen=True):
    """A first device of the participant is connected."""

    said_once: ClassVar[bool] = True

    by: ParticipantId
    device: DeviceId


class ParticipantAway(Event, tag="participant_away", frozen=True):
    """The participant's last device is gone."""

    said_once: ClassVar[bool] = True

    by: ParticipantId
    reason: AwayReason


class PageVisited(Event, tag="page_visited", frozen=True):
    by: ParticipantId
    page: Sealed


class VisitorIdentified(Event, tag="visitor_identified", frozen=True):
    """The visitor signed in at the company while the engagement goes on. name, subject: as in Opened."""

    by: ParticipantId
    name: Sealed | None
    subject: Sealed


class VisitorLeft(CommandEvent, tag="visitor_left", frozen=True):
    pass


class ColleagueLeft(CommandEvent, tag="colleague_left", frozen=True):
    pass


class AgentEnded(CommandEvent, tag="agent_ended", frozen=True):
    pass


class WrappedUp(CommandEvent, tag="wrapped_up", frozen=True):
    code: str
    note: Sealed | None = None


class Recovered(Event, tag="recovered", frozen=True):
    """Loaded from the log: nobody is connected, every leg awaits a path."""

    said_once: ClassVar[bool] = True


class TimerFired(Event, tag="timer_fired", frozen=True):
    """due_ms must equal the timer's due time in the state, else it is stale and ignored."""

    name: str
    due_ms: int


class PostConfirmed(Event, tag="post_confirmed", frozen=True):
    """The other actor has committed our post number `post`."""

    post: int


class PostedEvent(Event, frozen=True):
    """An event that another actor posted. Receivers dedupe by (origin, post)."""

    origin: ActorId
    post: int


class AgentOffered(PostedEvent, tag="agent_offered", frozen=True):
    """From routing: this engagement rings at `agent` until due_ms."""

    agent: ParticipantId
    offer: OfferId
    due_ms: int


class OfferEnded(PostedEvent, tag="offer_ended", frozen=True):
    """From routing: the offer ran out or was declined; the engagement is queued again."""

    offer: OfferId
    reason: Literal["timeout", "declined", "unavailable"]


class AgentAssigned(PostedEvent, tag="agent_assigned", frozen=True):
    """From routing: the agent accepted. leg: minted for the agent's leg (used if a call is wanted)."""

    agent: ParticipantId
    role: RoleName
    offer: OfferId
    device: DeviceId
    leg: LegId


# --- engagement: ephemeral (never appended; state must come out unchanged) ------------------


class TypingChanged(Ephemeral, tag="~typing", frozen=True):
    by: ParticipantId
    typing: bool


class DirectSignalled(Ephemeral, tag="~direct_signalled", frozen=True):
    """Something for the other leg of a direct call."""

    by: ParticipantId
    device: DeviceId
    attempt: str
    kind: Literal["offer", "answer", "candidate", "close"]
    body: str


class PathRequested(Ephemeral, tag="~path_requested", frozen=True):
    """`by` wants a fresh path of its leg on `device`."""

    by: ParticipantId
    device: DeviceId


class AnswerReceived(Ephemeral, tag="~answer", frozen=True):
    by: ParticipantId
    device: DeviceId
    path: PathId
    revision: int
    sdp: str


EngagementEvent = (
    Opened
    | MessageSent
    | Marked
    | CallSuggested
    | CallDeclined
    | CallStarted
    | CallJoined
    | CallChanged
    | LegModeSet
    | ColleagueInvited
    | ColleagueJoined
    | ColleagueLeft
    | CallHeld
    | CallResumed
    | CallHungUp
    | CallBroughtHere
    | PathConnected
    | PathLost
    | ParticipantOnline
    | ParticipantAway
    | PageVisited
    | VisitorIdentified
    | VisitorLeft
    | AgentEnded
    | WrappedUp
    | Recovered
    | TimerFired
    | PostConfirmed
    | AgentOffered
    | OfferEnded
    | AgentAssigned
    | TypingChanged
    | DirectSignalled
    | PathRequested
    | AnswerReceived
    | SharingEvent
)


# --- routing (one actor per site): all durable ----------------------------------------------


class SiteOpened(Event, tag="site_opened", frozen=True):
    """First record of a site's routing actor."""

    site: SiteId
    policy: Policy = Policy()


class AgentConnected(Event, tag="agent_connected", frozen=True):
    """First device of an agent. A known agent keeps availability and load."""

    agent: ParticipantId
    role: RoleName
    capacity: int


class AgentDisconnected(Event, tag="agent_disconnected", frozen=True):
    """Last device gone: offers go back to the queue at once; grace before `offline`."""

    said_once: ClassVar[bool] = True

    agent: ParticipantId


class AvailabilitySet(Event, tag="availability_set", frozen=True):
    agent: ParticipantId
    availability: AvailabilityName


class EngagementWaiting(PostedEvent, tag="engagement_waiting", frozen=True):
    """arrived_ms orders the queue; a re-queued engagement brings its old one."""

    engagement: EngagementId
    arrived_ms: int
    wants: Wants


class EngagementGone(PostedEvent, tag="engagement_gone", frozen=True):
    """The engagement no longer waits (visitor left)."""

    engagement: EngagementId


class EngagementReleased(PostedEvent, tag="engagement_released", frozen=True):
    """The agent's capacity is free again."""

    engagement: EngagementId
    agent: ParticipantId


class OfferAccepted(Event, tag="offer_accepted", frozen=True):
    """device: the agent's tab; leg: minted by the shell. Answering twice is no error."""

    agent: ParticipantId
    device: DeviceId
    engagement: EngagementId
    offer: OfferId
    leg: LegId


class OfferDeclined(Event, tag="offer_declined", frozen=True):
    agent: ParticipantId
    engagement: EngagementId
    offer: OfferId


RoutingEvent = (
    SiteOpened
    | AgentConnected
    | AgentDisconnected
    | AvailabilitySet
    | EngagementWaiting
    | EngagementGone
    | EngagementReleased
    | OfferAccepted
    | OfferDeclined
    | TimerFired
    | PostConfirmed
    | Recovered
)

AnyEvent = EngagementEvent | RoutingEvent


Posted = AgentOffered | OfferEnded | AgentAssigned | EngagementWaiting | EngagementGone | EngagementReleased
