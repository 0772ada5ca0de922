"""HTTP errors as problem+json with the same code as on the socket, and the headers every answer has."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from server.wire import encode_body
from signaling import errors as e
from signaling.protocol import Problem

logger = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATUS: dict[str, int] = {
    "unauthenticated": 401,
    "invalid_token": 401,
    "token_replayed": 409,
    "origin_not_allowed": 403,
    "forbidden": 403,
    "not_found": 404,
    "control_held": 409,
    "idempotency_conflict": 409,
    "invalid_state": 409,
    "stale_revision": 409,
    "engagement_closed": 410,
    "file_too_large": 413,
    "payload_too_large": 413,
    "file_type_not_allowed": 415,
    "rate_limited": 429,
    "overloaded": 503,
    "unavailable": 503,
    "internal": 500,
}

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


CLIENT_GONE = 499
"""Status that nobody reads: the connection is closed already."""


def problem(error: e.TalkError) -> web.Response:
    code = error.wire_code
    status = STATUS.get(code, 502 if isinstance(error, e.MediaError) else 400)
    body = Problem(f"about:blank#{code}", error.public, status, code, "", error.retry_after_ms)
    headers = {"Retry-After": str(-(-error.retry_after_ms // 1_000))} if error.retry_after_ms else {}
    return web.Response(
        body=encode_body(body), status=status, content_type="application/problem+json", headers=headers
    )


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Typed faults become problem+json; anything else is ours: logged, and no word of it told."""
    try:
        return await handler(request)
    except e.TalkError as error:
        return problem(error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code = {404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}.get(
            error.status, "bad_request"
        )
        body = Problem(f"about:blank#{code}", error.reason, error.status, code)
        return web.Response(
            body=encode_body(body), status=error.status, content_type="application/problem+json"
        )
    except Exception as error:
        if isinstance(error, ConnectionError) and gone(request):
            return web.Response(status=CLIENT_GONE)
        logger.exception("request failed", extra={"code": request.match_info.route.name or ""})
        return problem(e.TalkError())


def gone(request: web.Request) -> bool:
    """Whether the browser has left in the middle of its request: nobody to answer, and no fault of ours."""
    return request.transport is None or request.transport.is_closing()


@web.middleware
async def secure_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    if not response.prepared:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
    return response


def cors(response: web.StreamResponse, origin: str | None) -> web.StreamResponse:
    """Let a checked origin read the answer. No credentials: bearer tokens are the only authority."""
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Vary"] = "Origin"
    return response


__all__ = ["answer_problems", "cors", "problem", "secure_headers"]
