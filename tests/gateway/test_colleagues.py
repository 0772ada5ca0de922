"""Colleagues over the wire: asked in by login, in and out again; strangers are told nothing."""

from __future__ import annotations

from tests.gateway.conftest import Raw, World
from tests.gateway.test_chat import accepted


async def colleague(world: World) -> tuple[Raw, str]:
    """Another agent of the bench site and its login (a bench account's is its id)."""
    raw = await world.raw()
    await raw.socket.send_str('40{"protocol":1,"device":"dc","token":"%s"}' % await world.agent_token())
    await raw.read()
    return raw, str((await raw.event("session.ready"))["participant"])


async def test_a_colleague_is_asked_in_reads_along_and_leaves(world: World) -> None:
    visitor, agent, engagement = await accepted(world)
    other, login = await colleague(world)
    early = await other.call("engagement.join", {"counter": 1, "engagement": engagement})
    assert early["error"]["code"] == "not_found"
    nobody = await agent.durable("engagement.invite", engagement=engagement, login="nobody")
    assert nobody["error"]["code"] == "no_such_agent"
    await agent.durable("engagement.invite", engagement=engagement, login=login)
    invited = await other.event("engagement.invited")
    assert (invited["engagement"], invited["mode"]) == (engagement, "talk")
    await other.call("engagement.join", {"counter": 2, "engagement": engagement})
    shot = (await other.event("engagement.snapshot"))["snapshot"]
    assert login in {who["id"] for who in shot["view"]["participants"]}
    await visitor.durable("chat.send", engagement=engagement, text="good evening to both")
    assert (await other.event("chat.posted"))["message"]["text"] == "good evening to both"


async def test_only_agents_ask_somebody_in_and_only_in_a_direct_call_signals_pass(world: World) -> None:
    visitor, agent, engagement = await accepted(world)
    invite = {"counter": 50, "engagement": engagement, "login": "x"}
    assert (await visitor.call("engagement.invite", invite))["error"]["code"] == "forbidden"
    bad = {"engagement": engagement, "attempt": "1", "kind": "offer", "body": "v=0\r\n"}
    assert (await agent.call("call.signal_direct", bad))["error"]["code"] == "invalid_sdp"
    candidate = bad | {"kind": "candidate", "body": "{}"}
    assert (await agent.call("call.signal_direct", candidate))["error"]["code"] == "invalid_state"
    mode = {"counter": 51, "engagement": engagement, "participant": "x", "mode": "barge"}
    assert (await visitor.call("call.set_mode", mode))["error"]["code"] == "forbidden"
