"""Parts that commands, views and events share: pages, consent, files, path offers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from signaling.protocol.ids import (
    Capability,
    ControlKind,
    EngagementId,
    FileId,
    LegId,
    ParticipantId,
    PathId,
    Url,
)


class Page(Struct, frozen=True, forbid_unknown_fields=True):
    """A page of the company's site as the visitor's browser names it."""

    url: Url
    title: Annotated[str, Meta(max_length=300)] = ""


class CobrowseAccess(Struct, frozen=True):
    """What opens the cobrowse socket.

    `token` for HELLO at the WebSocket `url` (of this server) (docs/cobrowse_wire.md).

    role: recorder (the visitor's tab) or viewer. viewer_url: the page that shows what is shared, on its own
    origin.
    """

    token: str
    url: str
    role: Literal["recorder", "viewer"]
    viewer_url: str = ""


class SharedGrant(Struct, frozen=True):
    """What the visitor allowed beside looking, as gate and state machine have it.

    kinds, origin, holder: of control. expires_ms: server epoch time, 0: as long as the page is shared.
    """

    id: str
    capability: Capability
    kinds: tuple[ControlKind, ...] = ()
    origin: str = ""
    expires_ms: int = 0
    holder: ParticipantId | None = None


class Consent(Struct, frozen=True, forbid_unknown_fields=True):
    """The visitor's recorded yes: capability, SHA-256 (hex) of the wording shown, BCP 47 language."""

    capability: Capability
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
    relay_only: media may leave the browser through a TURN server only (`iceTransportPolicy` "relay").
    """

    engagement: EngagementId
    leg: LegId
    path: PathId
    revision: int
    sdp: str
    expires_ms: int
    ice_servers: list[IceServer] = []
    relay_only: bool = False
