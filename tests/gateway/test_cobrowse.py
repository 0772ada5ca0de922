"""The shared page over the wire: consent first, nothing after the end, no secrets, late viewers whole."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import msgspec

from cobrowse.ops import CODES, ELEMENT, END, SIDE, TEXT_NODE
from tests.gateway.conftest import Raw, World
from tests.gateway.test_chat import accepted

VIEW = {"capability": "view", "wording_sha256": "0" * 64}
CARD = "4111 1111 1111 1111"
SNAPSHOT = [
    *(1, CODES["SNAP"], 0, "http://bank.example/", "Bank", 800, 600),
    *(ELEMENT, "html", 0, ELEMENT, "p", 0, TEXT_NODE, "hello", END, END, END),
]


class Line:
    """A cobrowse socket; `said` waits for a message beside the stream, `frame` for a frame."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.waiting: list[list[Any]] = []

    async def send(self, *items: Any) -> None:
        await self.socket.send_bytes(msgspec.msgpack.encode(items))

    async def said(self, name: str) -> list[Any]:
        return await self._next(lambda items: items[:2] == [0, SIDE[name]])

    async def frame(self) -> list[Any]:
        return await self._next(lambda items: items[0] > 0)

    async def _next(self, wanted: Any) -> list[Any]:
        async with asyncio.timeout(5):
            while True:
                for number, items in enumerate(self.waiting):
                    if wanted(items):
                        return self.waiting.pop(number)
                message = await self.socket.receive()
                assert message.type is aiohttp.WSMsgType.BINARY, self.socket.close_code
                self.waiting.append(msgspec.msgpack.decode(message.data))

    async def closed(self) -> int | None:
        async with asyncio.timeout(5):
            while (message := await self.socket.receive()).type is aiohttp.WSMsgType.BINARY:
                continue
        return message.data if message.type is aiohttp.WSMsgType.CLOSE else self.socket.close_code


async def line(world: World, raw: Raw, engagement: str, *hello: Any) -> Line:
    access = (await raw.call("cobrowse.open", {"engagement": engagement}))["cobrowse"]
    socket = await world.http.ws_connect(world.url + access["url"], compress=15)
    made = Line(socket)
    await made.send(0, SIDE["HELLO"], access["token"], *hello)
    await made.said("WELCOME")
    return made


async def sharing(world: World) -> tuple[Raw, Raw, str]:
    visitor, agent, engagement = await accepted(world)
    await agent.durable("cobrowse.request", engagement=engagement)
    await visitor.durable("cobrowse.start", engagement=engagement, consent=VIEW)
    return visitor, agent, engagement


async def both(world: World) -> tuple[Raw, Raw, str, Line, Line]:
    visitor, agent, engagement = await sharing(world)
    recorder = await line(world, visitor, engagement, "doc", 1, 1)
    await recorder.send(*SNAPSHOT)
    viewer = await line(world, agent, engagement)
    assert (await viewer.frame())[1] in (CODES["KEY"], CODES["SNAP"])
    return visitor, agent, engagement, recorder, viewer


async def test_nothing_opens_before_the_visitor_agreed(world: World) -> None:
    visitor, agent, engagement = await accepted(world)
    early = await agent.call("cobrowse.open", {"engagement": engagement})
    assert early["error"]["code"] == "invalid_state"
    own = await agent.durable("cobrowse.start", engagement=engagement, consent=VIEW)
    assert own["error"]["code"] == "forbidden"
    wrong = VIEW | {"capability": "audio"}
    other = await visitor.durable("cobrowse.start", engagement=engagement, consent=wrong)
    assert other["error"]["code"] == "forbidden"


async def test_a_late_viewer_gets_the_whole_page_and_then_each_frame(world: World) -> None:
    visitor, _, engagement, recorder, viewer = await both(world)
    await recorder.send(2, CODES["TEXT"], 4, "changed")
    assert await viewer.frame() == [2, CODES["TEXT"], 4, "changed"]
    view = (await visitor.call("engagement.sync", {"engagement": engagement}))["snapshot"]["view"]
    assert [one["participant"] for one in view["cobrowse"]["viewers"]] == [view["agent"]]


async def test_a_secret_reaches_neither_viewer_nor_log_and_the_recorder_learns_of_it(world: World) -> None:
    _, _, engagement, recorder, viewer = await both(world)
    await recorder.send(2, CODES["TEXT"], 4, f"card {CARD}")
    frame = await viewer.frame()
    assert frame[:3] == [2, CODES["TEXT"], 4] and CARD not in frame[3]
    assert (await recorder.said("MASKED"))[2] == [4]
    room = world.node.cobrowse.rooms[engagement]  # type: ignore[index]
    assert all(CARD.encode() not in kept for tab in room.tabs.values() for kept in tab.stream.after(1) or [])


async def test_a_gap_is_answered_by_the_wish_for_a_snapshot(world: World) -> None:
    _, _, _, recorder, viewer = await both(world)
    await recorder.send(5, CODES["TEXT"], 4, "too early")
    assert (await recorder.said("NEED"))[2] == "resync_required"
    await recorder.send(6, *SNAPSHOT[1:])
    assert (await viewer.frame())[0] == 6


async def test_who_comes_back_goes_on_where_it_was(world: World) -> None:
    visitor, _, engagement, recorder, viewer = await both(world)
    await recorder.socket.close()
    access = (await visitor.call("cobrowse.open", {"engagement": engagement}))["cobrowse"]
    again = Line(await world.http.ws_connect(world.url + access["url"]))
    await again.send(0, SIDE["HELLO"], access["token"], "doc", 2, 1)
    assert (await again.said("WELCOME"))[2] == 1
    await again.send(2, CODES["TEXT"], 4, "back")
    assert (await viewer.frame())[3] == "back"


async def test_after_the_end_nothing_passes_and_no_pass_opens_anything(world: World) -> None:
    visitor, agent, engagement, recorder, viewer = await both(world)
    access = (await agent.call("cobrowse.open", {"engagement": engagement}))["cobrowse"]
    await visitor.durable("cobrowse.stop", engagement=engagement)
    assert await viewer.closed() == 4403
    assert await recorder.closed() == 4403
    late = Line(await world.http.ws_connect(world.url + access["url"]))
    await late.send(0, SIDE["HELLO"], access["token"])
    assert await late.closed() == 4403


async def test_a_repeated_stop_does_not_end_what_began_after_it(world: World) -> None:
    visitor, _, engagement, _, _ = await both(world)
    await visitor.durable("cobrowse.stop", engagement=engagement)
    stop = {"counter": visitor.counter, "engagement": engagement}
    await visitor.durable("cobrowse.start", engagement=engagement, consent=VIEW)
    recorder = await line(world, visitor, engagement, "doc2", 1, 1)
    assert "error" not in {key for key, value in (await visitor.call("cobrowse.stop", stop)).items() if value}
    await recorder.send(0, SIDE["HAVE"], ["0" * 64])
    assert (await recorder.said("WANT"))[2] == ["0" * 64]


async def test_a_pause_lets_nothing_through_and_a_resume_begins_anew(world: World) -> None:
    visitor, _, engagement, recorder, viewer = await both(world)
    await visitor.durable("cobrowse.pause", engagement=engagement)
    await recorder.send(2, CODES["TEXT"], 4, "unseen")
    await visitor.durable("cobrowse.resume", engagement=engagement)
    await recorder.send(3, *SNAPSHOT[1:])
    frame = await viewer.frame()
    assert frame[0] == 3 and "unseen" not in frame


async def test_bad_passes_and_bad_messages_are_turned_away(world: World) -> None:
    visitor, _, engagement = await sharing(world)
    access = (await visitor.call("cobrowse.open", {"engagement": engagement}))["cobrowse"]
    for hello, code in (
        ((0, SIDE["HELLO"], "nonsense", "doc", 1, 1), 4401),
        ((0, SIDE["HELLO"], access["token"]), 4401),  # a recorder's pass is no viewer's
        ((1, 2, 3), 4400),
    ):
        wrong = Line(await world.http.ws_connect(world.url + access["url"]))
        await wrong.send(*hello)
        assert await wrong.closed() == code
    text = await world.http.ws_connect(world.url + access["url"])
    await text.send_str("hello")
    assert await Line(text).closed() == 4400


async def test_control_needs_a_grant_of_its_kind_and_pointing_its_own(world: World) -> None:
    visitor, agent, engagement, recorder, viewer = await both(world)
    await viewer.send(0, SIDE["CONTROL"], 7, "g_none", 1, 3, "click", 0.5, 0.5)
    assert (await viewer.said("DID"))[2:] == [7, "control_not_granted"]
    consent = VIEW | {"capability": "control"}
    grant = {
        "engagement": engagement,
        "consent": consent,
        "kinds": ["click"],
        "origin": "http://bank.example",
    }
    await visitor.durable("cobrowse.grant", **grant)
    view = (await visitor.call("engagement.sync", {"engagement": engagement}))["snapshot"]["view"]
    (given,) = view["cobrowse"]["grants"]
    await viewer.send(0, SIDE["CONTROL"], 8, given["id"], 1, 3, "click", 0.5, 0.5)
    assert (await recorder.said("CONTROL"))[2:4] == [8, given["id"]]
    await visitor.durable("cobrowse.revoke", engagement=engagement, capability="control")
    await viewer.send(0, SIDE["CONTROL"], 9, given["id"], 1, 3, "click", 0.5, 0.5)
    assert (await viewer.said("DID"))[2:] == [9, "control_not_granted"]
    assert (await agent.durable("cobrowse.grant", **grant))["error"]["code"] == "forbidden"


async def test_a_code_brings_the_agent_who_is_told_it(world: World) -> None:
    visitor, agent = await world.visitor("bench"), await world.agent()
    opened = await visitor.durable("cobrowse.code", consent=VIEW)
    view = (await visitor.call("engagement.sync", {"engagement": opened["engagement"]}))["snapshot"]["view"]
    code = view["cobrowse"]["code"]
    assert len(code) == 6 and view["phase"] == "open"
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    assert (await agent.durable("cobrowse.join_code", code=wrong))["error"]["code"] == "no_such_code"
    joined = await agent.durable("cobrowse.join_code", code=code)
    assert joined["engagement"] == opened["engagement"]
    assert (await agent.durable("cobrowse.join_code", code=code))["error"]["code"] == "no_such_code"
    view = (await agent.event("engagement.snapshot"))["snapshot"]["view"]
    assert (view["phase"], view["cobrowse"]["state"], view["cobrowse"]["code"]) == ("active", "live", "")
