"""The demo company on an origin of its own: plain pages, and a token endpoint as a company would have.

The pages of `demo/` embed Talk Now by one snippet; `{{TALKNOW_ORIGIN}}` in them becomes our origin.
`/token?user=anna` stands for the company's signed-in session: it signs the customer's identity.
"""

from __future__ import annotations

import mimetypes
import secrets
import time
from pathlib import Path

import jwt
from aiohttp import web

from cobrowse.policy import CobrowsePolicy
from server.config import Config, SiteConfig, TokenKey
from server.secret_file import secret_file

PAGES = Path(__file__).parents[2] / "demo"
CUSTOMERS = {"anna": ("customer-4711", "Anna Berg"), "jonas": ("customer-4712", "Jonas Lind")}
ISSUER = "https://demo-bank.example"


def demo_site(config: Config, key: str) -> SiteConfig:
    """The site `demo`, with the demo company's origins and its HS256 secret."""
    return SiteConfig(
        name="Fjord Bank",
        origins=tuple(f"{config.scheme}://{host}:{config.demo_at}" for host in ("127.0.0.1", "localhost")),
        greeting="Hello! You are talking with Fjord Bank. How can we help you?",
        token_issuer=ISSUER,
        cobrowse=CobrowsePolicy(record=True),
        token_keys=(TokenKey(kid="demo", algorithm="HS256", key=key),),
    )


def demo_key(directory: Path) -> str:
    """The demo company's signing secret, made at first start."""
    path = directory / "demo-company.key"
    return secret_file(path, lambda: secrets.token_urlsafe(48).encode()).decode().strip()


class DemoCompany:
    """Handlers of the demo origin."""

    def __init__(self, config: Config, key: str, pages: Path = PAGES) -> None:
        self._origin = config.origin
        self._nodes = config.node_urls
        self._key = key
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/token", self.token), web.get("/{name:.*}", self.page)]

    async def token(self, request: web.Request) -> web.Response:
        customer = CUSTOMERS.get(request.query.get("user", ""))
        if customer is None:
            raise web.HTTPNotFound()
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": "talknow",
            "sub": customer[0],
            "name": customer[1],
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + 120,
        }
        signed = jwt.encode(claims, self._key, algorithm="HS256", headers={"kid": "demo"})
        return web.json_response({"token": signed}, headers={"Cache-Control": "no-store"})

    async def page(self, request: web.Request) -> web.Response:
        root = self._pages.resolve()
        path = (root / (request.match_info["name"] or "index.html")).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            raise web.HTTPNotFound()
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        body = path.read_bytes()
        response = web.Response(content_type=kind, charset="utf-8" if kind.startswith("text/") else None)
        if kind == "text/html":
            body = body.replace(b"{{TALKNOW_ORIGIN}}", self._origin.encode())
            response.headers["Content-Security-Policy"] = self._policy(request)
        response.body = body
        response.headers["Cache-Control"] = "no-cache"
        return response

    def _policy(self, request: web.Request) -> str:
        """As strict as docs/embed.md says is possible."""
        talk = self._origin
        nodes = " ".join(f"{url} {url.replace('http', 'ws', 1)}" for url in (talk, *self._nodes))
        return (
            f"default-src 'none'; script-src 'self' {talk}; style-src 'self'; font-src 'self'; "
            f"img-src 'self' blob: data:; media-src blob:; connect-src 'self' {nodes}; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
        )
