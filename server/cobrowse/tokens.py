"""Signed, short-lived passes to the cobrowse socket and to pictures; stateless, so any node can check them.

A pass opens nothing by itself: the engagement's gate is asked at every frame.
Source: docs/cobrowse_wire.md, section 1; RFC 2104 (HMAC).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from typing import Literal

import msgspec
from msgspec import Struct

from signaling.errors import Unauthenticated
from signaling.protocol import DeviceId, EngagementId, ParticipantId, RoleName, SiteId

Role = Literal["recorder", "viewer", "pictures"]
LIFE_S = 600
_MAC_BYTES = 16


class Pass(Struct, frozen=True, array_like=True):
    """Whose it is and for what. until_s: epoch seconds."""

    role: Role
    site: SiteId
    engagement: EngagementId
    participant: ParticipantId
    device: DeviceId
    person: RoleName
    name: str
    until_s: int


class Tokens:
    def __init__(self, secret: bytes) -> None:
        self._secret = hmac.digest(secret, b"cobrowse", "sha256")

    def issue(self, granted: Pass) -> str:
        body = msgspec.msgpack.encode(msgspec.structs.replace(granted, until_s=int(time.time()) + LIFE_S))
        return base64.urlsafe_b64encode(body + self._mac(body)).decode().rstrip("=")

    def read(self, token: object, role: Role) -> Pass:
        """Raises: Unauthenticated for anything that we did not sign for this role, or that is too old."""
        try:
            if not isinstance(token, str) or len(token) > 2_048:
                raise Unauthenticated("token")
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
            if not hmac.compare_digest(mac, self._mac(body)):
                raise Unauthenticated("signature")
            granted = msgspec.msgpack.decode(body, type=Pass)
        except (binascii.Error, ValueError, msgspec.DecodeError):
            raise Unauthenticated("token") from None
        if granted.role != role or granted.until_s < time.time():
            raise Unauthenticated(granted.role)
        return granted

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, body, "sha256")[:_MAC_BYTES]
