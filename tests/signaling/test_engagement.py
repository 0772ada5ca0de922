"""What an engagement promises: chat, queue, call, presence, end; each as a short walk."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from signaling import events as ev
from signaling.errors import (
    ControlHeld,
    EngagementClosed,
    IdempotencyConflict,
    InvalidTransition,
    NotFound,
    NotPermitted,
)
from signaling.protocol import Consent, DeviceId, LegId, ParticipantId, PathId
from signaling.state import Call, Phase, Presence
from tests.signaling.world import QUEUE, World, replay

V1 = ParticipantId("v_1")


@pytest.fixture
def world() -> World:
    return World()


def active(world: World, name: str = "1") -> tuple[Any, Any]:
    """An engagement with an agent in it."""
    agent = world.agent("1", capacity=9)
    actor = world.open(name)
    world.say(actor, f"v_{name}", 1)
    world.accept(agent)
    return actor, agent


def in_call(world: World) -> tuple[Any, Any, list[LegId]]:
    actor, agent = active(world)
    world.talk(actor, 2)
    world.command(actor, agent, 1, ev.CallJoined, leg=LegId("l_agent"))
    legs = list(world.states[actor].legs)
    for number, leg in enumerate(legs):
        world.give(actor, ev.PathConnected(at_ms=world.tick(), leg=leg, path=PathId(f"p{number}")))
    return actor, agent, legs


def test_a_first_message_waits_in_the_queue_and_rings_at_a_ready_agent(world: World) -> None:
    agent = world.agent("1")
    actor = world.open("1")
    world.say(actor, "v_1", 1)
    assert world.states[actor].phase is Phase.OFFERED
    assert world.ringing[agent][0][0] == "e_1"


def test_accepting_makes_the_agent_part_of_it(world: World) -> None:
    actor, agent = active(world)
    state = world.states[actor]
    assert (state.phase, state.agent) == (Phase.ACTIVE, agent)
    assert world.say(actor, agent, 1) == state.seq + 1


def test_a_retry_gets_the_first_ack_and_changes_nothing(world: World) -> None:
    actor, _ = active(world)
    first = world.say(actor, "v_1", 2)
    size = len(world.log[actor])
    assert world.say(actor, "v_1", 2) == first
    assert len(world.log[actor]) == size


def test_the_same_counter_with_another_body_is_a_conflict(world: World) -> None:
    actor, _ = active(world)
    world.say(actor, "v_1", 2)
    with pytest.raises(IdempotencyConflict):
        world.command(actor, "v_1", 2, ev.VisitorLeft)


def test_strangers_are_answered_as_if_there_were_nothing(world: World) -> None:
    actor, _ = active(world)
    with pytest.raises(NotFound):
        world.say(actor, "v_2", 1)


def test_an_offer_that_runs_out_returns_to_its_old_place_and_tries_others_first(world: World) -> None:
    first, second = world.agent("1", capacity=1), world.agent("2", capacity=1, ready=False)
    actor = world.open("1")
    world.say(actor, "v_1", 1)
    world.give(QUEUE, ev.AvailabilitySet(at_ms=world.tick(), agent=second, availability="ready"))
    world.pass_time(20_000)
    assert world.states[actor].offered_to == second
    assert world.accept(first) is None
    assert world.accept(second) == "e_1"


def test_the_only_agent_is_rung_again_until_it_has_missed_three(world: World) -> None:
    agent = world.agent("1")
    actor = world.open("1")
    world.say(actor, "v_1", 1)
    world.pass_time(25_000)
    assert world.states[actor].offered_to == agent
    world.pass_time(60_000)
    assert world.states[actor].phase is Phase.QUEUED
    assert world.states[QUEUE].agents[agent].availability == "busy"


def test_talk_now_without_any_chat_waits_with_music_and_connects_when_an_agent_comes(world: World) -> None:
    actor = world.open("1")
    leg = world.talk(actor, 1)
    assert world.states[actor].call is Call.REQUESTED
    assert leg in world.open_legs
    agent = world.agent("1")
    world.accept(agent)
    state = world.states[actor]
    assert state.call is Call.NEGOTIATING
    assert {held.participant for held in state.legs.values()} == {"v_1", agent}


def test_a_suggested_call_is_joined_by_the_agent_at_once(world: World) -> None:
    actor, agent = active(world)
    world.command(actor, agent, 1, ev.CallSuggested, media="audio")
    world.talk(actor, 2)
    assert world.states[actor].call is Call.NEGOTIATING


def test_a_call_nobody_suggested_waits_until_the_agent_joins(world: World) -> None:
    actor, agent = active(world)
    world.talk(actor, 2)
    assert world.states[actor].call is Call.REQUESTED
    world.command(actor, agent, 1, ev.CallJoined, leg=LegId("l_x"))
    assert world.states[actor].call is Call.NEGOTIATING


def test_the_call_is_connected_when_both_legs_carry(world: World) -> None:
    actor, _, _ = in_call(world)
    assert world.states[actor].call is Call.CONNECTED


def test_losing_a_path_keeps_the_call_and_the_leg(world: World) -> None:
    actor, _, legs = in_call(world)
    world.give(actor, ev.PathLost(at_ms=world.tick(), leg=legs[0], path=PathId("p0")))
    assert world.states[actor].call is Call.CONNECTED
    assert world.states[actor].legs[legs[0]].path is None
    world.give(actor, ev.PathConnected(at_ms=world.tick(), leg=legs[0], path=PathId("p9")))
    world.pass_time(120_000)
    assert world.states[actor].call is Call.CONNECTED


def test_a_leg_that_never_comes_back_ends_the_call_but_not_the_engagement(world: World) -> None:
    actor, _, legs = in_call(world)
    world.give(actor, ev.PathLost(at_ms=world.tick(), leg=legs[0], path=PathId("p0")))
    world.pass_time(46_000)
    assert world.states[actor].call is Call.NONE
    assert world.states[actor].phase is Phase.ACTIVE
    assert not world.open_legs


def test_hanging_up_returns_to_chat(world: World) -> None:
    actor, agent, _ = in_call(world)
    world.command(actor, agent, 2, ev.CallHungUp)
    assert world.states[actor].call is Call.NONE
    assert world.say(actor, "v_1", 9)


def test_video_needs_the_visitors_consent(world: World) -> None:
    actor, _, _ = in_call(world)
    with pytest.raises(NotPermitted):
        world.command(actor, "v_1", 5, ev.CallChanged, muted=False, video=True)
    yes = Consent("video", "1" * 64)
    world.command(actor, "v_1", 6, ev.CallChanged, muted=False, video=True, consent=yes)
    assert world.states[actor].leg_of("v_1").video


def test_another_tab_gets_the_call_only_by_asking_for_it(world: World) -> None:
    actor, _, legs = in_call(world)
    with pytest.raises(ControlHeld):
        world.give(actor, ev.PathRequested(at_ms=world.tick(), by=V1, device=DeviceId("d_other")))
    event = ev.CallBroughtHere(
        at_ms=world.tick(), by=V1, device=DeviceId("d_other"), counter=1, body_hash=b"x"
    )
    world.give(actor, event)
    assert world.states[actor].legs[legs[0]].device == "d_other"


def test_changing_page_is_presence_not_a_hang_up(world: World) -> None:
    actor, _, _ = in_call(world)
    away = ev.ParticipantAway(at_ms=world.tick(), by=V1, reason="changing_page")
    world.give(actor, away)
    me = world.states[actor].participants["v_1"]
    assert (me.presence, me.away_reason) == (Presence.AWAY, "changing_page")
    assert world.states[actor].call is Call.CONNECTED
    world.give(actor, ev.ParticipantOnline(at_ms=world.tick(), by=V1, device=DeviceId("d_1")))
    assert world.states[actor].participants["v_1"].presence is Presence.ONLINE


def test_a_visitor_who_stays_away_is_taken_out_of_the_queue(world: World) -> None:
    actor = world.open("1")
    world.say(actor, "v_1", 1)
    world.give(actor, ev.ParticipantAway(at_ms=world.tick(), by=V1, reason="lost"))
    world.pass_time(301_000)
    assert world.states[actor].phase is Phase.ENDED
    assert not world.states[QUEUE].waiting


def test_an_agent_who_stays_away_gives_the_engagement_back_at_its_old_place(world: World) -> None:
    actor, agent = active(world)
    arrived_ms = world.states[actor].queued_ms
    later = world.open("2")
    world.give(actor, ev.ParticipantAway(at_ms=world.tick(), by=agent, reason="lost"))
    world.give(QUEUE, ev.AgentDisconnected(at_ms=world.tick(), agent=agent))
    world.say(later, "v_2", 1)
    world.pass_time(61_000)
    assert world.states[actor].phase is Phase.QUEUED
    assert world.states[QUEUE].order[0] == (arrived_ms, "e_1")
    assert world.accept(world.agent("2")) == "e_1"


def test_ending_goes_through_wrap_up_and_frees_the_agent(world: World) -> None:
    actor, agent, _ = in_call(world)
    world.command(actor, agent, 2, ev.AgentEnded)
    assert (world.states[actor].phase, world.states[actor].call) == (Phase.WRAP_UP, Call.NONE)
    assert world.states[QUEUE].agents[agent].engagements == {"e_1"}
    world.command(actor, agent, 3, ev.WrappedUp, code="solved")
    assert world.states[actor].phase is Phase.ENDED
    assert world.states[QUEUE].agents[agent].engagements == set()


def test_wrap_up_ends_by_itself(world: World) -> None:
    actor, agent = active(world)
    world.command(actor, agent, 2, ev.AgentEnded)
    world.pass_time(121_000)
    assert world.states[actor].phase is Phase.ENDED


def test_after_the_end_every_command_is_told_so(world: World) -> None:
    actor, agent = active(world)
    world.command(actor, agent, 2, ev.AgentEnded)
    with pytest.raises(EngagementClosed):
        world.say(actor, "v_1", 7)


def test_a_late_accept_of_an_engagement_that_ended_frees_the_agent(world: World) -> None:
    agent = world.agent("1")
    actor = world.open("1")
    world.say(actor, "v_1", 1)
    world.command(actor, "v_1", 2, ev.VisitorLeft)
    assert world.accept(agent) is None
    assert world.states[QUEUE].agents[agent].ringing == 0


def test_a_refused_event_leaves_the_state_as_it_was(world: World) -> None:
    actor, agent = active(world)
    before = msgspec.msgpack.encode(world.states[actor])
    with pytest.raises(InvalidTransition):
        world.command(actor, agent, 5, ev.CallHeld)
    assert msgspec.msgpack.encode(world.states[actor]) == before


def test_hold_is_music_for_the_visitor_and_comes_back(world: World) -> None:
    actor, agent, _ = in_call(world)
    world.command(actor, agent, 2, ev.CallHeld)
    assert world.states[actor].call is Call.ON_HOLD
    world.command(actor, agent, 3, ev.CallResumed)
    assert world.states[actor].call is Call.CONNECTED


def test_recovery_keeps_call_and_legs_and_marks_everybody_away(world: World) -> None:
    actor, _, _ = in_call(world)
    world.give(actor, ev.Recovered(at_ms=world.tick()))
    state = world.states[actor]
    assert state.call is Call.CONNECTED
    assert all(leg.path is None for leg in state.legs.values())
    assert all(who.presence is Presence.AWAY for who in state.participants.values())


def test_replaying_the_log_gives_the_state(world: World) -> None:
    actor, agent, _ = in_call(world)
    world.command(actor, agent, 2, ev.AgentEnded)
    assert replay(actor, world.log[actor]) == world.states[actor]
    assert replay(QUEUE, world.log[QUEUE]) == world.states[QUEUE]


def test_a_call_that_no_path_ever_carries_falls_back_to_chat(world: World) -> None:
    actor, agent = active(world)
    world.talk(actor, 2)
    world.command(actor, agent, 1, ev.CallJoined, leg=LegId("l_agent"))
    world.pass_time(46_000)
    assert world.states[actor].call is Call.NONE
    assert world.states[actor].phase is Phase.ACTIVE


def test_a_visitor_who_signs_in_is_verified_from_then_on(world: World) -> None:
    actor, agent = active(world)

    def identified(by: ParticipantId, subject: bytes) -> None:
        world.give(
            actor,
            ev.VisitorIdentified(at_ms=world.tick(), by=by, name=ev.Sealed(b"n"), subject=ev.Sealed(subject)),
        )

    identified(agent, b"wrong")
    assert not world.states[actor].verified
    identified(V1, b"first")
    identified(V1, b"second")
    state = world.states[actor]
    assert (state.verified, state.name, state.subject) == (True, b"n", b"first")
