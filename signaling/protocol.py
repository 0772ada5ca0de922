"""The wire: every command a client may send, every event a server sends, and their limits.

This module only declares shapes. A command is imperative, forbids unknown fields and travels
as a Socket.IO event whose name is the tag (`chat.send`); its answer is the Socket.IO ack
(`Ack` or `{"error": WireError}`). An event is past tense; clients ignore fields they do not
know. `talknow schema` turns these Structs into `schema.json` and `generated.ts`; lengths and
ranges do not survive into TypeScript, the server alone enforces them.
Source: README, walk "chat message"; RFC 8829 for descriptions; `docs/protocol.md` for strangers.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, NewType

from msgspec import Meta, Struct

PROTOCOL_VERSION = 1

MAX_TEXT_CHARS = 4_000
MAX_FRAME_BYTES = 256 * 1024
MAX_SDP_BYTES = 32 * 1024
MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_JSON_DEPTH = 32
MAX_COUNTER = 2**53 - 1
SNAPSHOT_ITEMS = 200

SiteId = NewType("SiteId", str)
EngagementId = NewType("EngagementId", str)
ParticipantId = NewType("ParticipantId", str)
DeviceId = NewType("DeviceId", str)
LegId = NewType("LegId", str)
PathId = NewType("PathId", str)
OfferId = NewType("OfferId", str)
FileId = NewType("FileId", str)
ActorId = NewType("ActorId", str)
NodeId = NewType("NodeId", str)

Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
Counter = Annotated[int, Meta(ge=1, le=MAX_COUNTER)]
Seq = Annotated[int, Meta(ge=0, le=MAX_COUNTER)]
Name = Annotated[str, Meta(max_length=120)]
Url = Annotated[str, Meta(max_length=2_048)]

RoleName = Literal["visitor", "agent", "supervisor"]
PhaseName = Literal["open", "queued", "offered", "active", "wrap_up", "ended"]
CallStateName = Literal["none", "requested", "negotiating", "connected", "on_hold"]
PresenceName = Literal["online", "away", "gone"]
AwayReason = Literal["", "changing_page", "lost"]
LegStateName = Literal["awaiting_path", "connected"]
MediaKind = Literal["audio", "video"]
AvailabilityName = Literal["offline", "ready", "busy", "break"]
EndReason = Literal["", "visitor_left", "agent_ended", "abandoned", "agent_lost"]


# --- shared parts -------------------------------------------------------------------------


class Page(Struct, frozen=True, forbid_unknown_fields=True):
    """A page of the company's site as the visitor's browser names it."""

    url: Url
    title: Annotated[str, Meta(max_length=300)] = ""


class Consent(Struct, frozen=True, forbid_unknown_fields=True):
    """The visitor's recorded yes: capability, SHA-256 (hex) of the wording shown, BCP 47 language."""

    capability: MediaKind
    wording_sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    language: Annotated[str, Meta(max_length=35)] = "en"


class FileInfo(Struct, frozen=True):
    """An uploaded file as readers see it; `bytes` is its size. Fetched by `GET /v1/files/{id}`."""

    id: FileId
    name: str
    media_type: str
    bytes: int


class IceServer(Struct, frozen=True):
    """W3C RTCIceServer."""

    urls: list[str]
    username: str = ""
    credential: str = ""


class PathOffer(Struct, frozen=True):
    """A server offer for one path of a leg. Also what a next-path ticket holds.

    sdp: the offer, complete (ICE-lite, all candidates in it); answer it at once.
    expires_ms: server epoch time until when a first check is accepted.
    """

    engagement: EngagementId
    leg: LegId
    path: PathId
    revision: int
    sdp: str
    expires_ms: int
    ice_servers: list[IceServer] = []


# --- commands: client -> server -----------------------------------------------------------


class Command(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """Base of all commands; `roles` is the default-deny permission row the gateway checks."""

    roles: ClassVar[frozenset[str]] = frozenset()


_BOTH = frozenset({"visitor", "agent", "supervisor"})
_AGENT = frozenset({"agent", "supervisor"})
_VISITOR = frozenset({"visitor"})


class ChatSend(Command, tag="chat.send"):
    """Say something, or send an uploaded file. A visitor without an engagement opens one by it."""

    roles: ClassVar[frozenset[str]] = _BOTH
    counter: Counter
    text: str = ""
    engagement: Id | None = None
    file: Id | None = None


class ChatMark(Command, tag="chat.mark"):
    """Highest seq of a message this participant received and read; never goes back."""

    roles: ClassVar[frozenset[str]] = _BOTH
    engagement: Id
    delivered: Seq
    read: Seq


class ChatTyping(Command, tag="chat.typing"):
    roles: ClassVar[frozenset[str]] = _BOTH
    engagement: Id
    typing: bool


class CallSuggest(Command, tag="call.suggest"):
    """Propose voice (agent to visitor) or video (either way); the other side decides."""

    roles: ClassVar[frozenset[str]] = _BOTH
    counter: Counter
    engagement: Id
    media: MediaKind


class CallDecline(Command, tag="call.decline"):
    """Say no to the other side's suggestion; an agent also by it declines a requested call."""

    roles: ClassVar[frozenset[str]] = _BOTH
    counter: Counter
    engagement: Id


class CallStart(Command, tag="call.start"):
    """The visitor's **talk now**. Without an engagement it opens one and waits in the queue."""

    roles: ClassVar[frozenset[str]] = _VISITOR
    counter: Counter
    consent: Consent
    engagement: Id | None = None
    video: bool = False


class CallJoin(Command, tag="call.join"):
    """The agent takes part in a call that the visitor started."""

    roles: ClassVar[frozenset[str]] = _AGENT
    counter: Counter
    engagement: Id


class CallRequestChange(Command, tag="call.request_change"):
    """What I send from now on: microphone muted or not, camera on or off (no renegotiation)."""

    roles: ClassVar[frozenset[str]] = _BOTH
    counter: Counter
    engagement: Id
    muted: bool
    video: bool
    consent: Consent | None = None


class CallHold(Command, tag="call.hold"):
    roles: ClassVar[frozenset[str]] = _AGENT
    counter: Counter
    engagement: Id


class CallUnhold(Command, tag="call.unhold"):
    roles: ClassVar[frozenset[str]] = _AGENT
    counter: Counter
    engagement: Id


class CallHangUp(Command, tag="call.hang_up"):
    roles: ClassVar[frozenset[str]] = _BOTH
    counter: Counter
    engagement: Id


class CallBringHere(Command, tag="call.bring_here"):
    """Move my leg to the tab that says so; the tab that held it lets go."""

    roles: ClassVar[frozenset[str]] = _BOTH
    counter: Counter
    engagement: Id


class CallOpenPath(Command, tag="call.open_path"):
    """Ask for a fresh path of my leg. The ack carries `offer`. Same as `POST /v1/paths`."""

    roles: ClassVar[frozenset[str]] = _BOTH
    engagement: Id


class CallAnswer(Command, tag="call.answer"):
    """My description for a path. The ack carries the next-path `ticket`. Same as the POST."""

    roles: ClassVar[frozenset[str]] = _BOTH
    engagement: Id
    path: Id
    revision: Annotated[int, Meta(ge=0, le=2**31)]
    sdp: str


class PageVisit(Command, tag="page.visit"):
    roles: ClassVar[frozenset[str]] = _VISITOR
    engagement: Id
    page: Page


class PageLeave(Command, tag="page.leave"):
    """Sent in `pagehide`: what follows is a page change, not a hang-up."""

    roles: ClassVar[frozenset[str]] = _BOTH
    engagement: Id


class EngagementLeave(Command, tag="engagement.leave"):
    """The visitor ends the engagement."""

    roles: ClassVar[frozenset[str]] = _VISITOR
    counter: Counter
    engagement: Id


class EngagementEnd(Command, tag="engagement.end"):
    """The agent ends the engagement and goes to wrap-up."""

    roles: ClassVar[frozenset[str]] = _AGENT
    counter: Counter
    engagement: Id


class EngagementWrapUp(Command, tag="engagement.wrap_up"):
    """After-work is done: outcome code and note; the engagement is ended, capacity is free."""

    roles: ClassVar[frozenset[str]] = _AGENT
    counter: Counter
    engagement: Id
    code: Annotated[str, Meta(max_length=40)] = ""
    note: Annotated[str, Meta(max_length=MAX_TEXT_CHARS)] = ""


class EngagementSync(Command, tag="engagement.sync"):
    """Give me what I missed: the ack's `snapshot` has all items after `after_seq`."""

    roles: ClassVar[frozenset[str]] = _BOTH
    engagement: Id
    after_seq: Annotated[int, Meta(ge=-(2**53), le=2**53)] = 0


class AgentSetAvailability(Command, tag="agent.set_availability"):
    roles: ClassVar[frozenset[str]] = _AGENT
    availability: Literal["ready", "busy", "break"]


class OfferAccept(Command, tag="offer.accept"):
    roles: ClassVar[frozenset[str]] = _AGENT
    engagement: Id
    offer: Id


class OfferDecline(Command, tag="offer.decline"):
    roles: ClassVar[frozenset[str]] = _AGENT
    engagement: Id
    offer: Id


AnyCommand = (
    ChatSend
    | ChatMark
    | ChatTyping
    | CallSuggest
    | CallDecline
    | CallStart
    | CallJoin
    | CallRequestChange
    | CallHold
    | CallUnhold
    | CallHangUp
    | CallBringHere
    | CallOpenPath
    | CallAnswer
    | PageVisit
    | PageLeave
    | EngagementLeave
    | EngagementEnd
    | EngagementWrapUp
    | EngagementSync
    | AgentSetAvailability
    | OfferAccept
    | OfferDecline
)


class WireError(Struct, frozen=True):
    """The typed answer to a bad or impossible command. `ref` is the command's counter or name."""

    code: str
    message: str = ""
    ref: str = ""
    retry_after_ms: int = 0


class Ack(Struct, frozen=True):
    """A command's answer, sent after the commit: seq given by the log, and what was asked for."""

    seq: int = 0
    engagement: EngagementId | None = None
    at_ms: int = 0
    offer: PathOffer | None = None
    ticket: PathOffer | None = None
    snapshot: EngagementSnapshot | None = None
    error: WireError | None = None


# --- views: the state of an engagement as one reader may see it ---------------------------


class ParticipantView(Struct, frozen=True):
    """`verified_id` is the subject of the company's signed token; only agents see it."""

    id: ParticipantId
    role: RoleName
    name: str
    presence: PresenceName
    away_reason: AwayReason = ""
    verified: bool = False
    verified_id: str = ""


class LegView(Struct, frozen=True):
    """`device` is the tab that holds the leg."""

    id: LegId
    participant: ParticipantId
    state: LegStateName
    device: DeviceId
    muted: bool = False
    video: bool = False


class CallView(Struct, frozen=True):
    """suggestion/suggested_by: an open proposal of voice or video, "" when none."""

    state: CallStateName
    video_wanted: bool = False
    suggestion: Literal["", "audio", "video"] = ""
    suggested_by: ParticipantId | None = None
    connected_ms: int = 0
    legs: list[LegView] = []


class MarkView(Struct, frozen=True):
    participant: ParticipantId
    delivered: int
    read: int


class EngagementView(Struct, frozen=True):
    """Everything but the timeline. Replaced whole on every change, so no client can drift."""

    id: EngagementId
    site: SiteId
    phase: PhaseName
    seq: int
    opened_ms: int
    queued_ms: int
    ended_ms: int
    end_reason: EndReason
    participants: list[ParticipantView]
    call: CallView
    marks: list[MarkView]
    page: Page | None = None
    wrap_up_due_ms: int = 0


class MessageItem(Struct, frozen=True, tag_field="kind", tag="message"):
    """A chat message; `device`/`counter` let the sender match its own un-acked one."""

    seq: int
    at_ms: int
    by: ParticipantId
    text: str
    device: DeviceId
    counter: int
    file: FileInfo | None = None


class JoinedItem(Struct, frozen=True, tag_field="kind", tag="joined"):
    seq: int
    at_ms: int
    by: ParticipantId
    name: str
    role: RoleName


class LeftItem(Struct, frozen=True, tag_field="kind", tag="left"):
    seq: int
    at_ms: int
    by: ParticipantId
    name: str


class CallItem(Struct, frozen=True, tag_field="kind", tag="call"):
    """A step of the call: what happened, by whom; duration_ms on `ended` (0 if never connected)."""

    seq: int
    at_ms: int
    by: ParticipantId
    what: Literal[
        "suggested", "declined", "requested", "joined", "connected", "held", "resumed", "moved", "ended"
    ]
    media: MediaKind = "audio"
    duration_ms: int = 0


class VideoItem(Struct, frozen=True, tag_field="kind", tag="video"):
    seq: int
    at_ms: int
    by: ParticipantId
    on: bool


class ConsentItem(Struct, frozen=True, tag_field="kind", tag="consent"):
    seq: int
    at_ms: int
    by: ParticipantId
    capability: MediaKind


class PageItem(Struct, frozen=True, tag_field="kind", tag="page"):
    seq: int
    at_ms: int
    by: ParticipantId
    page: Page


class NoteItem(Struct, frozen=True, tag_field="kind", tag="note"):
    """Agents only."""

    seq: int
    at_ms: int
    by: ParticipantId
    code: str
    text: str


class PhaseItem(Struct, frozen=True, tag_field="kind", tag="phase"):
    seq: int
    at_ms: int
    phase: PhaseName
    reason: EndReason = ""


TimelineItem = (
    MessageItem
    | JoinedItem
    | LeftItem
    | CallItem
    | VideoItem
    | ConsentItem
    | PageItem
    | NoteItem
    | PhaseItem
)


class EngagementSnapshot(Struct, frozen=True):
    """`items` are all visible items with seq > after_seq, oldest first (at most SNAPSHOT_ITEMS).

    truncated: older items exist between after_seq and items[0]; read them by
    `GET /v1/engagements/{id}/timeline?before=SEQ`.
    """

    view: EngagementView
    items: list[TimelineItem]
    after_seq: int = 0
    truncated: bool = False


# --- events: server -> client -------------------------------------------------------------


class ServerEvent(Struct, frozen=True, tag_field="type"):
    """Base of all events."""


class SessionReady(ServerEvent, tag="session.ready"):
    """First event on a connection. `engagements`: those this participant is in, with all missed."""

    protocol: int
    participant: ParticipantId
    role: RoleName
    name: str
    site: SiteId
    server_ms: int
    engagements: list[EngagementSnapshot]
    availability: AvailabilityName = "offline"
    capacity: int = 0


class SessionClosing(ServerEvent, tag="session.closing"):
    """The node drains or the connection is refused from now on; reconnect after the wait."""

    code: str
    retry_after_ms: int = 0


class EngagementSnapshotEvent(ServerEvent, tag="engagement.snapshot"):
    """An engagement this connection had not seen yet (the agent was just assigned)."""

    snapshot: EngagementSnapshot


class EngagementChanged(ServerEvent, tag="engagement.changed"):
    """Something but a chat message happened: the new view whole, and the items it adds."""

    seq: int
    view: EngagementView
    items: list[TimelineItem] = []


class ChatPosted(ServerEvent, tag="chat.posted"):
    engagement: EngagementId
    seq: int
    message: MessageItem


class ChatMarked(ServerEvent, tag="chat.marked"):
    engagement: EngagementId
    seq: int
    mark: MarkView


class ChatTypingChanged(ServerEvent, tag="chat.typing_changed"):
    engagement: EngagementId
    participant: ParticipantId
    typing: bool


class QueueMoved(ServerEvent, tag="queue.moved"):
    """position: 1 = next; agents: how many are at work now (0: nobody is there)."""

    engagement: EngagementId
    position: int
    agents: int


class OfferMade(ServerEvent, tag="offer.made"):
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


class OfferWithdrawn(ServerEvent, tag="offer.withdrawn"):
    offer: OfferId
    engagement: EngagementId
    reason: Literal["taken", "timeout", "visitor_left", "declined", "unavailable"]


class AgentChanged(ServerEvent, tag="agent.changed"):
    """load of capacity engagements; missed: how many offers in a row ran out."""

    availability: AvailabilityName
    load: int
    capacity: int
    waiting: int
    missed: int = 0


class CallOffered(ServerEvent, tag="call.offered"):
    """The server offers a path for my leg; answer with `call.answer`."""

    offer: PathOffer


class CallTicket(ServerEvent, tag="call.ticket"):
    """The next path of my leg, prepared in advance: keep it over a page load, answer it there."""

    ticket: PathOffer


class CallMoved(ServerEvent, tag="call.moved"):
    """My leg is held by another tab now: close the path here."""

    engagement: EngagementId
    leg: LegId
    device: DeviceId


class ErrorEvent(ServerEvent, tag="error"):
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
    | ErrorEvent
)


# --- connecting and HTTP bodies -----------------------------------------------------------


class ConnectAuth(Struct, frozen=True, forbid_unknown_fields=True):
    """The Socket.IO CONNECT payload. `token`: visitor credential or agent access token.

    device: minted by the client, one per tab, kept over reloads (a duplicated tab mints anew).
    after_seq: highest seq seen of `engagement`, so that only what was missed is sent.
    """

    protocol: int
    token: Annotated[str, Meta(min_length=1, max_length=512)]
    device: Id
    site: Id | None = None
    engagement: Id | None = None
    after_seq: Seq = 0
    page: Page | None = None


class SessionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /v1/visitors/session`. token: the company's JWT; credential: kept from before."""

    site: Id
    token: Annotated[str, Meta(max_length=8_192)] | None = None
    credential: Annotated[str, Meta(max_length=512)] | None = None


class SessionReply(Struct, frozen=True):
    credential: str
    visitor: ParticipantId
    name: str
    verified: bool
    expires_ms: int


class WidgetConfig(Struct, frozen=True):
    """`GET /v1/sites/{site}/widget`: what the widget shows before anyone is connected."""

    site: SiteId
    name: str
    greeting: str
    language: str
    voice: bool
    video: bool
    max_file_bytes: int
    file_types: list[str]


class LoginRequest(Struct, frozen=True, forbid_unknown_fields=True):
    login: Annotated[str, Meta(min_length=1, max_length=120)]
    password: Annotated[str, Meta(min_length=1, max_length=1_024)]


class AgentInfo(Struct, frozen=True):
    """Reply of login and `GET /v1/agents/me`."""

    id: ParticipantId
    login: str
    name: str
    role: Literal["agent", "supervisor", "admin"]
    site: SiteId
    capacity: int


class AccessToken(Struct, frozen=True):
    """Reply of `POST /v1/agents/token`: short-lived, for the socket's CONNECT and Bearer headers."""

    token: str
    expires_ms: int


class PathRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /v1/paths` -> PathOffer."""

    engagement: Id
    device: Id


class AnswerRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /v1/paths/{path}/answer` -> AnswerReply."""

    engagement: Id
    device: Id
    revision: Annotated[int, Meta(ge=0, le=2**31)]
    sdp: str


class AnswerReply(Struct, frozen=True):
    ticket: PathOffer | None = None


class TimelinePage(Struct, frozen=True):
    """`GET /v1/engagements/{id}/timeline?before=SEQ`: items oldest first."""

    items: list[TimelineItem]
    more: bool


class Problem(Struct, frozen=True):
    """RFC 9457 problem+json with the same stable `code` as WireError."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    retry_after_ms: int = 0
