"""What nodes say to each other: asks with an answer, notes without; msgpack, one envelope each.

A node of the version before must understand us: fields are only added, with a default, and a tag is
never used again.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from server.sessions import Session
from signaling.protocol import (
    Ack,
    ActorId,
    AnyCommand,
    AvailabilityName,
    EngagementId,
    EngagementSnapshot,
    ParticipantId,
    SiteId,
    TimelinePage,
)


class Ask(Struct, frozen=True, tag_field="k"):
    """Base. answer: the type of what comes back."""

    answer: ClassVar[Any] = None


class Do(Ask, tag="do", frozen=True):
    """Execute a participant's command in an engagement that lives with you."""

    answer: ClassVar[Any] = Ack
    session: Session
    engagement: EngagementId
    command: AnyCommand


class Stored(Struct, frozen=True):
    seq: int
    at_ms: int


class Put(Ask, tag="put", frozen=True):
    """Give an event (encoded as in the log) to an actor that lives with you."""

    answer: ClassVar[Any] = Stored
    actor: ActorId
    event: bytes


class Follow(Ask, tag="follow", frozen=True):
    """My connection `conn` reads this engagement from now on."""

    answer: ClassVar[Any] = EngagementSnapshot
    conn: int
    session: Session
    engagement: EngagementId
    after_seq: int


class ConnectAgent(Ask, tag="connect_agent", frozen=True):
    answer: ClassVar[Any] = AvailabilityName
    session: Session


class ShowAgent(Ask, tag="show_agent", frozen=True):
    """Tell the agent how it stands in your queue; the engagements that ring at it."""

    answer: ClassVar[Any] = list[EngagementId]
    session: Session


class ShowOffer(Ask, tag="show_offer", frozen=True):
    engagement: EngagementId
    agent: ParticipantId


class ReadTimeline(Ask, tag="timeline", frozen=True):
    answer: ClassVar[Any] = TimelinePage
    session: Session
    engagement: EngagementId
    before: int


class TakesPart(Ask, tag="takes_part", frozen=True):
    session: Session
    engagement: EngagementId


class Joined(Ask, tag="joined", frozen=True):
    """Engagements of yours in which a colleague takes part."""

    answer: ClassVar[Any] = list[EngagementId]
    participant: ParticipantId


class ByCode(Ask, tag="by_code", frozen=True):
    """The engagement of yours to which this code leads."""

    answer: ClassVar[Any] = EngagementId | None
    site: SiteId
    code: str


class MayPut(Ask, tag="may_put", frozen=True):
    """Would you take a picture from whoever holds this pass? Asked before its bytes are read."""

    token: str


class PutPicture(Ask, tag="put_picture", frozen=True):
    """A picture of a page that is shared with you, from whoever holds this pass."""

    token: str
    digest: str
    data: bytes


class GetPicture(Ask, tag="get_picture", frozen=True):
    """answer: bytes and media type."""

    answer: ClassVar[Any] = tuple[bytes, str]
    token: str
    digest: str


class Holds(Ask, tag="holds", frozen=True):
    """Is your lease held?"""

    answer: ClassVar[Any] = bool


class Reaches(Ask, tag="reaches", frozen=True):
    """For how many seconds has the database answered you without a fault? Negative while it does not."""

    answer: ClassVar[Any] = float


AnyAsk = (
    Do
    | Put
    | Follow
    | ConnectAgent
    | ShowAgent
    | ShowOffer
    | ReadTimeline
    | TakesPart
    | Joined
    | ByCode
    | MayPut
    | PutPicture
    | GetPicture
    | Holds
    | Reaches
)


class Note(Struct, frozen=True, tag_field="k"):
    """Base."""


class Here(Note, tag="here", frozen=True):
    """An agent's connection is with me."""

    conn: int
    session: Session


class Gone(Note, tag="gone", frozen=True):
    """My connection `conn` is over."""

    conn: int


class Deliver(Note, tag="deliver", frozen=True):
    """Send this packet (as it goes over the wire) to your connection."""

    conn: int
    text: str


class ComeBack(Note, tag="come_back", frozen=True):
    """What your connection read is not here any more: its client shall connect again."""

    conn: int
    retry_after_ms: int


class Opened(Note, tag="opened", frozen=True):
    """A visitor's engagement has begun: your connections of this visitor want to follow it."""

    site: SiteId
    visitor: ParticipantId
    engagement: EngagementId


class Places(Note, tag="places", frozen=True):
    """Places in the queue of engagements that live with you."""

    places: dict[EngagementId, int]
    agents: int


AnyNote = Here | Gone | Deliver | ComeBack | Opened | Places


class Fault(Struct, frozen=True):
    """A TalkError on its way: class, wire code, wait."""

    kind: str
    code: str
    retry_after_ms: int = 0


class Asked(Struct, frozen=True, tag="?"):
    number: int
    ask: AnyAsk


class Answered(Struct, frozen=True, tag="!"):
    number: int
    answer: msgspec.Raw = msgspec.Raw(b"\xc0")
    fault: Fault | None = None


class Noted(Struct, frozen=True, tag="."):
    note: AnyNote


class _Numbered(Struct, frozen=True, tag="?"):
    number: int


def number_of(envelope: bytes) -> int | None:
    """Of an ask, also of one that only a later version knows."""
    try:
        return msgspec.msgpack.decode(envelope, type=_Numbered).number
    except msgspec.DecodeError:
        return None


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Asked | Answered | Noted).decode
