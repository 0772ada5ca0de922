"""The shared page over the wire: consent first, nothing after the end, no secrets, late viewers whole."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import msgspec
from msgspec.structs import replace

from cobrowse.ops import CODES, ELEMENT, END, SIDE, TEXT_NODE
from server.cobrowse.members import CHANGING_S
from signaling.actors import engagement_actor
from signaling.protocol import EngagementId
from tests.gateway.conftest import ORIGIN, Raw, World
from tests.gateway.test_chat import accepted
from tests.gateway.test_colleagues import colleague

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

    async def raw_frame(self) -> bytes:
        """The bytes of the next frame that nobody has looked at."""
        async with asyncio.timeout(5):
            while True:
                message = await self.socket.receive()
                assert message.type is aiohttp.WSMsgType.BINARY, self.socket.close_code
                if msgspec.msgpack.decode(message.data)[0] > 0:
                    return bytes(message.data)

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
    number, grant_id = (await recorder.said("CONTROL"))[2:4]
    assert grant_id == given["id"]
    await recorder.send(0, SIDE["DID"], number, "4111 1111 1111 1111")
    await recorder.send(0, SIDE["DID"], number, "ok")
    assert (await viewer.said("DID"))[2:] == [8, "ok"]
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


async def test_every_viewer_gets_the_same_bytes(world: World) -> None:
    _, agent, engagement, recorder, first = await both(world)
    second = await line(world, agent, engagement)
    await second.frame()
    for seq in range(2, 30):
        await recorder.send(seq, CODES["TEXT"], 4, f"line {seq}, card {CARD}")
    got = [[await one.raw_frame() for _ in range(2, 30)] for one in (first, second)]
    assert got[0] == got[1]
    assert all(CARD.encode() not in frame for frame in got[0])


async def test_a_colleague_who_left_sees_nothing_more_and_no_pass_of_its_opens_anything(world: World) -> None:
    visitor, agent, engagement, recorder, viewer = await both(world)
    other, login = await colleague(world)
    await agent.durable("engagement.invite", engagement=engagement, login=login)
    await other.durable("engagement.join", engagement=engagement)
    theirs = await line(world, other, engagement)
    await theirs.frame()
    view = (await visitor.call("engagement.sync", {"engagement": engagement}))["snapshot"]["view"]
    assert len(view["cobrowse"]["viewers"]) == 2
    access = (await other.call("cobrowse.open", {"engagement": engagement}))["cobrowse"]
    await other.durable("engagement.leave", engagement=engagement)
    assert await theirs.closed() == 4403
    late = Line(await world.http.ws_connect(world.url + access["url"]))
    await late.send(0, SIDE["HELLO"], access["token"])
    assert await late.closed() == 4403
    await recorder.send(2, CODES["TEXT"], 4, "still seen")
    assert (await viewer.frame())[3] == "still seen"
    view = (await visitor.call("engagement.sync", {"engagement": engagement}))["snapshot"]["view"]
    assert [one["participant"] for one in view["cobrowse"]["viewers"]] == [view["agent"]]


async def test_when_consent_to_look_is_taken_back_in_mid_stream_no_frame_passes_to_anybody(
    world: World,
) -> None:
    visitor, agent, engagement, recorder, first = await both(world)
    second = await line(world, agent, engagement)
    sent = stopped_at = 0

    async def record() -> None:
        nonlocal sent
        for seq in range(2, 2_000):
            if recorder.socket.closed:
                return
            await recorder.send(seq, CODES["TEXT"], 4, f"frame {seq}")
            sent = seq
            await asyncio.sleep(0)

    async def look(viewer: Line) -> int:
        """Ack all of it; the last frame that came."""
        last = 0
        async for message in viewer.socket:
            items = msgspec.msgpack.decode(message.data)
            if items[0] > 0:
                last = items[0]
                await viewer.send(0, SIDE["ACK"], last)
        assert viewer.socket.close_code == 4403
        return last

    async with asyncio.TaskGroup() as tasks:
        recording = tasks.create_task(record())
        looking = [tasks.create_task(look(viewer)) for viewer in (first, second)]
        while sent < 100:
            await asyncio.sleep(0.01)
        room = world.node.cobrowse.rooms[engagement]  # type: ignore[index]
        await visitor.durable("cobrowse.stop", engagement=engagement)
        stopped_at = sent
        passed = world.node.cobrowse.counts.frames
        assert not room.gate.shows and engagement not in world.node.cobrowse.rooms
        recording.cancel()
    assert all(10 < one.result() <= stopped_at for one in looking)
    assert world.node.cobrowse.counts.frames == passed


async def test_control_by_a_grant_of_another_engagement_or_of_another_kind_reaches_nobody(
    world: World,
) -> None:
    others = await both(world)
    grant = {"consent": VIEW | {"capability": "control"}, "kinds": ["click"], "origin": "http://bank.example"}
    await others[0].durable("cobrowse.grant", engagement=others[2], **grant)
    foreign = await granted(others[0], others[2])
    visitor, _, engagement, recorder, viewer = await both(world)
    await visitor.durable("cobrowse.grant", engagement=engagement, **(grant | {"kinds": ["scroll"]}))
    own = await granted(visitor, engagement)
    for number, (grant_id, kind, values) in enumerate(
        [
            (foreign, "click", (0.5, 0.5)),
            (own, "click", (0.5, 0.5)),
            (own, "type", ("words",)),
            (own, "navigate", ("reload",)),
            ("", "scroll", (0, 5)),
            (7, "scroll", (0, 5)),
        ]
    ):
        await viewer.send(0, SIDE["CONTROL"], number, grant_id, 1, 3, kind, *values)
        assert (await viewer.said("DID"))[2:] == [number, "control_not_granted"]
    await viewer.send(0, SIDE["CONTROL"], 99, own, 1, 3, "scroll", 0, 5)
    assert (await recorder.said("CONTROL"))[3:] == [own, 1, 3, "scroll", 0, 5]


async def granted(visitor: Raw, engagement: str) -> str:
    view = (await visitor.call("engagement.sync", {"engagement": engagement}))["snapshot"]["view"]
    return str(view["cobrowse"]["grants"][0]["id"])


async def test_wrong_codes_are_few_a_minute_and_then_the_right_one_waits_too(world: World) -> None:
    visitor, agent = await world.visitor("bench"), await world.agent()
    opened = await visitor.durable("cobrowse.code", consent=VIEW)
    view = (await visitor.call("engagement.sync", {"engagement": opened["engagement"]}))["snapshot"]["view"]
    code = view["cobrowse"]["code"]
    for wrong in range(1, 6):
        guess = f"{(int(code) + wrong) % 1_000_000:06}"
        assert (await agent.durable("cobrowse.join_code", code=guess))["error"]["code"] == "no_such_code"
    refused = (await agent.durable("cobrowse.join_code", code=code))["error"]
    assert refused["code"] == "rate_limited" and 0 < refused["retry_after_ms"] <= 60_000
    another = await world.agent("db")
    assert (await another.durable("cobrowse.join_code", code=code))["engagement"] == opened["engagement"]


async def test_a_page_of_another_origin_is_recorded_only_where_the_site_says_so(world: World) -> None:
    site = world.node.sites["bench"]
    login, other = "https://login.bank.example", "https://shop.bank.example"
    rules = replace(site.cobrowse, continue_on_origins=(login,))
    world.node.sites["bench"] = replace(site, origins=(*site.origins, ORIGIN, login, other), cobrowse=rules)
    first, agent, engagement = await accepted(world)
    visitor = await world.visitor("bench", "d2", first.token, Origin=ORIGIN)
    await agent.durable("cobrowse.request", engagement=engagement)
    await visitor.durable("cobrowse.start", engagement=engagement, consent=VIEW)
    for origin, code in ((ORIGIN, None), (login, None), (other, 4406), (ORIGIN, None)):
        access = (await visitor.call("cobrowse.open", {"engagement": engagement}))["cobrowse"]
        headers = {"Origin": origin}
        recorder = Line(await world.http.ws_connect(world.url + access["url"], headers=headers))
        await recorder.send(0, SIDE["HELLO"], access["token"], f"doc {origin}", 1, 1)
        if code is None:
            await recorder.said("WELCOME")
        else:
            assert await recorder.closed() == code
    items = (await agent.call("engagement.sync", {"engagement": engagement}))["snapshot"]["items"]
    assert [item["origin"] for item in items if item.get("what") == "started"] == [ORIGIN]


async def test_two_tabs_are_two_streams_and_the_one_lost_for_a_page_change_keeps_the_lead(
    world: World,
) -> None:
    visitor, _, engagement, recorder, viewer = await both(world)
    credential = visitor.token
    other = await world.visitor("bench", "d2", credential=credential)
    second = await line(world, other, engagement, "doc of two", 1, 1)
    await second.send(*SNAPSHOT[:2], 0, "http://bank.example/two", *SNAPSHOT[4:])
    await second.send(2, CODES["VIS"], 1)
    await recorder.send(2, CODES["VIS"], 0)
    while (switch := (await viewer.said("SWITCH"))[2]) != "d2":
        continue
    await second.send(0, SIDE["BYE"], "navigating")
    await second.socket.close()
    while "stale" not in [tab[4] for tab in (await viewer.said("STREAMS"))[2]]:
        continue
    await recorder.send(3, CODES["TEXT"], 4, "behind")
    room = world.node.cobrowse.rooms[engagement]  # type: ignore[index]
    assert [one.tab.id for one in room.viewers.values() if one.tab] == [switch]
    again = await line(world, other, engagement, "next doc of two", 1, 1)
    await again.send(*SNAPSHOT)
    assert (await viewer.said("SWITCH"))[2:4] == ["d2", 2]


async def test_when_every_tab_is_gone_the_last_picture_is_of_the_one_that_was_lost_last(world: World) -> None:
    visitor, _, engagement, recorder, viewer = await both(world)
    other = await world.visitor("bench", "d2", credential=visitor.token)
    second = await line(world, other, engagement, "doc of two", 1, 1)
    await second.send(*SNAPSHOT)
    room = world.node.cobrowse.rooms[engagement]  # type: ignore[index]
    for gone, name in ((second, "d2"), (recorder, "d1")):
        await gone.socket.close()
        while room.tabs[name].line is not None:
            await asyncio.sleep(0.01)
    for tab in room.tabs.values():
        tab.lost_at -= CHANGING_S
    room.tell_streams()
    while (tabs := (await viewer.said("STREAMS"))[2])[0][4] != "away":
        continue
    assert [tab[0] for tab in tabs] == ["d1"]
    shown = next(iter(room.viewers.values())).tab
    assert shown is not None and shown.id == "d1"


async def resumed(world: World, raw: Raw, engagement: str, *has: Any) -> Line:
    return await line(world, raw, engagement, list(has))


async def test_a_viewer_that_comes_back_gets_what_came_after_what_it_has(world: World) -> None:
    _, agent, engagement, recorder, viewer = await both(world)
    stream, epoch, life = (await viewer.said("SWITCH"))[2:]
    await recorder.send(2, CODES["TEXT"], 4, "two")
    assert (await viewer.frame())[0] == 2
    await viewer.socket.close()
    await recorder.send(3, CODES["TEXT"], 4, "three")
    await recorder.send(4, CODES["TEXT"], 4, "four")
    other = await line(world, agent, engagement)
    assert (await other.frame())[:2] == [4, CODES["KEY"]]
    back = await resumed(world, agent, engagement, stream, epoch, life, 2, "")
    assert await back.frame() == [3, CODES["TEXT"], 4, "three"]
    assert await back.frame() == [4, CODES["TEXT"], 4, "four"]
    await recorder.send(5, CODES["TEXT"], 4, "five")
    assert await back.frame() == [5, CODES["TEXT"], 4, "five"]


async def test_a_viewer_whose_stream_is_another_one_or_too_far_back_gets_a_keyframe(world: World) -> None:
    _, agent, engagement, recorder, viewer = await both(world)
    stream, epoch, life = (await viewer.said("SWITCH"))[2:]
    await recorder.send(2, CODES["TEXT"], 4, "two")
    assert (await viewer.frame())[0] == 2
    for has in (
        (stream, epoch, life + 1, 1, ""),
        (stream, epoch + 1, life, 1, ""),
        ("another", epoch, life, 1, ""),
        (stream, epoch, life, 9, ""),
        (stream, epoch, life, -1, ""),
        (stream, epoch, str(life), 1, ""),
        (),
    ):
        back = await resumed(world, agent, engagement, *has)
        assert (await back.frame())[:2] == [2, CODES["KEY"]]
        await back.socket.close()


async def test_a_page_that_is_another_nodes_for_a_moment_goes_on_when_it_is_back(world: World) -> None:
    _, _, engagement, recorder, viewer = await both(world)
    actor = engagement_actor(EngagementId(engagement))
    world.node.hub.drop(world.node.hub.live[actor])
    assert [await recorder.closed(), await viewer.closed()] == [1012, 1012], "and not: consent ended"
    await world.node.hub.inspect(actor, lambda live: None)
    assert world.node.cobrowse.rooms[EngagementId(engagement)].gate.shows
