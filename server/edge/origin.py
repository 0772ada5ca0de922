"""Which pages may talk to us: exact origins only; an empty list means nobody.

A browser always sends Origin on a WebSocket and on cross-origin requests. A request without one does
not come from a page; it still needs a credential, and no cookie is ever authority here.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import web

from server.config import SiteConfig
from signaling.errors import PeerError


class OriginNotAllowed(PeerError):
    code = "origin_not_allowed"
    public = "This page's origin may not connect."


class OriginGate:
    """Sites' origins, and our own (softphone)."""

    def __init__(self, sites: Mapping[str, SiteConfig], own: str) -> None:
        self._sites = {site: frozenset(config.origins) for site, config in sites.items()}
        self._own = own
        self._all = frozenset().union(*self._sites.values())

    def is_own(self, request: web.BaseRequest, origin: str) -> bool:
        """The softphone's origin: as configured, or the very host this request came to on loopback."""
        return origin == self._own or origin == f"{request.scheme}://{request.host}"

    def check(self, request: web.BaseRequest, site: str | None = None) -> str | None:
        """The request's origin (None without one). Raises: OriginNotAllowed."""
        origin = request.headers.get("Origin")
        if origin is None:
            return None
        parts = urlsplit(origin)
        known = self._sites.get(site, frozenset()) if site is not None else self._all
        if not parts.netloc or (origin not in known and not self.is_own(request, origin)):
            raise OriginNotAllowed(origin)
        return origin
