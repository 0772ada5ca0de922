"""What a shared page promises: codes that end, grants that end, and nobody who looks from outside."""

from __future__ import annotations

from typing import Any

import pytest

from signaling import events as ev
from signaling import sharing as sh
from signaling.errors import EngagementClosed, NotFound
from signaling.protocol import Consent, LegId, ParticipantId
from signaling.state import Cobrowse
from tests.signaling.test_engagement import active
from tests.signaling.world import SITE, World

VIEW, CONTROL = Consent("view", "0" * 64), Consent("control", "1" * 64)


@pytest.fixture
def world() -> World:
    return World()


def shared(world: World) -> tuple[Any, Any]:
    actor, agent = active(world)
    world.command(actor, "v_1", 10, sh.CobrowseStarted, consent=VIEW)
    return actor, agent


def test_a_code_is_good_for_its_time_and_once(world: World) -> None:
    first, second = world.agent("1"), world.agent("2")
    for name, wait_ms, good in (("1", 599_000, True), ("2", 601_000, False)):
        actor = world.open(name)
        due_ms = world.now_ms + world.policy.code_ms
        code = {"code": "123456", "expires_ms": due_ms, "consent": VIEW}
        world.command(actor, f"v_{name}", 1, sh.CodeIssued, **code)
        world.pass_time(wait_ms)
        use = {"site": SITE, "code": "123456", "role": "agent"}
        if good:
            world.command(actor, first, 1, sh.CodeUsed, **use)
            assert world.states[actor].agent == first
        # Whoever waited for nothing but the code's use is gone with it.
        with pytest.raises(NotFound if good else EngagementClosed):
            world.command(actor, second, 1, sh.CodeUsed, **use)
        assert world.states[actor].code == ""


def test_a_grant_of_control_ends_at_its_time_and_with_the_agent_it_was_given_to(world: World) -> None:
    actor, agent = shared(world)
    grant = {"grant": "g1", "consent": CONTROL, "kinds": ("click",), "origin": "https://bank.example"}
    world.command(actor, "v_1", 11, sh.CapabilityGranted, **grant)
    assert [one.id for one in world.gates[actor].grants] == ["g1"]
    world.pass_time(world.policy.control_ms + 1)
    assert not world.gates[actor].grants
    world.command(actor, "v_1", 12, sh.CapabilityGranted, **(grant | {"grant": "g2"}))
    world.give(actor, ev.ParticipantAway(at_ms=world.tick(), by=agent, reason="lost"))
    world.pass_time(world.policy.agent_grace_ms + 1)
    assert not world.gates[actor].grants and world.gates[actor].staff == ()
    assert world.states[actor].cobrowse is Cobrowse.LIVE


def test_control_is_its_askers_alone_and_goes_with_it(world: World) -> None:
    actor, agent = shared(world)
    boss = ParticipantId("a_boss")
    join = {"site": SITE, "role": "supervisor", "leg": LegId("l_boss")}
    world.command(actor, boss, 1, ev.ColleagueJoined, **join)
    ask = {"capability": "control", "kinds": ("click",)}
    grant = {"grant": "g1", "consent": CONTROL, "kinds": ("click",), "origin": "https://bank.example"}
    world.command(actor, boss, 2, sh.CapabilityAsked, **ask)
    world.command(actor, "v_1", 11, sh.CapabilityGranted, **grant)
    assert [one.holder for one in world.gates[actor].grants] == [boss]
    world.command(actor, agent, 2, sh.CapabilityAsked, capability="point", kinds=())
    world.command(actor, boss, 3, ev.ColleagueLeft)
    assert not world.gates[actor].grants
    assert list(world.states[actor].asks) == ["point"], "what others asked for is still to be answered"
    world.command(actor, "v_1", 12, sh.CapabilityGranted, **(grant | {"grant": "g2"}))
    assert [one.holder for one in world.gates[actor].grants] == [agent], "nobody asked: the agent's"


def test_only_those_who_take_part_may_look_and_from_when_they_do(world: World) -> None:
    actor, agent = shared(world)
    assert world.gates[actor].staff == (agent,)
    boss = ParticipantId("a_boss")
    join = {"site": SITE, "role": "supervisor", "leg": LegId("l_boss")}
    world.command(actor, boss, 1, ev.ColleagueJoined, **join)
    assert set(world.gates[actor].staff) == {agent, boss}
    world.give(actor, sh.ViewerJoined(at_ms=world.tick(), participant=boss))
    world.command(actor, boss, 2, ev.ColleagueLeft)
    assert world.gates[actor].staff == (agent,) and boss not in world.states[actor].viewers
