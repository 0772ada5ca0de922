"""Built pages and scripts: the loader, its hashed assets, the softphone.

Files come from `server/web/` (built by `make setup`, carried by the wheel). The softphone has a strict
policy of its own; scripts may be embedded by any origin, which gives nobody any right.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable
from pathlib import Path

from aiohttp import web

WEB = Path(__file__).parents[1] / "web"
_HASHED = "public, max-age=31536000, immutable"

DESK_HEADERS = {
    "Permissions-Policy": "microphone=(self), camera=(self), geolocation=()",
    "Cache-Control": "no-cache",
}


def desk_policy(nodes: Iterable[str], viewers: Iterable[str]) -> str:
    """What the softphone may do: run what is ours, talk to us, show the shared page from its own origin.

    nodes, viewers: origins of all nodes and of their viewers: when one dies, its agents go on at another.
    """
    own = "'self'"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"connect-src {' '.join([own, *nodes])} ws: wss:; "
        "img-src 'self' blob: data:; media-src 'self' blob:; font-src 'self'; "
        f"frame-src {' '.join(viewers)}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    )


def routes(policy: str) -> list[web.RouteDef]:
    """policy: the softphone's (`desk_policy`)."""

    async def softphone(request: web.Request) -> web.Response:
        response = await desk(request)
        response.headers["Content-Security-Policy"] = policy
        return response

    return [
        web.get("/", to_desk),
        web.get("/talknow.js", loader),
        web.get("/assets/{name}", asset),
        web.get("/desk", to_desk),
        web.get("/desk/{name:.*}", softphone),
    ]


async def to_desk(_: web.Request) -> web.Response:
    raise web.HTTPFound("/desk/")


async def loader(_: web.Request) -> web.Response:
    response = _file(WEB / "talknow.js")
    response.headers["Cache-Control"] = "public, max-age=300"
    return _embeddable(response)


async def asset(request: web.Request) -> web.Response:
    response = _file(WEB / "assets" / Path(request.match_info["name"]).name)
    response.headers["Cache-Control"] = _HASHED
    return _embeddable(response)


async def desk(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    root = WEB / "desk"
    path = (root / name).resolve()
    if not name or not path.is_relative_to(root.resolve()) or not path.is_file():
        if "." in name.rsplit("/", 1)[-1]:
            raise web.HTTPNotFound()
        path = root / "index.html"
    response = _file(path)
    response.headers.update(DESK_HEADERS)
    if "/assets/" in f"/{name}":
        response.headers["Cache-Control"] = _HASHED
    return response


def _embeddable(response: web.Response) -> web.Response:
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _file(path: Path) -> web.Response:
    if not path.is_file():
        raise web.HTTPNotFound()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if kind == "text/javascript" or path.suffix == ".js":
        kind = "text/javascript"
    body = path.read_bytes()
    charset = "utf-8" if kind.startswith("text/") else None
    return web.Response(body=body, content_type=kind, charset=charset)
