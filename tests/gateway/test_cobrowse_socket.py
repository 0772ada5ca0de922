"""The shared page's socket over real connections: order, limits, close codes, and nothing after the end."""

from __future__ import annotations

import asyncio

import aiohttp
import msgspec

from cobrowse.ops import CODES, MAX_FRAME_BYTES, SIDE
from cobrowse.stream import LARGE_BYTES
from cobrowse.viewers import CREDIT_FRAMES
from server.cobrowse.line import MAX_BYTES
from server.cobrowse.line import Line as Waiting
from server.cobrowse.websocket import Page, framed
from server.edge import page_socket
from tests.gateway.conftest import World
from tests.gateway.test_cobrowse import Line, both, line

TEXT = CODES["TEXT"]


async def test_frames_after_a_large_one_wait_for_it_and_all_arrive_whole(world: World) -> None:
    _, agent, engagement, recorder, viewer = await both(world)
    large = "large words " * (LARGE_BYTES // 10)
    await recorder.send(2, TEXT, 4, large)
    for seq in range(3, 9):
        await recorder.send(seq, TEXT, 4, f"{seq} " + "words " * 400)
    frames = [await viewer.frame() for _ in range(7)]
    assert [frame[0] for frame in frames] == [*range(2, 9)]
    assert frames[0][3] == large and frames[-1][3] == "8 " + "words " * 400
    plain = (await agent.call("cobrowse.open", {"engagement": engagement}))["cobrowse"]
    second = Line(await world.http.ws_connect(world.url + plain["url"], compress=0))
    await second.send(0, SIDE["HELLO"], plain["token"])
    assert (await second.frame())[1] == CODES["KEY"]
    await recorder.send(9, TEXT, 4, "both " * 400)
    assert (await second.frame()) == (await viewer.frame())


async def test_a_viewer_that_says_nothing_gets_its_credit_and_then_a_keyframe(world: World) -> None:
    _, _, _, recorder, viewer = await both(world)
    for seq in range(2, CREDIT_FRAMES + 20):
        await recorder.send(seq, TEXT, 4, f"text {seq}")
    seen = [(await viewer.frame())[0] for _ in range(CREDIT_FRAMES - 1)]
    assert seen == [*range(2, CREDIT_FRAMES + 1)]
    await recorder.said("ACK")
    await viewer.send(0, SIDE["ACK"], seen[-1])
    whole = await viewer.frame()
    assert whole[1] == CODES["KEY"]
    await viewer.send(0, SIDE["ACK"], whole[0])
    await recorder.send(CREDIT_FRAMES + 20, TEXT, 4, "goes on")
    later = await viewer.frame()
    while later[0] < CREDIT_FRAMES + 20:
        later = await viewer.frame()
    assert later[0] == CREDIT_FRAMES + 20


async def test_frames_that_come_with_the_end_in_one_turn_do_not_pass(world: World) -> None:
    _, _, engagement, recorder, viewer = await both(world)
    room = world.node.cobrowse.rooms[engagement]  # type: ignore[index]
    (tab,) = room.tabs.values()
    raw = msgspec.msgpack.encode([2, TEXT, 4, "too late"])
    room.push(tab, raw, msgspec.msgpack.decode(raw))
    world.node.cobrowse.close_now(engagement)  # type: ignore[arg-type]
    assert await viewer.closed() == 4403
    assert all("too late" not in items for items in viewer.waiting)
    assert await recorder.closed() == 4403


async def test_frames_wait_for_the_socket_and_the_gate_is_asked_right_before_they_leave() -> None:
    woken: list[None] = []
    waiting = Waiting(lambda: woken.append(None), deflated=False)
    waiting.frame(Page(b"page"))
    waiting.say(3, 1)
    assert len(woken) == 1
    assert waiting.take(shows=False) == framed(msgspec.msgpack.encode([0, 3, 1]))
    # One message of any size, and so much beside it.
    waiting.frame(Page(bytes(MAX_BYTES + 1)))
    waiting.frame(Page(bytes(MAX_BYTES - 100)))
    assert waiting.closing is None
    waiting.frame(Page(bytes(200)))
    assert waiting.closing == (1013, "too slow") and waiting.take(shows=True) == b""


async def test_each_limit_has_its_close_code(world: World) -> None:
    visitor, _, engagement, recorder, _ = await both(world)
    again = await line(world, visitor, engagement, "doc", 2, 1)
    assert await recorder.closed() == 4409
    for _ in range(int(page_socket.MESSAGE_BURST) + 100):
        await again.send(0, SIDE["HAVE"])
    assert await again.closed() == 4429
    big = await line(world, visitor, engagement, "doc", 2, 1)
    await big.socket.send_bytes(bytes(MAX_FRAME_BYTES + 1))
    assert await big.closed() == 4413
    wrong = await line(world, visitor, engagement, "doc", 2, 1)
    for _ in range(20):
        await wrong.socket.send_bytes(b"\xc1")
    assert await wrong.closed() == 4400


async def test_a_ping_is_answered_and_a_goodbye_too(world: World) -> None:
    visitor, _, engagement, recorder, _ = await both(world)
    access = (await visitor.call("cobrowse.open", {"engagement": engagement}))["cobrowse"]
    socket = await world.http.ws_connect(world.url + access["url"], autoping=False)
    await socket.ping(b"there?")
    pong = await socket.receive(timeout=5)
    assert (pong.type, pong.data) == (aiohttp.WSMsgType.PONG, b"there?")
    await asyncio.gather(socket.close(code=1000), recorder.socket.close(code=1000))
    assert (socket.close_code, recorder.socket.close_code) == (1000, 1000)


async def test_what_is_no_handshake_is_answered_as_a_bad_request(world: World) -> None:
    async with world.http.get(world.url + "/v1/cobrowse") as answer:
        assert answer.status == 400
