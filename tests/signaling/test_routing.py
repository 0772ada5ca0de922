"""Whatever agents do, who waits moves up in the queue, and only who leaves it leaves a gap."""

from __future__ import annotations

import random
from typing import Any

import pytest

from signaling import events as ev
from signaling import routing
from signaling.policy import Policy
from signaling.protocol import ActorId, DeviceId, EngagementId, LegId, ParticipantId, SiteId

ORIGIN = ActorId("e:x")
AGENTS = [ParticipantId(f"a_{number}") for number in range(3)]


def something(chance: random.Random, state: routing.Routing, at_ms: int) -> Any:
    agent = chance.choice(AGENTS)
    if state.offers and chance.random() < 0.5:
        offer = chance.choice(list(state.offers.values()))
        mine, about = offer.agent, offer.engagement
        taken = ev.OfferAccepted(
            at_ms=at_ms, agent=mine, device=DeviceId("d"), engagement=about, offer=offer.id, leg=LegId("l_1")
        )
        declined = ev.OfferDeclined(at_ms=at_ms, agent=mine, engagement=about, offer=offer.id)
        timeout = ev.TimerFired(at_ms=at_ms, name=f"offer:{offer.id}", due_ms=offer.due_ms)
        gone = ev.EngagementGone(at_ms=at_ms, origin=ORIGIN, post=at_ms, engagement=about)
        return chance.choice([taken, taken, declined, timeout, gone])
    connected = ev.AgentConnected(at_ms=at_ms, agent=agent, role="agent", capacity=2)
    known = agent in state.agents
    waiting = ev.EngagementWaiting(
        at_ms=at_ms,
        origin=ORIGIN,
        post=at_ms,
        engagement=EngagementId(f"e_{at_ms}"),
        arrived_ms=at_ms,
        wants="chat",
    )
    ready = ev.AvailabilitySet(at_ms=at_ms, agent=agent, availability=chance.choice(["ready", "busy"]))
    lost = ev.AgentDisconnected(at_ms=at_ms, agent=agent)
    return chance.choice(
        [waiting, waiting, waiting, ready if known else connected, lost if known else connected]
    )


@pytest.mark.parametrize("seed", range(20))
def test_a_place_never_gets_worse(seed: int) -> None:
    chance = random.Random(seed)
    state, _ = routing.step(None, ev.SiteOpened(at_ms=1, site=SiteId("bank"), policy=Policy()))
    before: dict[EngagementId, int] = {}
    offers_ended = 0
    for at_ms in range(2, 500):
        event = something(chance, state, at_ms)
        offers_ended += isinstance(event, ev.OfferDeclined | ev.AgentDisconnected)
        state, _ = routing.step(state, event)
        after = routing.places(state)
        assert sorted(after.values()) == list(range(1, len(after) + 1))
        assert set(after) == {*state.waiting, *state.offers}
        worse = {who: (before[who], place) for who, place in after.items() if place > before.get(who, place)}
        assert not worse, event
        before = after
    assert offers_ended and before
