"""The state of one engagement: its regions as enums, and the Struct that `engagement.step` folds.

Only data and look-ups; every change is made by the handlers in `engagement.py` and `calls.py`
on a private copy. Regions are orthogonal (docs/architecture.md, "regions"): phase, call, and
presence per participant.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from signaling.effects import (
    AnyEffect,
    CancelTimer,
    Post,
    SetTimer,
)
from signaling.errors import InvalidTransition, NotFound
from signaling.events import (
    Posted,
    Sealed,
    Wants,
)
from signaling.policy import Policy
from signaling.protocol import (
    ActorId,
    AwayReason,
    Capability,
    ControlKind,
    DeviceId,
    EndReason,
    EngagementId,
    LegId,
    LegMode,
    OfferId,
    ParticipantId,
    PathId,
    RoleName,
    SiteId,
)

REMEMBERED_PER_DEVICE = 256
SEEN_POSTS = 256


class Phase(StrEnum):
    OPEN = "open"
    QUEUED = "queued"
    OFFERED = "offered"
    ACTIVE = "active"
    WRAP_UP = "wrap_up"
    ENDED = "ended"


class Call(StrEnum):
    NONE = "none"
    REQUESTED = "requested"
    NEGOTIATING = "negotiating"
    CONNECTED = "connected"
    ON_HOLD = "on_hold"


class Cobrowse(StrEnum):
    OFF = "off"
    REQUESTED = "requested"
    LIVE = "live"
    PAUSED = "paused"


class Presence(StrEnum):
    ONLINE = "online"
    AWAY = "away"
    GONE = "gone"


class Remembered(Struct, frozen=True):
    """The ack of a counted command, so that a retry gets the same one."""

    counter: int
    body_hash: bytes
    seq: int
    at_ms: int


class Participant(Struct, frozen=True):
    """delivered/read: highest message seq this participant has received and read."""

    id: ParticipantId
    role: RoleName
    presence: Presence = Presence.ONLINE
    away_reason: AwayReason = ""
    delivered: int = 0
    read: int = 0


class Leg(Struct, frozen=True):
    """A participant's place in the call. path None: it awaits a path, the call goes on.

    seat: its number among the call's legs, kept while it is in. screen: 0, or larger than that of whoever
    shared before. mode: whom it talks to and hears (`roles.py`).
    """

    id: LegId
    participant: ParticipantId
    device: DeviceId
    path: PathId | None = None
    muted: bool = False
    video: bool = False
    screen: int = 0
    mode: LegMode = "talk"
    seat: int = 0


class Ask(Struct, frozen=True):
    """A capability that was asked for."""

    by: ParticipantId
    kinds: tuple[ControlKind, ...] = ()


class Grant(Struct, frozen=True):
    """What the visitor allowed beside looking. expires_ms 0: as long as the page is shared.

    holder: of control, who alone may use it.
    """

    id: str
    at_ms: int
    kinds: tuple[ControlKind, ...] = ()
    origin: str = ""
    expires_ms: int = 0
    holder: ParticipantId | None = None


class Engagement(Struct):
    """The fold of an engagement's log. Treated as a value: `step` works on a copy of it."""

    id: EngagementId
    site: SiteId
    visitor: ParticipantId
    policy: Policy
    opened_ms: int
    name: Sealed | None = None
    subject: Sealed | None = None
    verified: bool = False
    page: Sealed | None = None
    first_content: Sealed | None = None
    seq: int = 0
    changed_ms: int = 0
    phase: Phase = Phase.OPEN
    queued_ms: int = 0
    ended_ms: int = 0
    end_reason: EndReason = ""
    agent: ParticipantId | None = None
    agent_device: DeviceId = DeviceId("")
    offer: OfferId | None = None
    offered_to: ParticipantId | None = None
    offer_due_ms: int = 0
    participants: dict[ParticipantId, Participant] = field(default_factory=dict)
    call: Call = Call.NONE
    call_started_by: ParticipantId | None = None
    video_wanted: bool = False
    suggestion: Literal["", "audio", "video", "screen"] = ""
    suggested_by: ParticipantId | None = None
    connected_ms: int = 0
    legs: dict[LegId, Leg] = field(default_factory=dict)
    invited: dict[ParticipantId, LegMode] = field(default_factory=dict)
    cobrowse: Cobrowse = Cobrowse.OFF
    cobrowse_epoch: int = 1
    cobrowse_ms: int = 0
    cobrowse_origin: str = ""
    cobrowse_by: ParticipantId | None = None
    asks: dict[Capability, Ask] = field(default_factory=dict)
    grants: dict[Capability, Grant] = field(default_factory=dict)
    viewers: dict[ParticipantId, int] = field(default_factory=dict)
    masked: int = 0
    code: str = ""
    remembered: dict[str, tuple[Remembered, ...]] = field(default_factory=dict)
    timers: dict[str, int] = field(default_factory=dict)
    posts: dict[int, Post] = field(default_factory=dict)
    next_post: int = 1
    seen_posts: dict[str, None] = field(default_factory=dict)

    @property
    def wants(self) -> Wants:
        if self.call is Call.NONE:
            return "chat"
        return "video" if self.video_wanted else "voice"

    @property
    def direct(self) -> bool:
        """Two people talk, and their site lets their browsers connect to each other."""
        two = len(self.legs) == 2 and all(leg.path and leg.mode == "talk" for leg in self.legs.values())
        return self.policy.direct_calls and self.call is Call.CONNECTED and two

    def is_colleague(self, participant: ParticipantId) -> bool:
        """Takes part beside the visitor and the agent it was given to."""
        return participant in self.participants and participant not in (self.visitor, self.agent)

    def leg_of(self, participant: ParticipantId) -> Leg | None:
        return next((leg for leg in self.legs.values() if leg.participant == participant), None)

    def participant(self, participant: ParticipantId) -> Participant:
        """Raises: NotFound when not (or no longer) part of this engagement."""
        if (found := self.participants.get(participant)) is None:
            raise NotFound(participant, self.id)
        return found

    def call_leg(self, participant: ParticipantId) -> Leg:
        """Raises: InvalidTransition when the participant has no leg."""
        if (leg := self.leg_of(participant)) is None:
            raise InvalidTransition("no leg", self.call)
        return leg

    def copy(self) -> Engagement:
        """A copy whose containers may be changed without touching this state."""
        return replace(
            self,
            participants=dict(self.participants),
            legs=dict(self.legs),
            invited=dict(self.invited),
            asks=dict(self.asks),
            grants=dict(self.grants),
            viewers=dict(self.viewers),
            remembered=dict(self.remembered),
            timers=dict(self.timers),
            posts=dict(self.posts),
            seen_posts=dict(self.seen_posts),
        )


class Work(Struct):
    """A step under way: the private copy of the state and the effects ordered so far."""

    state: Engagement
    effects: list[AnyEffect]

    def order(self, *effects: AnyEffect) -> None:
        self.effects.extend(effects)

    def set_timer(self, name: str, due_ms: int) -> None:
        self.state.timers[name] = due_ms
        self.order(SetTimer(name, due_ms))

    def cancel_timer(self, name: str) -> None:
        if self.state.timers.pop(name, None) is not None:
            self.order(CancelTimer(name))

    def next_post(self) -> int:
        self.state.next_post += 1
        return self.state.next_post - 1

    def post(self, to: ActorId, event: Posted) -> None:
        posted = Post(to, event.post, event)
        self.state.posts[event.post] = posted
        self.order(posted)
