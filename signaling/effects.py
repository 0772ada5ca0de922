"""What the machines may order of the shell: effects, run after the commit, in order.

Frozen Structs without behaviour; each is done by one function of `server/effects.py`. An effect that
a crash may eat between append and run is found again by `outstanding` of its machine.
Source: docs/architecture.md, "log".
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from signaling.events import Posted, Wants
from signaling.protocol import (
    ActorId,
    DeviceId,
    EngagementId,
    LegId,
    LegMode,
    MediaKind,
    OfferId,
    ParticipantId,
    PathId,
    SharedGrant,
)


class Effect(Struct, frozen=True):
    """Base. Run after the commit, in order, each by one function of `server/effects.py`."""


class Announce(Effect, frozen=True):
    """Tell every participant what this event (seq) changed; the shell renders it per reader.

    What each reader gets follows from the event alone: `MessageSent` -> chat.posted, `Marked` ->
    chat.marked, anything else -> engagement.changed with the items of `signaling/timeline.py`.
    """

    seq: int


class AnnounceTyping(Effect, frozen=True):
    by: ParticipantId
    typing: bool


class Welcome(Effect, frozen=True):
    """Send `participant` the whole engagement (it just became part of it)."""

    participant: ParticipantId


class Farewell(Effect, frozen=True):
    """`participant` is no longer part of it: its devices hear nothing more of it."""

    participant: ParticipantId


class ShowInvitation(Effect, frozen=True):
    agent: ParticipantId
    by: ParticipantId
    mode: LegMode


class SignalDirect(Effect, frozen=True):
    """Give a direct call's signal to the device that holds the other leg."""

    participant: ParticipantId
    device: DeviceId
    attempt: str
    kind: Literal["offer", "answer", "candidate", "close"]
    body: str


class ShowOffer(Effect, frozen=True):
    """Ring at the agent: `offer.made` with what it needs to decide."""

    agent: ParticipantId
    offer: OfferId
    due_ms: int
    wants: Wants


class WithdrawOffer(Effect, frozen=True):
    agent: ParticipantId
    offer: OfferId
    engagement: EngagementId
    reason: Literal["taken", "timeout", "visitor_left", "declined", "unavailable"]


class SetTimer(Effect, frozen=True):
    """Replaces a timer of that name. Comes back as TimerFired(name, due_ms)."""

    name: str
    due_ms: int


class CancelTimer(Effect, frozen=True):
    name: str


class Post(Effect, frozen=True):
    """Give `event` to another actor, at least once, until PostConfirmed(post)."""

    to: ActorId
    post: int
    event: Posted


class OpenPath(Effect, frozen=True):
    """Make a server offer for the leg and deliver it to the device that holds it."""

    leg: LegId
    participant: ParticipantId
    device: DeviceId


class ApplyAnswer(Effect, frozen=True):
    leg: LegId
    participant: ParticipantId
    path: PathId
    revision: int
    sdp: str


class Route(Struct, frozen=True, order=True):
    """`sink` receives the `kind` track of `source` in its place `slot`; source HOLD_MUSIC is our own."""

    source: LegId
    sink: LegId
    kind: MediaKind
    slot: int = 0


HOLD_MUSIC = LegId("hold-music")


class SetRoutes(Effect, frozen=True):
    """The whole table of this engagement's call; what is not in it is not forwarded."""

    routes: tuple[Route, ...]


class CloseLegs(Effect, frozen=True):
    legs: tuple[LegId, ...]


class SetGate(Effect, frozen=True):
    """Whether the visitor's page may be looked at now, and by whom. epoch grows with each closing.

    origin: where consent was given.
    """

    epoch: int
    state: Literal["closed", "live", "paused"]
    grants: tuple[SharedGrant, ...] = ()
    staff: tuple[ParticipantId, ...] = ()
    origin: str = ""


class SetCode(Effect, frozen=True):
    """The code that leads to this engagement from now on; "" for none."""

    code: str


class MoveLeg(Effect, frozen=True):
    """Tell the other devices of the participant that `device` holds the leg now."""

    leg: LegId
    participant: ParticipantId
    device: DeviceId


class AnnounceQueue(Effect, frozen=True):
    """Positions or agents at work changed: the shell tells the waiting visitors, coalesced."""


class AnnounceAgent(Effect, frozen=True):
    """Tell an agent its own availability, load and the number waiting."""

    agent: ParticipantId


AnyEffect = (
    Announce
    | AnnounceTyping
    | Welcome
    | Farewell
    | ShowInvitation
    | SignalDirect
    | ShowOffer
    | WithdrawOffer
    | SetTimer
    | CancelTimer
    | Post
    | OpenPath
    | ApplyAnswer
    | SetRoutes
    | CloseLegs
    | SetGate
    | SetCode
    | MoveLeg
    | AnnounceQueue
    | AnnounceAgent
)
