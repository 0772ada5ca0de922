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
    """Origins of the sites (a live mapping), and our own (softphone): this node's and the others'."""

    def __init__(self, sites: Mapping[str, SiteConfig], *own: str) -> None:
        self._sites = sites
        self._own = own

    def is_own(self, request: web.BaseRequest, origin: str) -> bool:
        """The softphone's origin: as configured, or the very host this request came to.

        That one also by https: TLS may have ended at a proxy, or at the node that passed the socket on.
        """
        return origin in self._own or origin in (
            f"{request.scheme}://{request.host}",
            f"https://{request.host}",
        )

    def check(self, request: web.BaseRequest, site: str | None = None) -> str | None:
        """The request's origin (None without one). Raises: OriginNotAllowed."""
        origin = request.headers.get("Origin")
        if origin is None:
            return None
        parts = urlsplit(origin)
        known = self._listed(origin, site) or self.is_own(request, origin)
        if not parts.netloc or not known:
            raise OriginNotAllowed(origin)
        return origin

    def _listed(self, origin: str, site: str | None) -> bool:
        """By that site, or by any when none is named; looked up anew, because sites can be reloaded."""
        named = self._sites.values() if site is None else [self._sites[site]] if site in self._sites else []
        return any(origin in config.origins for config in named)
