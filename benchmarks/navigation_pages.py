"""The company whose pages `talknow bench navigation` walks through: light ones and heavy ones.

A heavy page has a stylesheet of 1 MB that trickles in over 400 ms and a script that blocks for 300 ms. The
snippet is first in the head (`head`), there with `async` (`async`), or with soft navigation (`soft`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from benchmarks.serving import served

SITE = "bench"
STYLE_BYTES = 1_000_000
STYLE_S = 0.4
BLOCK_MS = 300
CHUNKS = 10
_UNCACHED = {"Cache-Control": "no-store"}


class Company:
    """`server`: where the snippet comes from; set before the first page is asked for."""

    def __init__(self) -> None:
        self.server = ""
        self.origin = ""

    async def page(self, request: web.Request) -> web.Response:
        snippet, weight = request.match_info["snippet"], request.match_info["weight"]
        is_async = "async " if snippet == "async" else ""
        soft = " data-soft-navigation" if snippet == "soft" else ""
        burden = (
            '<link rel="stylesheet" href="/style.css"><script src="/block.js"></script>'
            if weight == "heavy"
            else ""
        )
        text = (
            f'<!doctype html><html lang="en"><head><script {is_async}src="{self.server}/talknow.js" '
            f'data-site="{SITE}"{soft}></script>{burden}<title>Page</title></head>'
            f'<body><a id="next" href="?{request.query_string}+">next</a></body></html>'
        )
        return web.Response(text=text, content_type="text/html", headers=_UNCACHED)

    async def style(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/css", **_UNCACHED})
        await response.prepare(request)
        rule = b".unused { color: red }\n"
        part = rule * (STYLE_BYTES // CHUNKS // len(rule))
        with contextlib.suppress(ConnectionError):
            for _ in range(CHUNKS):
                await response.write(part)
                await asyncio.sleep(STYLE_S / CHUNKS)
        return response

    async def block(self, _: web.Request) -> web.Response:
        code = f"const end = performance.now() + {BLOCK_MS}; while (performance.now() < end);"
        return web.Response(text=f"{{ {code} }}", content_type="text/javascript", headers=_UNCACHED)


@contextlib.asynccontextmanager
async def company() -> AsyncIterator[Company]:
    """Served on a port of its own."""
    made = Company()
    routes = [
        web.get("/style.css", made.style),
        web.get("/block.js", made.block),
        web.get("/{snippet}/{weight}", made.page),
    ]
    async with served(routes) as made.origin:
        yield made
