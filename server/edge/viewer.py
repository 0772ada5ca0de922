"""The shared-page viewer's origin: closed to everything until there is something to view.

Replaying a customer's page means running nothing of it; hence an origin without cookies or scripts
of ours, with a policy that allows nothing (docs/architecture.md, "origins").
"""

from __future__ import annotations

from aiohttp import web

POLICY = "default-src 'none'; sandbox; base-uri 'none'; form-action 'none'"
PAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Shared page</title><p>No page is being shared."
)


def routes() -> list[web.RouteDef]:
    return [web.get("/", page)]


async def page(_: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html", headers={"Content-Security-Policy": POLICY})
