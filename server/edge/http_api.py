"""The HTTP API of `/v1`: visitor sessions, agents' login, paths, files, timelines.

Every handler: origin, bearer token, strict body, one call, a Struct back. Cross-origin pages may call
what a visitor needs; the agents' login is for our own origin only. Source: docs/protocol.md.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from msgspec import Struct

from media.ice import ice_servers
from server import wire
from server.auth import Auth
from server.config import Config
from server.edge.origin import OriginGate, OriginNotAllowed
from server.edge.problems import cors
from server.records.agents import SESSION_MS, Agent, Agents
from server.records.files import FILE_TYPES, Files
from server.render import anonymous_name
from server.service import Service
from server.sessions import Session
from signaling import protocol as p
from signaling.errors import InvalidDescription, LimitExceeded, Malformed, NotFound, Unauthenticated

MAX_BODY_BYTES = 64 * 1024
COOKIE = "talknow_agent"


class BenchAgents(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /v1/bench/agents`."""

    count: int = 1
    capacity: int = 100


class HttpApi:
    """Routes and handlers; `routes()` is added to the aiohttp application."""

    def __init__(
        self, config: Config, gate: OriginGate, auth: Auth, agents: Agents, files: Files, service: Service
    ) -> None:
        self._config = config
        self._auth = auth
        self._agents = agents
        self._files = files
        self._service = service
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        public = [
            web.get("/v1/sites/{site}/widget", self._cors(self.widget)),
            web.post("/v1/visitors/session", self._cors(self.visitor_session)),
            web.post("/v1/paths", self._cors(self.open_path)),
            web.post("/v1/paths/{path}/answer", self._cors(self.answer_path)),
            web.post("/v1/files", self._cors(self.upload)),
            web.get("/v1/files/{file}", self._cors(self.download)),
            web.get("/v1/engagements/{engagement}/timeline", self._cors(self.timeline)),
            web.get("/v1/ice", self._cors(self.ice)),
        ]
        own = [
            web.post("/v1/agents/login", self.login),
            web.post("/v1/agents/logout", self.logout),
            web.post("/v1/agents/token", self.token),
            web.get("/v1/agents/me", self.me),
            web.post("/v1/bench/agents", self.bench_agents),
        ]
        rest = [
            web.options("/v1/{rest:.*}", self.preflight),
            web.route("*", "/v1/{rest:.*}", self.nothing),
        ]
        return [*public, *own, *rest]

    # --- visitors -----------------------------------------------------------------------------

    async def widget(self, request: web.Request) -> web.Response:
        site = request.match_info["site"]
        config = self._auth.site(site)
        return _json(
            p.WidgetConfig(
                site=p.SiteId(site),
                name=config.name,
                greeting=config.greeting,
                language=config.language,
                voice=config.voice,
                video=config.video,
                cobrowse=config.cobrowse.enabled,
                max_file_bytes=p.MAX_FILE_BYTES,
                file_types=list(FILE_TYPES),
                continue_on_origins=list(config.cobrowse.continue_on_origins),
            )
        )

    async def visitor_session(self, request: web.Request) -> web.Response:
        asked = await _body(request, p.SessionRequest)
        self._gate.check(request, asked.site)
        visitor = await self._auth.visitor(asked.site, asked.token, asked.credential)
        return _json(
            p.SessionReply(
                credential=visitor.credential,
                visitor=visitor.id,
                name=visitor.identity.name or anonymous_name(visitor.id),
                verified=visitor.verified,
                expires_ms=visitor.expires_ms,
            )
        )

    # --- paths: the same commands as on the socket, in one request ------------------------------

    async def open_path(self, request: web.Request) -> web.Response:
        asked = await _body(request, p.PathRequest)
        session = await self._session(request, asked.device)
        ack = await self._service.execute(session, p.CallOpenPath(engagement=asked.engagement))
        return _json(ack.offer)

    async def answer_path(self, request: web.Request) -> web.Response:
        asked = await _body(request, p.AnswerRequest)
        if len(asked.sdp.encode()) > p.MAX_SDP_BYTES:
            raise InvalidDescription("too long")
        session = await self._session(request, asked.device)
        command = p.CallAnswer(
            engagement=asked.engagement,
            path=request.match_info["path"],
            revision=asked.revision,
            sdp=asked.sdp,
        )
        ack = await self._service.execute(session, command)
        return _json(p.AnswerReply(ack.ticket, ack.offer))

    async def ice(self, request: web.Request) -> web.Response:
        session = await self._session(request)
        return _json({"ice_servers": ice_servers(self._config, session.participant)})

    # --- files and timelines ------------------------------------------------------------------

    async def upload(self, request: web.Request) -> web.Response:
        session = await self._session(request)
        if (request.content_length or 0) > p.MAX_FILE_BYTES:
            raise LimitExceeded(code="file_too_large")
        if "engagement" in request.query:
            await self._service.takes_part(session, request.query["engagement"])
        data = bytearray()
        async for chunk in request.content.iter_chunked(64 * 1024):
            data += chunk
            if len(data) > p.MAX_FILE_BYTES:
                raise LimitExceeded(code="file_too_large")
        if request.content_length is not None and len(data) != request.content_length:
            raise Malformed(code="upload_incomplete")
        return _json(await self._files.add(session, request.query.get("name", "file"), bytes(data)))

    async def download(self, request: web.Request) -> web.Response:
        session = await self._session(request)
        file = p.FileId(request.match_info["file"])
        info, engagement, data = await self._files.read(file, session)
        if engagement is not None:
            await self._service.takes_part(session, engagement)
        response = web.Response(body=data, content_type=info.media_type)
        response.headers["Content-Disposition"] = "attachment"
        response.headers["Cache-Control"] = "private, max-age=3600, immutable"
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        return response

    async def timeline(self, request: web.Request) -> web.Response:
        session = await self._session(request)
        try:
            before = int(request.query.get("before", ""))
        except ValueError:
            raise Malformed(code="invalid_cursor") from None
        engagement = request.match_info["engagement"]
        return _json(await self._service.timeline(session, engagement, before))

    # --- agents -------------------------------------------------------------------------------

    async def login(self, request: web.Request) -> web.Response:
        self._own_page(request)
        asked = await _body(request, p.LoginRequest)
        agent = await self._auth.login(asked.login, asked.password, request.remote or "")
        token, _ = await self._agents.open_session(agent.id, "session")
        response = _json(_info(agent))
        secure = request.scheme == "https"
        response.set_cookie(
            ("__Host-" if secure else "") + COOKIE,
            token,
            path="/",
            httponly=True,
            secure=secure,
            samesite="Strict",
        )
        return response

    async def logout(self, request: web.Request) -> web.Response:
        self._own_page(request)
        name, token = self._cookie(request)
        if token:
            await self._agents.close_session(token)
        response = web.Response(status=204)
        response.del_cookie(name, path="/")
        return response

    async def token(self, request: web.Request) -> web.Response:
        self._own_page(request)
        agent = await self._by_cookie(request)
        token, expires_ms = await self._agents.open_session(agent.id, "access")
        return _json(p.AccessToken(token, expires_ms))

    async def me(self, request: web.Request) -> web.Response:
        return _json(_info(await self._by_cookie(request)))

    async def bench_agents(self, request: web.Request) -> web.Response:
        """Agents for load tests, only when the server was started with a bench token."""
        given = _bearer(request) or ""
        if not self._config.bench_token or not hmac.compare_digest(given, self._config.bench_token):
            raise NotFound("bench")
        asked = await _body(request, BenchAgents)
        made = []
        for agent in await self._agents.bench(min(asked.count, 1_000), asked.capacity):
            # Load tests last for hours, and have nobody to renew it for them as the softphone does.
            token, _ = await self._agents.open_session(agent, "access", SESSION_MS)
            made.append({"id": agent, "token": token})
        return _json({"agents": made})

    async def nothing(self, request: web.Request) -> web.Response:
        raise NotFound(request.path)

    # --- who asks -----------------------------------------------------------------------------

    async def preflight(self, request: web.Request) -> web.StreamResponse:
        origin = self._gate.check(request)
        response = web.Response(status=204)
        response.headers["Access-Control-Allow-Methods"] = "GET, POST"
        response.headers["Access-Control-Allow-Headers"] = "authorization, content-type"
        response.headers["Access-Control-Max-Age"] = "7200"
        return cors(response, origin)

    def _cors(self, handler: Callable[[web.Request], Awaitable[web.Response]]) -> Any:
        async def guarded(request: web.Request) -> web.StreamResponse:
            from server.edge.problems import answer_problems

            origin = self._gate.check(request)
            return cors(await answer_problems(request, handler), origin)

        return guarded

    async def _session(self, request: web.Request, device: str = "http") -> Session:
        token = _bearer(request)
        if token is None:
            raise Unauthenticated("no bearer token")
        session = await self._auth.bearer(token, device)
        if session.role == "visitor":
            self._gate.check(request, session.site)
        return session

    def _own_page(self, request: web.Request) -> None:
        """Agents' cookie requests come from our own pages only (cross-site requests carry an Origin)."""
        origin = request.headers.get("Origin")
        if origin is not None and not self._gate.is_own(request, origin):
            raise OriginNotAllowed(origin)

    def _cookie(self, request: web.Request) -> tuple[str, str | None]:
        name = ("__Host-" if request.scheme == "https" else "") + COOKIE
        return name, request.cookies.get(name)

    async def _by_cookie(self, request: web.Request) -> Agent:
        _, token = self._cookie(request)
        agent = await self._agents.by_token(token, "session") if token else None
        if agent is None:
            raise Unauthenticated("no session")
        return agent


def _bearer(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.casefold() == "bearer" and 0 < len(token) <= 512 else None


async def _body(request: web.Request, kind: type[Any]) -> Any:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise LimitExceeded(code="payload_too_large")
    body = await request.content.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise LimitExceeded(code="payload_too_large")
    return wire.decode_body(body, kind)


def _json(value: Any) -> web.Response:
    return web.Response(
        body=wire.encode_body(value),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _info(agent: Agent) -> p.AgentInfo:
    return p.AgentInfo(agent.id, agent.login, agent.name, agent.role, agent.site, agent.capacity)
