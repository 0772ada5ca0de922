"""CONNECT payload and the bodies of HTTP requests and answers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from signaling.protocol.ids import (
    Id,
    ParticipantId,
    Seq,
    SiteId,
)
from signaling.protocol.parts import (
    Page,
    PathOffer,
)
from signaling.protocol.views import (
    TimelineItem,
)


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
    """`GET /v1/sites/{site}/widget`: what the widget shows before anyone is connected.

    continue_on_origins: where the shared page of another origin of the site goes on.
    """

    site: SiteId
    name: str
    greeting: str
    language: str
    voice: bool
    video: bool
    cobrowse: bool
    max_file_bytes: int
    file_types: list[str]
    continue_on_origins: list[str] = []


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
    """ticket: the leg's next path in advance. offer: the same path's next revision, with all its places.

    A path begins with the voice alone, so that it is heard soonest; answer `offer` once it is connected.
    """

    ticket: PathOffer | None = None
    offer: PathOffer | None = None


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
