"""The origin on which shared pages are shown.

No cookies, no API, our decoder in the outer page, nothing in the inner.

`/viewer.html` runs our decoder only and may be framed by the softphone only; `/inner.html` (for pages without
a doctype `/inner-quirks.html`) is the empty document into which the decoder builds the visitor's page: its
policy allows no script, no frame with an address, no form and no address but pictures from here.
Source: docs/architecture.md, "origins"; W3C CSP level 3.
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from signaling.errors import NotFound

FILES = Path(__file__).parents[1] / "web" / "viewer"
INNER_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; sandbox allow-same-origin; frame-ancestors 'self'"
)
INNER = "<!doctype html><html><head></head><body></body></html>"
# Browsers show a page in quirks mode only if its document was parsed without a doctype.
INNER_QUIRKS = "<html><head></head><body></body></html>"
TYPES = {".js": "text/javascript", ".css": "text/css"}


def routes(desk_origins: str) -> list[web.RouteDef]:
    """desk_origins: who may show the viewer in a frame, separated by spaces."""
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; frame-src 'self'; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors {desk_origins}"
    )

    async def outer(_: web.Request) -> web.Response:
        text = (FILES / "viewer.html").read_text()
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": policy})

    def empty(text: str) -> web.Response:
        headers = {"Content-Security-Policy": f"{INNER_POLICY} {desk_origins}"}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def inner(_: web.Request) -> web.Response:
        return empty(INNER)

    async def inner_quirks(_: web.Request) -> web.Response:
        return empty(INNER_QUIRKS)

    return [
        web.get("/", nothing),
        web.get("/viewer.html", outer),
        web.get("/inner.html", inner),
        web.get("/inner-quirks.html", inner_quirks),
        web.get("/viewer/{name:[A-Za-z0-9_.-]+}", script),
    ]


async def nothing(_: web.Request) -> web.Response:
    policy = "default-src 'none'; sandbox; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    text = (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Shared page</title><p>Nothing to see here."
    )
    return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": policy})


async def script(request: web.Request) -> web.Response:
    file = FILES / request.match_info["name"]
    if file.suffix not in TYPES or not file.is_file():
        raise NotFound(file.name)
    headers = {"Cache-Control": "no-cache"}
    return web.Response(body=file.read_bytes(), content_type=TYPES[file.suffix], headers=headers)
