"""The state of an engagement as one reader may see it, its timeline, and a command's answer."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from signaling.protocol.ids import (
    AwayReason,
    CallStateName,
    Capability,
    CobrowseStateName,
    CobrowseStep,
    ControlKind,
    DeviceId,
    EndReason,
    EngagementId,
    LegId,
    LegMode,
    LegStateName,
    MediaKind,
    ParticipantId,
    PhaseName,
    PresenceName,
    RoleName,
    SiteId,
)
from signaling.protocol.parts import (
    CobrowseAccess,
    FileInfo,
    Page,
    PathOffer,
)


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
    """`device` is the tab that holds the leg; seat: which place it has in others' descriptions.

    In the description of the leg with seat `mine`, what the leg with seat `theirs` sends arrives in slot
    `theirs if theirs < mine else theirs - 1` of each kind (docs/protocol.md, section 5).
    """

    id: LegId
    participant: ParticipantId
    state: LegStateName
    device: DeviceId
    muted: bool = False
    video: bool = False
    screen: bool = False
    mode: LegMode = "talk"
    seat: int = 0


class CallView(Struct, frozen=True):
    """suggestion/suggested_by: an open proposal of voice, video or a screen, "" when none.

    direct: the two legs may connect to each other by `call.signal_direct`.
    """

    state: CallStateName
    video_wanted: bool = False
    suggestion: Literal["", "audio", "video", "screen"] = ""
    suggested_by: ParticipantId | None = None
    connected_ms: int = 0
    legs: list[LegView] = []
    direct: bool = False


class GrantView(Struct, frozen=True):
    """expires_ms: server epoch time, 0: as long as the page is shared. kinds, origin, holder: of control.

    holder: who asked for it, and alone may use it; holder_name: its display name.
    """

    id: str
    capability: Capability
    kinds: list[ControlKind]
    origin: str
    at_ms: int
    expires_ms: int
    holder: ParticipantId | None = None
    holder_name: str = ""


class AskView(Struct, frozen=True):
    """A capability that an agent asked for and the visitor has not answered."""

    capability: Capability
    kinds: list[ControlKind]
    by: ParticipantId


class ViewerView(Struct, frozen=True):
    """Who looks at the page, since when."""

    participant: ParticipantId
    name: str
    since_ms: int


class CobrowseView(Struct, frozen=True):
    """The shared page. code: for the visitor alone, to tell somebody who is on the phone; until code_due_ms.

    masked: how many secrets the server had to hide that the page had not.
    """

    state: CobrowseStateName = "off"
    requested_by: ParticipantId | None = None
    since_ms: int = 0
    asks: list[AskView] = []
    grants: list[GrantView] = []
    viewers: list[ViewerView] = []
    masked: int = 0
    code: str = ""
    code_due_ms: int = 0


class MarkView(Struct, frozen=True):
    participant: ParticipantId
    delivered: int
    read: int


class EngagementView(Struct, frozen=True):
    """Everything but the timeline. Replaced whole on every change, so no client can drift.

    agent: whose engagement it is; other agents among the participants are colleagues.
    """

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
    agent: ParticipantId | None = None
    page: Page | None = None
    wrap_up_due_ms: int = 0
    cobrowse: CobrowseView = CobrowseView()


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
    """Camera or screen went on or off."""

    seq: int
    at_ms: int
    by: ParticipantId
    on: bool
    media: MediaKind = "video"


class ConsentItem(Struct, frozen=True, tag_field="kind", tag="consent"):
    seq: int
    at_ms: int
    by: ParticipantId
    capability: Capability


class CobrowseItem(Struct, frozen=True, tag_field="kind", tag="cobrowse"):
    """A step of the shared page. On `started` and `granted` it is the receipt of the visitor's consent.

    count: how many secrets were hidden (`masked`). wording_sha256, language: of the words the visitor agreed
    to.
    """

    seq: int
    at_ms: int
    by: ParticipantId
    what: CobrowseStep
    name: str = ""
    capability: Capability = "view"
    kinds: list[ControlKind] = []
    origin: str = ""
    expires_ms: int = 0
    wording_sha256: str = ""
    language: str = ""
    count: int = 0


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
    | CobrowseItem
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
    cobrowse: CobrowseAccess | None = None
    snapshot: EngagementSnapshot | None = None
    error: WireError | None = None
