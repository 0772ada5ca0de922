"""Id types, limits and the closed sets of names that travel on the wire."""

from __future__ import annotations

from typing import Annotated, Literal, NewType

from msgspec import Meta

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
MediaKind = Literal["audio", "video", "screen"]
Capability = Literal["audio", "video", "screen", "view", "point", "control", "record"]
ControlKind = Literal["scroll", "click", "type", "navigate"]
CobrowseStep = Literal[
    "requested",
    "declined",
    "started",
    "paused",
    "resumed",
    "stopped",
    "asked",
    "granted",
    "revoked",
    "expired",
    "viewer_joined",
    "viewer_left",
    "masked",
    "code_issued",
    "code_used",
]
CobrowseStateName = Literal["off", "requested", "live", "paused"]
LegMode = Literal["talk", "hold", "consult", "monitor", "whisper", "barge"]
AvailabilityName = Literal["offline", "ready", "busy", "break"]
EndReason = Literal["", "visitor_left", "agent_ended", "abandoned", "agent_lost"]

# The places of a leg, in the order of its m-sections (mid = index): kind, and which of that kind. Slot 0
# goes both ways, the others bring further people's voices and pictures. MAX_SEATS people fit in a call.
PLACES: tuple[tuple[MediaKind, int], ...] = (
    ("audio", 0),
    ("video", 0),
    ("screen", 0),
    ("audio", 1),
    ("video", 1),
    ("audio", 2),
    ("video", 2),
)
MAX_SEATS = 4
