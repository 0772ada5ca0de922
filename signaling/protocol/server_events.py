"""What the server tells: past-tense events; clients ignore what they do not know."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from signaling.protocol.ids import (
    AvailabilityName,
    DeviceId,
    EngagementId,
    LegId,
    LegMode,
    OfferId,
    ParticipantId,
    RoleName,
    SiteId,
)
from signaling.protocol.parts import (
    Page,
    PathOffer,
)
from signaling.protocol.views import (
    EngagementSnapshot,
    EngagementView,
    MarkView,
    MessageItem,
    ParticipantView,
    TimelineItem,
    WireError,
)


class ServerEvent(Struct, frozen=True, tag_field="type"):
    """Base of all events."""


class SessionReady(ServerEvent, tag="session.ready", frozen=True):
    """First event on a connection. `engagements`: those this participant is in, with all missed.

    check_ms: how often to ask `session.check` while something goes on; 0: a dead server is noticed anyway.
    servers: other addresses of this service, for when this one does not answer.
    """

    protocol: int
    participant: ParticipantId
    role: RoleName
    name: str
    site: SiteId
    server_ms: int
    engagements: list[EngagementSnapshot]
    availability: AvailabilityName = "offline"
    capacity: int = 0
    check_ms: int = 0
    servers: list[str] = []


class SessionClosing(ServerEvent, tag="session.closing", frozen=True):
    """The node drains or the connection is refused from now on; reconnect after the wait."""

    code: str
    retry_after_ms: int = 0


class EngagementSnapshotEvent(ServerEvent, tag="engagement.snapshot", frozen=True):
    """An engagement this connection had not seen yet (the agent was just assigned)."""

    snapshot: EngagementSnapshot


class EngagementChanged(ServerEvent, tag="engagement.changed", frozen=True):
    """Something but a chat message happened: the new view whole, and the items it adds."""

    seq: int
    view: EngagementView
    items: list[TimelineItem] = []


class ChatPosted(ServerEvent, tag="chat.posted", frozen=True):
    engagement: EngagementId
    seq: int
    message: MessageItem


class ChatMarked(ServerEvent, tag="chat.marked", frozen=True):
    engagement: EngagementId
    seq: int
    mark: MarkView


class ChatTypingChanged(ServerEvent, tag="chat.typing_changed", frozen=True):
    engagement: EngagementId
    participant: ParticipantId
    typing: bool


class QueueMoved(ServerEvent, tag="queue.moved", frozen=True):
    """position: 1 = next; agents: how many are at work now (0: nobody is there)."""

    engagement: EngagementId
    position: int
    agents: int


class OfferMade(ServerEvent, tag="offer.made", frozen=True):
    """Work for an agent: who, what, on which page, waiting since when; answer before due_ms."""

    offer: OfferId
    engagement: EngagementId
    due_ms: int
    remaining_ms: int
    waiting_since_ms: int
    visitor: ParticipantView
    wants: Literal["chat", "voice", "video"]
    first_text: str
    page: Page | None = None


class OfferWithdrawn(ServerEvent, tag="offer.withdrawn", frozen=True):
    offer: OfferId
    engagement: EngagementId
    reason: Literal["taken", "timeout", "visitor_left", "declined", "unavailable"]


class AgentChanged(ServerEvent, tag="agent.changed", frozen=True):
    """load of capacity engagements; missed: how many offers in a row ran out."""

    availability: AvailabilityName
    load: int
    capacity: int
    waiting: int
    missed: int = 0


class CallOffered(ServerEvent, tag="call.offered", frozen=True):
    """The server offers a path for my leg; answer with `call.answer`."""

    offer: PathOffer


class CallTicket(ServerEvent, tag="call.ticket", frozen=True):
    """The next path of my leg, prepared in advance: keep it over a page load, answer it there."""

    ticket: PathOffer


class CallMoved(ServerEvent, tag="call.moved", frozen=True):
    """My leg is held by another tab now: close the path here."""

    engagement: EngagementId
    leg: LegId
    device: DeviceId


class CallSpeaker(ServerEvent, tag="call.speaker", frozen=True):
    """Who speaks now, in calls of more than two."""

    engagement: EngagementId
    leg: LegId


class CallDirect(ServerEvent, tag="call.direct", frozen=True):
    """The other leg's `call.signal_direct`."""

    engagement: EngagementId
    attempt: str
    kind: Literal["offer", "answer", "candidate", "close"]
    body: str = ""


class EngagementInvited(ServerEvent, tag="engagement.invited", frozen=True):
    """A colleague asks me into an engagement; answer with `engagement.join`."""

    engagement: EngagementId
    by: ParticipantId
    by_name: str
    mode: LegMode
    visitor: ParticipantView


class ErrorEvent(ServerEvent, tag="error", frozen=True):
    """A fault of something that had no ack id."""

    error: WireError


AnyServerEvent = (
    SessionReady
    | SessionClosing
    | EngagementSnapshotEvent
    | EngagementChanged
    | ChatPosted
    | ChatMarked
    | ChatTypingChanged
    | QueueMoved
    | OfferMade
    | OfferWithdrawn
    | AgentChanged
    | CallOffered
    | CallTicket
    | CallMoved
    | CallSpeaker
    | CallDirect
    | EngagementInvited
    | ErrorEvent
)
