"""Promises for any order of things: totality, replay, crashes between append and effect, one agent each."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling import engagement, sharing
from signaling import events as ev
from signaling.actors import engagement_actor
from signaling.errors import PeerError
from signaling.protocol import Capability, Consent, DeviceId, LegId, LegMode, ParticipantId, PathId
from signaling.state import Phase
from tests.signaling.world import QUEUE, SITE, World, replay

MODES: tuple[LegMode, ...] = ("talk", "hold", "consult", "monitor", "whisper", "barge")
ACTIONS = (
    "say",
    "accept",
    "accept",
    "ready",
    "talk",
    "connect",
    "join",
    "open",
    "say",
    "agent_says",
    "talk",
    "join",
    "connect",
    "lose",
    "hang_up",
    "accept",
    "decline",
    "agent_away",
    "agent_back",
    "visitor_away",
    "visitor_back",
    "leave",
    "end",
    "wrap_up",
    "ready",
    "busy",
    "wait",
    "hold",
    "suggest",
    "see",
    "share",
    "share",
    "point",
    "let",
    "let",
    "pause",
    "resume",
    "take_back",
    "unshare",
    "look",
    "code",
    "use_code",
    "agent_lost",
    "invite",
    "come_in",
    "come_in",
    "connect",
    "mode",
    "agent_hangs_up",
)
steps = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=40
)


class Story:
    """Carries out a list of actions; impossible ones are refused and change nothing."""

    def __init__(self) -> None:
        self.world = World()
        self.agents = [self.world.agent(str(n), capacity=1) for n in range(2)]
        self.counters: dict[str, int] = {}

    def run(self, story: list[tuple[str, int, int]]) -> None:
        for action, who, agent in story:
            try:
                self.act(action, f"{who}", self.agents[agent])
            except (PeerError, KeyError):
                continue

    def count(self, by: str) -> int:
        self.counters[by] = self.counters.get(by, 0) + 1
        return self.counters[by]

    def act(self, action: str, who: str, agent: Any) -> None:
        world, actor, visitor = self.world, engagement_actor(f"e_{who}"), ParticipantId(f"v_{who}")
        at_ms = world.tick()
        if action == "open":
            if actor not in world.states:
                world.open(who)
            return
        if action in ("accept", "decline", "ready", "busy", "agent_away", "agent_back", "wait"):
            self.queue(action, agent, at_ms)
            return
        state = world.states[actor]
        commands: dict[str, tuple[str, Any, dict[str, Any]]] = {
            "say": (visitor, ev.MessageSent, {"content": b"x"}),
            "agent_says": (agent, ev.MessageSent, {"content": b"x"}),
            "join": (agent, ev.CallJoined, {"leg": LegId(f"la{at_ms}")}),
            "hang_up": (visitor, ev.CallHungUp, {}),
            "leave": (visitor, ev.VisitorLeft, {}),
            "end": (agent, ev.AgentEnded, {}),
            "wrap_up": (agent, ev.WrappedUp, {"code": "x"}),
            "hold": (agent, ev.CallHeld, {}),
            "invite": (state.agent or agent, ev.ColleagueInvited, {"agent": agent, "mode": "consult"}),
            "come_in": (
                agent,
                ev.ColleagueJoined,
                {
                    "site": SITE,
                    "role": ("agent", "supervisor")[at_ms % 2],
                    "leg": LegId(f"lc{at_ms}"),
                    "mode": None,
                },
            ),
            "mode": (agent, ev.LegModeSet, {"participant": agent, "mode": MODES[at_ms % len(MODES)]}),
            "agent_hangs_up": (agent, ev.CallHungUp, {}),
            "suggest": (agent, ev.CallSuggested, {"media": "audio"}),
            "talk": (
                visitor,
                ev.CallStarted,
                {"leg": LegId(f"lv{at_ms}"), "video": False, "consent": Consent("audio", "0" * 64)},
            ),
        }
        commands |= self.sharing(agent, visitor, at_ms)
        if action in commands:
            by, kind, fields = commands[action]
            world.command(actor, by, self.count(by), kind, **fields)
        elif action == "connect":
            for leg in list(state.legs):
                world.give(actor, ev.PathConnected(at_ms=at_ms, leg=leg, path=PathId(f"p{at_ms}")))
        elif action == "lose":
            for leg in [leg for leg in state.legs.values() if leg.path]:
                world.give(actor, ev.PathLost(at_ms=at_ms, leg=leg.id, path=leg.path))
        else:
            self.people(action, actor, agent, at_ms)

    def people(self, action: str, actor: Any, agent: Any, at_ms: int) -> None:
        """Who looks, goes away and comes back."""
        world, state = self.world, self.world.states[actor]
        if action == "look":
            world.give(actor, sharing.ViewerJoined(at_ms=at_ms, participant=agent))
        elif action == "agent_lost":
            world.give(actor, ev.ParticipantAway(at_ms=at_ms, by=agent, reason="lost"))
            world.pass_time(state.policy.agent_grace_ms + 1)
        elif action == "visitor_away":
            world.give(actor, ev.ParticipantAway(at_ms=at_ms, by=state.visitor, reason="lost"))
        else:
            world.give(actor, ev.ParticipantOnline(at_ms=at_ms, by=state.visitor, device=DeviceId("d")))

    @staticmethod
    def sharing(agent: Any, visitor: Any, at_ms: int) -> dict[str, tuple[str, Any, dict[str, Any]]]:
        capability: Capability = ("point", "control")[at_ms % 2]
        control = {"kinds": ("click",), "origin": "https://bank.example"} if capability == "control" else {}
        return {
            "see": (agent, sharing.CobrowseRequested, {}),
            "share": (visitor, sharing.CobrowseStarted, {"consent": Consent("view", "0" * 64)}),
            "point": (agent, sharing.CapabilityAsked, {"capability": "control", "kinds": ("click",)}),
            "let": (
                visitor,
                sharing.CapabilityGranted,
                {"grant": f"g{at_ms}", "consent": Consent(capability, "0" * 64), **control},
            ),
            "pause": (visitor, sharing.CobrowsePaused, {}),
            "resume": (visitor, sharing.CobrowseResumed, {}),
            "take_back": (visitor, sharing.CapabilityRevoked, {"capability": capability}),
            "unshare": (visitor, sharing.CobrowseStopped, {}),
            "code": (
                visitor,
                sharing.CodeIssued,
                {"code": "123456", "expires_ms": at_ms + 20_000, "consent": Consent("view", "0" * 64)},
            ),
            "use_code": (
                agent,
                sharing.CodeUsed,
                {"site": SITE, "code": "123456", "role": "agent"},
            ),
        }

    def queue(self, action: str, agent: Any, at_ms: int) -> None:
        world = self.world
        if action == "wait":
            world.pass_time(15_000)
        elif action == "accept":
            world.accept(agent)
        elif action == "decline":
            for offer in list(world.states[QUEUE].offers.values()):
                if offer.agent == agent:
                    declined = ev.OfferDeclined(
                        at_ms=at_ms, agent=agent, engagement=offer.engagement, offer=offer.id
                    )
                    world.give(QUEUE, declined)
        elif action in ("ready", "busy"):
            world.give(
                QUEUE,
                ev.AvailabilitySet(
                    at_ms=at_ms, agent=agent, availability="ready" if action == "ready" else "busy"
                ),
            )
        elif action == "agent_away":
            world.give(QUEUE, ev.AgentDisconnected(at_ms=at_ms, agent=agent))
        else:
            connected = ev.AgentConnected(at_ms=at_ms, agent=agent, role="agent", capacity=1)
            world.give(QUEUE, connected)


def essence(world: World) -> dict[str, Any]:
    """What a run has come to, without numbers that a repeated post may shift."""
    found: dict[str, Any] = {}
    for actor, state in world.states.items():
        if actor == QUEUE:
            agents = {a.id: (a.availability, a.engagements, a.ringing) for a in state.agents.values()}
            found[actor] = (state.order, agents, {o.engagement: o.agent for o in state.offers.values()})
        else:
            found[actor] = (state.phase, state.call, state.agent, state.offered_to, set(state.legs))
    return found


def check_gate(world: World, actor: Any, state: Any) -> None:
    """The gate that effects have set says what the state says, and is closed where nothing may be seen."""
    shown = world.gates[actor].state if actor in world.gates else "closed"
    expected = state.cobrowse.value if state.cobrowse.value in ("live", "paused") else "closed"
    assert shown == expected, (shown, state.cobrowse)
    if shown == "closed":
        assert not state.grants and not state.asks
    else:
        assert state.phase not in (Phase.WRAP_UP, Phase.ENDED)
        assert {grant.capability for grant in world.gates[actor].grants} == set(state.grants)
        looking = {one.id for one in state.participants.values() if one.role != "visitor"}
        assert set(world.gates[actor].staff) == looking and state.viewers.keys() <= looking


def check(world: World) -> None:
    """What is true at every moment when all effects have run."""
    queue = world.states[QUEUE]
    held = [e for agent in queue.agents.values() for e in agent.engagements]
    assert len(held) == len(set(held)), "two agents have one engagement"
    for agent in queue.agents.values():
        assert len(agent.engagements) + agent.ringing <= agent.capacity
    for actor, state in world.states.items():
        if actor == QUEUE:
            continue
        check_gate(world, actor, state)
        places = (state.id in queue.waiting) + (state.id in queue.offers) + (state.id in held)
        expected = 0 if state.phase in (Phase.OPEN, Phase.ENDED) else 1
        told_by_phone = any(isinstance(event, sharing.CodeUsed) for event in world.log[actor])
        assert places == expected or (told_by_phone and places == 0), (state.phase, places)
        assert not state.posts
        assert state.phase is Phase.ACTIVE or not state.agent or state.phase in (Phase.WRAP_UP, Phase.ENDED)


@given(steps)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_each_engagement_has_exactly_one_place(story: list[tuple[str, int, int]]) -> None:
    told = Story()
    told.run(story)
    check(told.world)


@given(steps)
@settings(max_examples=100, deadline=None)
def test_replaying_the_logs_gives_the_states(story: list[tuple[str, int, int]]) -> None:
    told = Story()
    told.run(story)
    for actor, log in told.world.log.items():
        assert replay(actor, log) == told.world.states[actor]


@given(steps, st.integers(0, 200))
@settings(max_examples=200, deadline=None)
def test_a_crash_between_append_and_effect_ends_where_the_run_without_it_ends(
    story: list[tuple[str, int, int]], crash_in: int
) -> None:
    whole, crashed = Story(), Story()
    crashed.world.crash_in = crash_in
    whole.run(story)
    crashed.run(story)
    check(crashed.world)
    assert essence(crashed.world) == essence(whole.world)


@given(steps, st.sampled_from(ev.EngagementEvent.__args__), st.integers(0, 2))
@settings(max_examples=300, deadline=None)
def test_step_is_total_an_impossible_event_changes_nothing(
    story: list[tuple[str, int, int]], kind: Any, who: int
) -> None:
    told = Story()
    told.run(story)
    state = told.world.states.get(engagement_actor(f"e_{who}"))
    event = _any(kind, f"v_{who}")
    before = msgspec.msgpack.encode(state)
    try:
        engagement.step(state, event)
    except PeerError:
        pass
    assert msgspec.msgpack.encode(state) == before


def _any(kind: Any, by: str) -> Any:
    values = {
        "at_ms": 10_000,
        "by": by,
        "device": "d",
        "counter": 999,
        "body_hash": b"h",
        "content": b"c",
        "page": b"p",
        "delivered": 1,
        "read": 1,
        "media": "audio",
        "leg": "l_any",
        "video": True,
        "muted": False,
        "consent": Consent("video", "0" * 64),
        "path": "p_any",
        "reason": "lost",
        "code": "c",
        "name": "wrap_up",
        "due_ms": 1,
        "post": 1,
        "origin": "q:demo",
        "agent": "a_0",
        "offer": "o",
        "role": "agent",
        "typing": True,
        "participant": by,
        "mode": "talk",
        "attempt": "1",
        "kind": "offer",
        "body": "",
        "screen": True,
        "revision": 0,
        "sdp": "",
        "site": "demo",
        "engagement": "e_9",
        "visitor": by,
        "capability": "point",
        "grant": "g",
        "count": 1,
        "expires_ms": 60_000,
        "subject": b"s",
    }
    return kind(**{name: values[name] for name in kind.__struct_fields__ if name in values})
