"""Who is on a connection (Session), and what a connection can do for the core (Outlet)."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from signaling.protocol import DeviceId, Page, ParticipantId, RoleName, ServerEvent, SessionReady, SiteId


class Session(Struct, frozen=True, kw_only=True):
    """An authenticated participant on one device. subject: verified id of the company's token.

    origin: of the page that connected, as the browser says; "" for what is no page.
    """

    role: RoleName
    participant: ParticipantId
    site: SiteId
    device: DeviceId
    name: str = ""
    subject: str = ""
    verified: bool = False
    capacity: int = 0
    page: Page | None = None
    origin: str = ""


class Outlet(Protocol):
    """A connection as the core sees it, of this node or another one.

    send: never blocks; over its budget it ends the connection. come_back: end it; its client connects again
    after the wait and misses nothing.
    """

    @property
    def session(self) -> Session: ...
    def send(self, event: ServerEvent) -> None: ...
    def come_back(self, code: str, retry_after_ms: int) -> None: ...


class OwnOutlet(Outlet, Protocol):
    """A connection of this node.

    begin: send this first, then whatever was sent meanwhile. start_over: was it to come back before it began?
    Then what it was sent until now is forgotten, and asked for anew. relay: a packet from another node, as it
    goes over the wire.
    """

    def begin(self, ready: SessionReady) -> None: ...
    def start_over(self) -> bool: ...
    def relay(self, text: str) -> None: ...
