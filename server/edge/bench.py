"""A door for `talknow bench media`: calls that are only media, for who knows the bench token.

It makes a pair of legs on the media node and routes them to each other, so that legs, ICE, DTLS, SRTP and
forwarding are measured and the chat machine is left out (`talknow bench journey` measures that one).
The door does not exist without `bench_token`. Source: docs/media.md, "How it is measured".
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any

from aiohttp import web
from msgspec import Struct

from media.node import MediaListener, MediaNode
from server import wire
from signaling.effects import Route
from signaling.errors import NotFound
from signaling.protocol import EngagementId, LegId, MediaKind, PathId, PathOffer

PREFIX = "e_bench-"
MAX_BODY_BYTES = 64 * 1024


class BenchCall(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /v1/bench/calls`: what both sides send to each other."""

    kinds: tuple[MediaKind, ...] = ("audio",)


class BenchAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /v1/bench/answers`."""

    leg: LegId
    path: PathId
    revision: int
    sdp: str


class Bystander:
    """A listener that keeps the door's calls from one that knows engagements only."""

    def __init__(self, listener: MediaListener) -> None:
        self._listener = listener

    def path_connected(self, engagement: EngagementId, leg: LegId, path: PathId) -> None:
        if not engagement.startswith(PREFIX):
            self._listener.path_connected(engagement, leg, path)

    def path_lost(self, engagement: EngagementId, leg: LegId, path: PathId) -> None:
        if not engagement.startswith(PREFIX):
            self._listener.path_lost(engagement, leg, path)

    def ticket_issued(self, engagement: EngagementId, leg: LegId, offer: PathOffer) -> None:
        if not engagement.startswith(PREFIX):
            self._listener.ticket_issued(engagement, leg, offer)

    def speaker_changed(self, engagement: EngagementId, leg: LegId) -> None:
        if not engagement.startswith(PREFIX):
            self._listener.speaker_changed(engagement, leg)


class BenchDoor:
    """Routes and handlers; to be added before the API's catch-all."""

    def __init__(self, token: str, media: MediaNode) -> None:
        self._token = token
        self._media = media
        self._calls: dict[str, tuple[LegId, LegId]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/bench/calls", self.open),
            web.post("/v1/bench/answers", self.answer),
            web.delete("/v1/bench/calls/{call}", self.close),
        ]

    async def open(self, request: web.Request) -> web.Response:
        asked: BenchCall = await self._body(request, BenchCall)
        call = EngagementId(PREFIX + secrets.token_urlsafe(9))
        legs = LegId(f"{call}-0"), LegId(f"{call}-1")
        offers = [await self._media.open_path(call, leg) for leg in legs]
        pairs = (legs, legs[::-1])
        self._media.set_routes(call, tuple(Route(a, b, kind) for a, b in pairs for kind in asked.kinds))
        self._calls[call] = legs
        return _json({"call": call, "offers": offers, "engine": self._media.engine})

    async def answer(self, request: web.Request) -> web.Response:
        given: BenchAnswer = await self._body(request, BenchAnswer)
        await self._media.apply_answer(given.leg, given.path, given.revision, given.sdp)
        return web.Response(status=204)

    async def close(self, request: web.Request) -> web.Response:
        self._check(request)
        call = EngagementId(request.match_info["call"])
        if call not in self._calls:
            raise NotFound(call)
        self._media.set_routes(call, ())
        await self._media.close_legs(self._calls.pop(call))
        return web.Response(status=204)

    async def _body(self, request: web.Request, kind: type[Any]) -> Any:
        self._check(request)
        return wire.decode_body(await request.content.read(MAX_BODY_BYTES), kind)

    def _check(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            raise NotFound("bench")


def _json(value: Any) -> web.Response:
    return web.Response(body=wire.encode_body(value), content_type="application/json")
