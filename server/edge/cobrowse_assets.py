"""Pictures and fonts of shared pages over HTTP.

Put by the visitor's browser, read on the viewer's origin only.

Source: docs/cobrowse_wire.md, section 1. Nothing is fetched from anywhere; types follow from the bytes.
"""

from __future__ import annotations

from aiohttp import web

from cobrowse.ops import MAX_ASSET_BYTES
from server.cobrowse.node import Cobrowse
from server.edge.origin import OriginGate
from server.edge.problems import cors
from server.nodes.messages import GetPicture, MayPut, PutPicture
from server.service import Service
from signaling.errors import LimitExceeded

HEADERS = {
    # Nothing of the page stays on the agent's disk when sharing is over.
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Content-Disposition": "inline",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class CobrowseAssets:
    """`routes()` for the main application, `viewer_routes()` for the viewer's origin.

    Pictures lie where the page is shared; any node takes and gives them.
    """

    def __init__(self, cobrowse: Cobrowse, gate: OriginGate, service: Service) -> None:
        self._tokens = cobrowse.tokens
        self._gate = gate
        self._service = service

    def routes(self) -> list[web.RouteDef]:
        path = "/v1/cobrowse/assets/{digest}"
        return [web.put(path, self.put), web.options(path, self.preflight)]

    def viewer_routes(self) -> list[web.RouteDef]:
        return [web.get("/a/{token}/{digest}", self.get)]

    async def put(self, request: web.Request) -> web.StreamResponse:
        origin = self._gate.check(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        granted = self._tokens.read(token, "recorder")
        await self._service.ask_owner(granted.engagement, MayPut(token))
        if (request.content_length or 0) > MAX_ASSET_BYTES:
            raise LimitExceeded(code="file_too_large")
        data = bytearray()
        async for chunk in request.content.iter_chunked(64 * 1024):
            data += chunk
            if len(data) > MAX_ASSET_BYTES:
                raise LimitExceeded(code="file_too_large")
        picture = PutPicture(token, request.match_info["digest"], bytes(data))
        await self._service.ask_owner(granted.engagement, picture)
        return cors(web.Response(status=204), origin)

    async def preflight(self, request: web.Request) -> web.StreamResponse:
        response = cors(web.Response(status=204), self._gate.check(request))
        response.headers["Access-Control-Allow-Methods"] = "PUT"
        response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
        response.headers["Access-Control-Max-Age"] = "600"
        return response

    async def get(self, request: web.Request) -> web.StreamResponse:
        token = request.match_info["token"]
        granted = self._tokens.read(token, "pictures")
        picture = GetPicture(token, request.match_info["digest"])
        data, kind = await self._service.ask_owner(granted.engagement, picture)
        return web.Response(body=data, content_type=kind, headers=HEADERS)
