"""ICE servers for browsers, with short-lived TURN credentials in the REST form.

username = expiry:participant, credential = base64(HMAC-SHA1(secret, username)).
Source: draft-uberti-behave-turn-rest-00; coturn `use-auth-secret`.
"""

from __future__ import annotations

import base64
import hmac
import time
from typing import Protocol

from signaling.protocol import IceServer


class TurnConfig(Protocol):
    """The settings this needs (server/config.py)."""

    @property
    def turn_urls(self) -> tuple[str, ...]: ...
    @property
    def turn_secret(self) -> str: ...
    @property
    def turn_ttl_s(self) -> int: ...


def ice_servers(config: TurnConfig, participant: str, now_s: float | None = None) -> list[IceServer]:
    """TURN servers the participant may use for turn_ttl_s; none when none is configured."""
    if not config.turn_urls:
        return []
    expires_s = int(time.time() if now_s is None else now_s) + config.turn_ttl_s
    username = f"{expires_s}:{participant}"
    digest = hmac.digest(config.turn_secret.encode(), username.encode(), "sha1")
    return [IceServer(list(config.turn_urls), username, base64.b64encode(digest).decode())]
