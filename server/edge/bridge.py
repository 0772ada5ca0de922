"""What lets sharing go on when a tab goes to another origin of the same site: a page for a hidden frame.

It keeps, in the browser and for this tab only, what the page before left (`widget/src/bridge-page.ts`). Every
origin of the site may leave something; only those of `continue_on_origins` may take it. Sites that list
none have no such page. Source: docs/embed.md, section 8; W3C Storage Partitioning.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from aiohttp import web

from server.config import SiteConfig
from server.edge.pages import WEB
from signaling.errors import NotFound


def routes(sites: Mapping[str, SiteConfig]) -> list[web.RouteDef]:
    """sites: a live mapping, because sites can be reloaded."""

    async def page(request: web.Request) -> web.Response:
        name = request.query.get("site", "")
        site = sites.get(name)
        if site is None or not site.cobrowse.continue_on_origins:
            raise NotFound("no bridge")
        keepers, takers = " ".join(site.origins), " ".join(site.cobrowse.continue_on_origins)
        text = (
            f'<!doctype html><html data-site="{escape(name)}" data-keepers="{escape(keepers)}" '
            f'data-takers="{escape(takers)}"><title></title><script src="/bridge.js" defer></script></html>'
        )
        policy = (
            "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; "
            f"require-trusted-types-for 'script'; frame-ancestors {keepers}"
        )
        headers = {
            "Content-Security-Policy": policy,
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Cache-Control": "no-cache",
        }
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def script(_: web.Request) -> web.Response:
        body = (WEB / "bridge.js").read_bytes()
        headers = {"Cache-Control": "no-cache"}
        return web.Response(body=body, content_type="text/javascript", headers=headers)

    return [web.get("/bridge.html", page), web.get("/bridge.js", script)]
