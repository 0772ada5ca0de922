"""Rows of bad input and the typed answer each gets; nobody else is touched, nothing is logged of it."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest

from tests.gateway.conftest import BENCH, ORIGIN, World

GOOD = '421["chat.typing",{"engagement":"e_x","typing":true}]'


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("4", "malformed_packet"),
        ("4x", "malformed_packet"),
        ("x", "malformed_packet"),
        ("42{", "malformed_packet"),
        ("42[]", "malformed_event"),
        ("42[1]", "malformed_event"),
        ("42[{}]", "malformed_event"),
        ('42["disconnect"]', "unknown_event"),
        ('42["connect"]', "unknown_event"),
        ('42["__proto__"]', "unknown_event"),
        ('42["chat.send"]', "invalid_arguments"),
        ('42["chat.send",{},{},{}]', "invalid_arguments"),
        ('42["chat.send",{"counter":1,"text":"x","extra":1}]', "invalid_arguments"),
        ('42["chat.send",{"counter":0,"text":"x"}]', "invalid_arguments"),
        ('451-["x"]', "binary_not_allowed"),
        ('450-["x",{"_placeholder":true,"num":-1}]', "binary_not_allowed"),
        ("42" + "[" * 100_000 + "]" * 100_000, "too_deep"),
        ('42["chat.send",{"counter":NaN,"text":"x"}]', "invalid_number"),
        ('42["chat.send",{"counter":Infinity,"text":"x"}]', "invalid_number"),
        ('42["chat.send",{"counter":1e999,"text":"x"}]', "invalid_number"),
        ('42["chat.send",{"counter":' + "9" * 101 + ',"text":"x"}]', "invalid_number"),
        ('42["chat.send",{"counter":-0,"text":"x"}]', "invalid_number"),
        ('42["chat.mark",{"engagement":"e","delivered":9007199254740993,"read":0}]', "invalid_number"),
        ('42["chat.send",{"counter":1,"text":"\\ud800"}]', "invalid_text"),
        ('42["chat.send",{"counter":1,"text":"\\u0000"}]', "invalid_text"),
        ('42["chat.send",{"counter":1,"counter":2,"text":"x"}]', "duplicate_key"),
    ],
)
async def test_a_bad_packet_gets_its_code_and_the_connection_lives(
    world: World, frame: str, code: str, capfd: pytest.CaptureFixture[str]
) -> None:
    visitor = await world.visitor()
    await visitor.socket.send_str(frame)
    assert await visitor.error() == code
    assert (await visitor.durable("chat.send", text="still here"))["seq"] == 2
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("text", "code"),
    [("x" * 4_001, "text_too_long"), ("", "text_empty"), ("\u200b \u200d", "text_empty")],
)
async def test_chat_text_has_its_limits(world: World, text: str, code: str) -> None:
    visitor = await world.visitor()
    assert (await visitor.durable("chat.send", text=text))["error"]["code"] == code
    assert "error" not in await visitor.durable("chat.send", text="x" * 4_000)


async def test_too_many_attachments_close_with_1009(world: World) -> None:
    visitor = await world.visitor()
    await visitor.socket.send_str('459999999999-["x"]')
    assert await visitor.error() == "payload_too_large"
    assert await visitor.closed() == 1009


async def test_twenty_bad_inputs_in_ten_seconds_close_with_1008(world: World) -> None:
    visitor, other = await world.visitor(), await world.visitor(device="d2")
    for _ in range(20):
        await visitor.socket.send_str("4x")
    assert await visitor.closed() == 1008
    assert "error" not in await other.durable("chat.send", text="unharmed")


async def test_a_frame_that_is_not_utf8_closes_with_1007(world: World) -> None:
    visitor = await world.visitor()
    writer = visitor.socket._writer
    await writer.send_frame(b"42\xff\xfe", 1)
    assert await visitor.closed() == 1007


async def test_events_before_authentication_are_refused(world: World) -> None:
    raw = await world.raw()
    await raw.socket.send_str(GOOD)
    while 1 not in raw.acks:
        await raw.read()
    assert raw.acks[1]["error"]["code"] == "unauthenticated"


@pytest.mark.timeout(30)
async def test_who_does_not_authenticate_is_closed_with_4401(world: World) -> None:
    raw = await world.raw()
    began = asyncio.get_running_loop().time()
    while await asyncio.wait_for(_frame(raw), 15) is not None:
        continue
    assert raw.socket.close_code == 4401
    assert asyncio.get_running_loop().time() - began > 8


async def _frame(raw: Any) -> str | None:
    message = await raw.socket.receive()
    if message.data == "2":
        await raw.socket.send_str("3")
    return message.data if isinstance(message.data, str) and message.type.name == "TEXT" else None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"token": "nonsense"}, "unauthenticated"),
        ({"protocol": 99}, "unsupported_protocol"),
        ({"device": "../../x y"}, "invalid_arguments"),
        ({"site": "elsewhere"}, "unauthenticated"),
        ({"site": "shop"}, "unauthenticated"),
        ({"surprise": 1}, "invalid_arguments"),
    ],
)
async def test_a_bad_connect_is_told_why(world: World, change: dict[str, Any], code: str) -> None:
    raw = await world.raw()
    auth = {"protocol": 1, "token": await world.credential(), "device": "d", "site": "bank"} | change
    answer = await raw.connect(auth)
    assert answer is not None and answer.startswith("44")
    assert json.loads(answer[2:])["data"]["code"] == code


@pytest.mark.parametrize(
    "origin",
    [
        "https://www.bank.example.evil.example",
        "null",
        "https://WWW.BANK.EXAMPLE.evil",
        "https://www.bank.example:444",
        "http://www.bank.example",
        "https://www.bänk.example",
        "https://xn--bnk-qla.example",
    ],
)
async def test_foreign_origins_are_refused_on_every_way_in(world: World, origin: str) -> None:
    headers = {"Origin": origin.encode("idna").decode() if "ä" in origin else origin}
    url = f"{world.url}/socket.io/?EIO=4&transport=websocket"
    async with world.http.get(url, headers={**headers, "Connection": "Upgrade"}) as answer:
        assert answer.status == 403
        assert (await answer.json(content_type=None))["code"] == "origin_not_allowed"
    async with world.http.post(
        f"{world.url}/v1/visitors/session", json={"site": "bank"}, headers=headers
    ) as answer:
        assert answer.status == 403


async def test_a_sites_origin_is_good_for_that_site_only(world: World) -> None:
    headers = {"Origin": ORIGIN}
    for site, status in (("bank", 200), ("shop", 403)):
        async with world.http.post(
            f"{world.url}/v1/visitors/session", json={"site": site}, headers=headers
        ) as answer:
            assert answer.status == status
    raw = await world.raw(Origin=ORIGIN)
    auth = {"protocol": 1, "token": await world.credential("shop"), "device": "d", "site": "shop"}
    refused = await raw.connect(auth)
    assert refused is not None and "origin_not_allowed" in refused


PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 64


@pytest.mark.parametrize(
    ("name", "data", "status", "code"),
    [
        ("a.png", b"", 400, "file_empty"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * (10 * 1024 * 1024), 413, "file_too_large"),
        ("a.png", b"<html><script>alert(1)</script>", 415, "file_type_not_allowed"),
        ("../../x.png", PNG, 400, "invalid_name"),
        ("n" * 5_000, PNG, 400, "invalid_name"),
        ("a\u202egnp.exe", PNG, 400, "invalid_name"),
    ],
)
async def test_bad_uploads_get_their_code(
    world: World, name: str, data: bytes, status: int, code: str
) -> None:
    headers = {"Authorization": f"Bearer {await world.credential()}"}
    async with world.http.post(
        f"{world.url}/v1/files", params={"name": name}, data=io.BytesIO(data), headers=headers
    ) as answer:
        assert answer.status == status
        assert (await answer.json(content_type=None))["code"] == code


async def test_a_photo_arrives_whole_and_only_for_participants(world: World) -> None:
    token = await world.credential("bench")
    visitor = await world.visitor("bench", credential=token)
    headers = {"Authorization": f"Bearer {token}"}
    async with world.http.post(
        f"{world.url}/v1/files", params={"name": "photo.png"}, data=PNG, headers=headers
    ) as answer:
        info = await answer.json()
    stranger = {"Authorization": f"Bearer {await world.credential('bench')}"}
    await visitor.durable("chat.send", text="", file=info["id"])
    url = f"{world.url}/v1/files/{info['id']}"
    async with world.http.get(url, headers=headers) as answer:
        assert await answer.read() == PNG
        assert answer.headers["Content-Disposition"] == "attachment"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for wrong in (stranger, {}, {"Authorization": "Bearer x"}):
        async with world.http.get(url, headers=wrong) as answer:
            assert answer.status in (401, 404)
    theft = await (await world.visitor("bench", device="d9")).durable("chat.send", text="", file=info["id"])
    assert theft["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/v1/visitors/session", b"{", 400, "malformed_packet"),
        ("POST", "/v1/visitors/session", b'{"site":"bank","x":1}', 400, "invalid_arguments"),
        ("POST", "/v1/visitors/session", b'{"site":"nowhere"}', 404, "not_found"),
        ("POST", "/v1/visitors/session", b"x" * 70_000, 413, "payload_too_large"),
        ("POST", "/v1/agents/login", b'{"login":"a","password":"b"}', 401, "unauthenticated"),
        ("GET", "/v1/agents/me", b"", 401, "unauthenticated"),
        ("POST", "/v1/paths", b'{"engagement":"e","device":"d"}', 401, "unauthenticated"),
        ("GET", "/v1/engagements/e_x/timeline?before=x", b"", 401, "unauthenticated"),
        ("DELETE", "/v1/agents/me", b"", 404, "not_found"),
        ("GET", "/v1/nothing", b"", 404, "not_found"),
    ],
)
async def test_http_faults_are_problems_with_a_code(
    world: World, method: str, path: str, body: bytes, status: int, code: str
) -> None:
    async with world.http.request(method, world.url + path, data=body or None) as answer:
        assert answer.status == status
        assert answer.content_type == "application/problem+json"
        assert (await answer.json(content_type=None))["code"] == code


async def test_a_method_nobody_knows_is_a_bad_request(world: World) -> None:
    async with world.http.request("FOO", world.url + "/v1/agents/me") as answer:
        assert answer.status == 400
        assert "Traceback" not in await answer.text()


async def test_guessing_passwords_is_slowed_down(world: World) -> None:
    codes = []
    for _ in range(7):
        body = {"login": "nobody", "password": "wrong"}
        async with world.http.post(f"{world.url}/v1/agents/login", json=body) as answer:
            codes.append((await answer.json(content_type=None))["code"])
    assert codes[0] == "unauthenticated"
    assert codes[-1] == "rate_limited"


async def test_bench_agents_need_the_bench_token(world: World) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        async with world.http.post(f"{world.url}/v1/bench/agents", json={}, headers=headers) as answer:
            assert answer.status == 404
    assert BENCH


async def test_a_reader_who_stops_reading_is_cut_and_others_go_on(world: World) -> None:
    from server.edge.gateway import MAX_OUTBOX_BYTES

    credential = await world.credential()
    slow = await world.visitor(credential=credential, device="slow")
    writer = await world.visitor(credential=credential, device="d2")
    socket = next(
        s for s in world.node.gateway.eio.sockets.values() if getattr(s, "outbox_bytes", None) is not None
    )
    socket.outbox_bytes = MAX_OUTBOX_BYTES
    await writer.durable("chat.send", text="x" * 4_000)
    ends = [await asyncio.wait_for(_drained(reader), 5) for reader in (slow, writer)]
    assert ends.count(True) == 1


async def _drained(reader: Any) -> bool:
    """True when the connection ends, False when it is still there."""
    try:
        async with asyncio.timeout(0.5):
            while await reader.read() is not None:
                continue
            return True
    except TimeoutError:
        return False


async def test_our_own_host_is_good_by_https_too_which_ended_before_us(world: World) -> None:
    host = world.url.removeprefix("http://")
    for origin, code in ((world.url, 200), (f"https://{host}", 200), (f"https://evil.{host}", 403)):
        headers = {"Origin": origin}
        async with world.http.get(f"{world.url}/v1/sites/bench/widget", headers=headers) as answer:
            assert answer.status == code, origin
