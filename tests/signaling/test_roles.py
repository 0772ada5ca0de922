"""Who hears whom, mode by mode; seats; colleagues coming and going."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling import events as ev
from signaling.effects import HOLD_MUSIC, Route
from signaling.errors import InvalidTransition, LimitExceeded, NotFound, NotPermitted
from signaling.protocol import DeviceId, LegId, LegMode, ParticipantId, RoleName
from signaling.roles import routes, slot_of
from signaling.state import Call, Leg, Participant, Phase
from tests.signaling.test_engagement import active, in_call
from tests.signaling.world import SITE, World, replay

V, A, C, S = (ParticipantId(name) for name in ("v_1", "a_1", "a_2", "a_3"))
ROLES: dict[ParticipantId, RoleName] = {V: "visitor", A: "agent", C: "agent", S: "supervisor"}


@pytest.fixture
def world() -> World:
    return World()


def heard(call: Call, **modes: LegMode) -> dict[str, set[str]]:
    """Who hears whose voice; names are v, a, c and s, music is `music`."""
    people = {"v": V, "a": A, "c": C, "s": S}
    legs = {
        LegId(name): Leg(LegId(name), people[name], DeviceId("d"), mode=mode, seat=seat)
        for seat, (name, mode) in enumerate(modes.items())
    }
    table = routes(call, legs, {who: Participant(who, role) for who, role in ROLES.items()})
    found: dict[str, set[str]] = {name: set() for name in modes}
    for route in table:
        found[route.sink].add("music" if route.source == HOLD_MUSIC else route.source)
    return found


@pytest.mark.parametrize(
    ("call", "modes", "expected"),
    [
        (Call.CONNECTED, {"v": "talk", "a": "talk"}, {"v": {"a"}, "a": {"v"}}),
        (Call.ON_HOLD, {"v": "talk", "a": "talk"}, {"v": {"music"}, "a": set()}),
        (Call.REQUESTED, {"v": "talk"}, {"v": {"music"}}),
        (
            Call.CONNECTED,
            {"v": "hold", "a": "consult", "c": "consult"},
            {"v": {"music"}, "a": {"c"}, "c": {"a"}},
        ),
        (
            Call.CONNECTED,
            {"v": "talk", "a": "talk", "c": "talk"},
            {"v": {"a", "c"}, "a": {"v", "c"}, "c": {"v", "a"}},
        ),
        (
            Call.CONNECTED,
            {"v": "talk", "a": "talk", "s": "monitor"},
            {"v": {"a"}, "a": {"v"}, "s": {"v", "a"}},
        ),
        (
            Call.CONNECTED,
            {"v": "talk", "a": "talk", "s": "whisper"},
            {"v": {"a"}, "a": {"v", "s"}, "s": {"v", "a"}},
        ),
        (
            Call.CONNECTED,
            {"v": "talk", "a": "talk", "s": "barge"},
            {"v": {"a", "s"}, "a": {"v", "s"}, "s": {"v", "a"}},
        ),
        (Call.ON_HOLD, {"v": "talk", "a": "talk", "c": "talk"}, {"v": {"music"}, "a": {"c"}, "c": {"a"}}),
    ],
)
def test_each_mode_hears_what_its_row_says(
    call: Call, modes: dict[str, LegMode], expected: dict[str, set[str]]
) -> None:
    assert heard(call, **modes) == expected


@given(st.permutations(range(4)))
def test_everybody_arrives_in_a_place_of_its_own(seats: list[int]) -> None:
    for mine in seats:
        places = [slot_of(mine, theirs) for theirs in seats if theirs != mine]
        assert sorted(places) == [0, 1, 2]


def come_in(world: World, actor: Any, who: ParticipantId, counter: int, **fields: Any) -> None:
    given_: dict[str, Any] = {"site": SITE, "role": ROLES[who], "leg": LegId(f"l_{who}"), "mode": None}
    world.command(actor, who, counter, ev.ColleagueJoined, **given_ | fields)


def test_an_invited_colleague_comes_in_as_invited_and_leaves_by_hanging_up(world: World) -> None:
    actor, agent, _ = in_call(world)
    with pytest.raises(NotFound):
        come_in(world, actor, C, 1)
    world.command(actor, agent, 5, ev.ColleagueInvited, agent=C, mode="consult")
    with pytest.raises(NotFound):
        come_in(world, actor, C, 2, site="other")
    with pytest.raises(NotPermitted):
        come_in(world, actor, C, 3, mode="monitor")
    come_in(world, actor, C, 4)
    state = world.states[actor]
    leg = state.leg_of(C)
    assert (leg.mode, leg.seat, state.call) == ("consult", 2, Call.CONNECTED)
    with pytest.raises(InvalidTransition):
        come_in(world, actor, C, 5)
    world.command(actor, C, 6, ev.CallHungUp)
    state = world.states[actor]
    assert C not in state.participants and len(state.legs) == 2 and state.call is Call.CONNECTED
    assert replay(actor, world.log[actor]) == state


def test_a_colleague_leaves_also_without_a_call_and_the_agent_cannot(world: World) -> None:
    actor, agent = active(world)
    world.command(actor, agent, 5, ev.ColleagueInvited, agent=C, mode="talk")
    come_in(world, actor, C, 1)
    world.command(actor, C, 2, ev.ColleagueLeft)
    assert set(world.states[actor].participants) == {V, agent}
    with pytest.raises(NotPermitted):
        world.command(actor, agent, 6, ev.ColleagueLeft)


def test_a_supervisor_comes_uninvited_and_chooses_whom_it_talks_to(world: World) -> None:
    actor, agent, _ = in_call(world)
    come_in(world, actor, S, 1)
    assert world.states[actor].leg_of(S).mode == "monitor"
    world.command(actor, S, 2, ev.LegModeSet, participant=S, mode="whisper")
    with pytest.raises(NotPermitted):
        world.command(actor, agent, 7, ev.LegModeSet, participant=agent, mode="barge")
    with pytest.raises(NotPermitted):
        world.command(actor, S, 3, ev.LegModeSet, participant=V, mode="consult")
    with pytest.raises(NotPermitted):
        world.command(actor, V, 8, ev.LegModeSet, participant=V, mode="hold")
    world.command(actor, agent, 9, ev.LegModeSet, participant=V, mode="hold")
    assert world.states[actor].leg_of(V).mode == "hold"


def test_the_call_ends_with_the_visitor_and_with_the_last_who_talks_to_it(world: World) -> None:
    for leaver in ("v_1", "a_1"):
        world = World()
        actor, _, _ = in_call(world)
        come_in(world, actor, S, 1)
        world.command(actor, leaver, 9, ev.CallHungUp)
        assert world.states[actor].call is Call.NONE


def test_with_a_colleague_the_agent_may_go(world: World) -> None:
    actor, agent, _ = in_call(world)
    world.command(actor, agent, 5, ev.ColleagueInvited, agent=C, mode="talk")
    come_in(world, actor, C, 1)
    world.command(actor, agent, 6, ev.CallHungUp)
    state = world.states[actor]
    assert state.call is Call.CONNECTED and {leg.participant for leg in state.legs.values()} == {V, C}


def test_a_seat_is_free_again_and_a_fifth_person_is_refused(world: World) -> None:
    actor, agent, _ = in_call(world)
    for number, who in enumerate((C, S)):
        world.command(actor, agent, 10 + number, ev.ColleagueInvited, agent=who, mode="talk")
        come_in(world, actor, who, 1, mode="talk")
    fifth = ParticipantId("a_9")
    world.command(actor, agent, 15, ev.ColleagueInvited, agent=fifth, mode="talk")
    with pytest.raises(LimitExceeded):
        world.command(actor, fifth, 1, ev.ColleagueJoined, site=SITE, role="agent", leg=LegId("l9"))
    world.command(actor, C, 2, ev.CallHungUp)
    world.command(actor, fifth, 2, ev.ColleagueJoined, site=SITE, role="agent", leg=LegId("l9"))
    assert world.states[actor].leg_of(fifth).seat == 2


def test_colleagues_are_dismissed_when_the_agent_ends(world: World) -> None:
    actor, agent, _ = in_call(world)
    come_in(world, actor, S, 1)
    with pytest.raises(NotPermitted):
        world.command(actor, S, 8, ev.AgentEnded)
    world.command(actor, agent, 9, ev.AgentEnded)
    state = world.states[actor]
    assert state.phase is Phase.WRAP_UP and set(state.participants) == {V, agent}


def test_the_screen_shared_last_is_shown_and_a_visitors_needs_consent(world: World) -> None:
    actor, agent, (visitors, agents) = in_call(world)
    with pytest.raises(NotPermitted):
        world.command(actor, V, 5, ev.CallChanged, muted=False, video=False, screen=True)
    come_in(world, actor, S, 1, mode="barge")
    world.command(actor, agent, 6, ev.CallChanged, muted=False, video=False, screen=True)
    world.command(actor, S, 2, ev.CallChanged, muted=False, video=False, screen=True)
    state = world.states[actor]
    table = routes(state.call, state.legs, state.participants)
    assert Route(LegId("l_a_3"), visitors, "screen") in table
    assert Route(agents, visitors, "screen") not in table
    assert Route(agents, LegId("l_a_3"), "screen") in table


def test_direct_calls_are_for_two_who_talk_and_only_where_the_site_lets_them() -> None:
    world = World(ev.Policy(direct_calls=True))
    actor, _, _ = in_call(world)
    assert world.states[actor].direct
    signal = ev.DirectSignalled(at_ms=1, by=V, device=DeviceId("d_1"), attempt="1", kind="offer", body="{}")
    world.give(actor, signal)
    come_in(world, actor, S, 1)
    assert not world.states[actor].direct
    with pytest.raises(InvalidTransition):
        world.give(actor, signal)
    plain = World()
    actor, _, _ = in_call(plain)
    assert not plain.states[actor].direct
