"""A visitor and an agent over the real gateway: chat, queue, resume, isolation."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from server.service import Service
from tests.gateway.conftest import Raw, World


async def accepted(world: World) -> tuple[Raw, Raw, str]:
    """A visitor who said hello on the bench site, and the agent who took it."""
    agent = await world.agent()
    await agent.call("agent.set_availability", {"availability": "ready"})
    visitor = await world.visitor("bench")
    ack = await visitor.durable("chat.send", text="hello")
    offer = await agent.event("offer.made")
    await agent.call("offer.accept", {"engagement": offer["engagement"], "offer": offer["offer"]})
    await agent.event("engagement.snapshot")
    return visitor, agent, ack["engagement"]


async def test_a_message_is_acked_and_offered_and_answered(world: World) -> None:
    visitor, agent, engagement = await accepted(world)
    await agent.durable("chat.send", engagement=engagement, text="good day")
    posted = await visitor.event("chat.posted")
    while posted["message"]["text"] != "good day":
        posted = await visitor.event("chat.posted")
    assert posted["message"]["by"].startswith("a_")


async def test_a_retry_gets_the_same_ack_and_no_second_message(world: World) -> None:
    visitor, _, engagement = await accepted(world)
    body = {"counter": 50, "engagement": engagement, "text": "once"}
    first, second = await visitor.call("chat.send", body), await visitor.call("chat.send", body)
    assert first == second
    conflict = await visitor.call("chat.send", body | {"text": "twice"})
    assert conflict["error"]["code"] == "idempotency_conflict"
    shot = await visitor.call("engagement.sync", {"engagement": engagement, "after_seq": 0})
    texts = [item["text"] for item in shot["snapshot"]["items"] if item["kind"] == "message"]
    assert texts == ["hello", "once"]


async def test_after_a_reconnect_only_what_was_missed_is_sent(world: World) -> None:
    agent = await world.agent()
    await agent.call("agent.set_availability", {"availability": "ready"})
    credential = await world.credential("bench")
    visitor = await world.visitor("bench", credential=credential)
    ack = await visitor.durable("chat.send", text="hello")
    await visitor.socket.close()
    offer = await agent.event("offer.made")
    await agent.call("offer.accept", {"engagement": offer["engagement"], "offer": offer["offer"]})
    await agent.durable("chat.send", engagement=ack["engagement"], text="are you there?")
    raw = await world.raw()
    auth = {"protocol": 1, "token": credential, "device": "d1", "site": "bench"}
    await raw.socket.send_str(
        "40" + json.dumps(auth | {"engagement": ack["engagement"], "after_seq": ack["seq"]})
    )
    ready = await raw.event("session.ready")
    items = ready["engagements"][0]["items"]
    assert [item["text"] for item in items if item["kind"] == "message"] == ["are you there?"]
    assert all(item["seq"] > ack["seq"] for item in items)


async def test_two_tabs_share_the_engagement(world: World) -> None:
    credential = await world.credential()
    first = await world.visitor(credential=credential, device="d1")
    second = await world.visitor(credential=credential, device="d2")
    await first.durable("chat.send", text="hello")
    assert (await second.event("engagement.snapshot"))["snapshot"]["view"]["phase"] == "open"
    assert (await second.event("chat.posted"))["message"]["text"] == "hello"


async def test_sites_and_visitors_cannot_see_each_other(world: World) -> None:
    visitor, _, engagement = await accepted(world)
    for site in ("bench", "bank", "shop"):
        stranger = await world.visitor(site, device="dx")
        for name, fields in (
            ("chat.send", {"counter": 1, "text": "hi"}),
            ("engagement.sync", {}),
            ("call.start", {"counter": 2, "consent": {"capability": "audio", "wording_sha256": "0" * 64}}),
            ("chat.mark", {"delivered": 1, "read": 1}),
            ("chat.typing", {"typing": True}),
        ):
            ack = await stranger.call(name, {"engagement": engagement, **fields})
            assert ack["error"]["code"] == "not_found", (site, name)
    unknown = await visitor.call("chat.send", {"counter": 9, "engagement": "e_nothing", "text": "x"})
    assert unknown["error"]["code"] == "not_found"


async def test_roles_are_denied_by_default(world: World) -> None:
    visitor, agent, engagement = await accepted(world)
    for name, fields in (
        ("agent.set_availability", {"availability": "ready"}),
        ("offer.accept", {"engagement": engagement, "offer": "o"}),
        ("engagement.end", {"counter": 90, "engagement": engagement}),
        ("call.hold", {"counter": 91, "engagement": engagement}),
    ):
        assert (await visitor.call(name, fields))["error"]["code"] == "forbidden"
    left = await agent.call("engagement.leave", {"counter": 90, "engagement": engagement})
    assert left["error"]["code"] == "forbidden"


async def test_after_the_end_there_is_only_the_word_that_it_ended(world: World) -> None:
    visitor, agent, engagement = await accepted(world)
    await agent.durable("engagement.end", engagement=engagement)
    ack = await visitor.durable("chat.send", engagement=engagement, text="still there?")
    assert ack["error"]["code"] == "engagement_closed"
    fresh = await visitor.durable("chat.send", text="something else")
    assert fresh["engagement"] != engagement


async def test_an_offer_can_be_taken_once(world: World) -> None:
    _, agent, engagement = await accepted(world)
    other = await world.agent("db")
    ack = await other.call("offer.accept", {"engagement": engagement, "offer": "o_1"})
    assert ack["error"]["code"] == "already_assigned"
    assert agent is not other


async def test_the_future_is_no_cursor(world: World) -> None:
    visitor, _, engagement = await accepted(world)
    for after_seq in (10_000, -1):
        ack = await visitor.call("engagement.sync", {"engagement": engagement, "after_seq": after_seq})
        assert ack["error"]["code"] == "invalid_cursor"


async def test_a_call_is_offered_to_the_tab_that_started_it(world: World) -> None:
    visitor, agent, engagement = await accepted(world)
    await agent.durable("call.suggest", engagement=engagement, media="audio")
    consent = {"capability": "audio", "wording_sha256": "0" * 64}
    await visitor.durable("call.start", engagement=engagement, consent=consent)
    offer = (await visitor.event("call.offered"))["offer"]
    answered = await visitor.call(
        "call.answer", {"engagement": engagement, "path": offer["path"], "revision": 0, "sdp": "v=0\r\n"}
    )
    assert answered["ticket"]["leg"] == offer["leg"]
    ours = (await agent.event("call.offered"))["offer"]
    await agent.call(
        "call.answer", {"engagement": engagement, "path": ours["path"], "revision": 0, "sdp": "v=0\r\n"}
    )
    while True:
        view = (await visitor.event("engagement.changed"))["view"]
        if view["call"]["state"] == "connected":
            break


async def test_the_ack_waits_for_the_commit_and_pings_are_answered(world: World) -> None:
    visitor = await world.visitor()
    release = asyncio.Event()
    service = world.node.service
    original = service.execute

    async def held(session: Any, command: Any) -> Any:
        await release.wait()
        return await original(session, command)

    service.execute = held  # type: ignore[method-assign]
    await visitor.socket.send_str('427["chat.send",{"counter":1,"text":"held"}]')
    pings = 0
    loop = asyncio.get_running_loop()
    until = loop.time() + 11  # the server pings every 10 s
    while loop.time() < until and not pings:
        try:
            async with asyncio.timeout(2):
                pings += await visitor.read() == "2"
        except TimeoutError:
            continue
    assert pings == 1
    assert 7 not in visitor.acks
    release.set()
    while 7 not in visitor.acks:
        await visitor.read()
    assert visitor.acks[7]["seq"] == 2
    assert isinstance(service, Service)
