"""Pages and their headers, by pytest-aiohttp's client: demo company, viewer, softphone, metrics, proxies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import ClientError, web
from pytest_aiohttp import AiohttpClient

from server.config import Config
from server.edge import demo, pages, viewer
from server.edge.problems import answer_problems, secure_headers
from server.edge.proxy import trust_proxies
from server.node import complete
from tests.gateway.conftest import World


def app(*routes: web.RouteDef, **settings: Any) -> web.Application:
    made = web.Application(middlewares=[secure_headers, answer_problems], **settings)
    made.add_routes(routes)
    return made


@pytest.fixture
def company(tmp_path: Path) -> demo.DemoCompany:
    config = complete(Config(demo=True, data_dir=tmp_path))
    return demo.DemoCompany(config, demo.demo_key(tmp_path / "keys"))


async def test_a_browser_that_leaves_in_the_middle_of_its_request_is_no_fault_of_ours(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    async def late(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        return socket

    client = await aiohttp_client(app(web.get("/late", late)))
    with pytest.raises(ClientError):
        await client.ws_connect("/late")
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == []


async def test_a_broken_connection_of_our_own_is_a_fault_and_told_in_our_words(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        raise ConnectionResetError("redis is gone")

    client = await aiohttp_client(app(web.get("/broken", broken)))
    answer = await client.get("/broken")
    assert (answer.status, (await answer.json())["code"]) == (500, "internal")
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == ["request failed"]


async def test_the_demo_companys_pages_embed_us_by_one_snippet_and_a_strict_policy(
    aiohttp_client: AiohttpClient, company: demo.DemoCompany
) -> None:
    client = await aiohttp_client(app(*company.routes()))
    for page in ("", "accounts.html", "loan.html", "loan-income.html", "loan-review.html", "help.html"):
        answer = await client.get(f"/{page}")
        text = await answer.text()
        assert answer.status == 200
        assert text.count('src="http://127.0.0.1:8080/talknow.js"') == 1
        assert "{{" not in text
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
    for path in ("/../pyproject.toml", "/%2e%2e/pyproject.toml", "/nothing.html"):
        assert (await client.get(path)).status == 404


async def test_the_demo_company_signs_its_customers_for_two_minutes(
    aiohttp_client: AiohttpClient, company: demo.DemoCompany, tmp_path: Path
) -> None:
    client = await aiohttp_client(app(*company.routes()))
    answer = await client.get("/token", params={"user": "anna"})
    key = demo.demo_key(tmp_path / "keys")
    token = (await answer.json())["token"]
    claims = jwt.decode(token, key, algorithms=["HS256"], audience="talknow", issuer=demo.ISSUER)
    assert (claims["sub"], claims["name"], claims["exp"] - claims["iat"]) == (
        "customer-4711",
        "Anna Berg",
        120,
    )
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await client.get("/token", params={"user": "nobody"})).status == 404


async def test_the_viewers_origin_allows_nothing(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(app(*viewer.routes("http://desk.example")))
    answer = await client.get("/")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; sandbox")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_softphone_runs_only_what_is_ours(aiohttp_client: AiohttpClient) -> None:
    allowed = pages.desk_policy(["https://b.example"], ["https://view-a.example", "https://view-b.example"])
    client = await aiohttp_client(app(*pages.routes(allowed)))
    answer = await client.get("/desk/")
    assert answer.status == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "connect-src 'self' https://b.example ws: wss:;" in policy, "another node, after its own one died"
    assert "frame-src https://view-a.example https://view-b.example;" in policy
    assert "microphone=(self)" in answer.headers["Permissions-Policy"]
    assert (await client.get("/desk/../../config.py")).status == 404
    loader = await client.get("/talknow.js")
    assert loader.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("trusted", "seen"),
    [
        (("127.0.0.1",), "https 203.0.113.9"),
        (("2001:db8::/32", "127.0.0.0/8"), "https 203.0.113.9"),
        (("10.0.0.0/8",), "http 127.0.0.1"),
        ((), "http 127.0.0.1"),
    ],
)
async def test_only_a_trusted_proxy_is_believed(
    aiohttp_client: AiohttpClient, trusted: tuple[str, ...], seen: str
) -> None:
    async def who(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.scheme} {request.remote}")

    made = web.Application(middlewares=[trust_proxies(trusted)])
    made.add_routes([web.get("/", who)])
    client = await aiohttp_client(made)
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
    assert await (await client.get("/", headers=headers)).text() == seen


async def test_metrics_count_people_answers_and_refusals(world: World) -> None:
    visitor = await world.visitor()
    await visitor.durable("chat.send", text="hello")
    await visitor.socket.send_str("4x")
    assert await visitor.error() == "malformed_packet"
    async with world.http.get(f"{world.url}/metrics") as answer:
        text = await answer.text()
    for line in (
        'talknow_connections{role="visitor"} 1.0',
        'talknow_commands_total{code="ok",command="chat.send"} 1.0',
        'talknow_refused_total{reason="malformed_packet"} 1.0',
        "talknow_log_commits",
    ):
        assert line in text
    assert "hello" not in text
