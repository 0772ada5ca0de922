"""Behind a reverse proxy: believe X-Forwarded-For and -Proto, but only from the proxies named."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def trust_proxies(proxies: tuple[str, ...]) -> Any:
    """A middleware that gives the request the client's address and scheme as the nearest proxy saw them.

    proxies: their addresses or networks, as in `10.0.0.0/8`.
    """
    networks = [ip_network(proxy) for proxy in proxies]

    def is_trusted(remote: str) -> bool:
        address = _address(remote)
        return address is not None and any(address in network for network in networks)

    @web.middleware
    async def trusted(request: web.Request, handler: Handler) -> web.StreamResponse:
        nearest = request.remote or ""
        if is_trusted(nearest):
            scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
            remote = request.headers.get("X-Forwarded-For", "").rsplit(",", 1)[-1].strip()
            request = request.clone(
                scheme=scheme if scheme in ("http", "https") else request.scheme,
                remote=remote if _address(remote) is not None else nearest,
            )
        return await handler(request)

    return trusted


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
