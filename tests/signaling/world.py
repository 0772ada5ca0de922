"""A small shell in memory: engagements and one queue, their logs, posts, timers; it can crash.

It keeps the promise that the real shell keeps (append, then effects, posts at least once) and none
other; tests drive it and compare what comes out of runs with and without crashes.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

from signaling import effects as fx
from signaling import engagement, routing
from signaling import events as ev
from signaling.actors import engagement_actor, routing_actor
from signaling.errors import PeerError
from signaling.policy import Policy
from signaling.protocol import (
    ActorId,
    Consent,
    DeviceId,
    EngagementId,
    LegId,
    OfferId,
    ParticipantId,
    SiteId,
)

SITE = SiteId("demo")
QUEUE = routing_actor(SITE)
YES = Consent("audio", "0" * 64)


class World:
    """log: durable events per actor. todo: effects not yet run (what a crash eats)."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self.now_ms = 1_000
        self.log: dict[ActorId, list[Any]] = {}
        self.states: dict[ActorId, Any] = {}
        self.todo: deque[tuple[ActorId, Any]] = deque()
        self.timers: dict[tuple[ActorId, str], int] = {}
        self.ringing: dict[ParticipantId, list[tuple[str, OfferId]]] = {}
        self.open_legs: set[LegId] = set()
        self.gates: dict[ActorId, fx.SetGate] = {}
        self.said: list[tuple[ActorId, int]] = []
        self._numbers = itertools.count(1)
        self.crash_in: int | None = None
        self.give(QUEUE, ev.SiteOpened(at_ms=1, site=SITE, policy=self.policy))

    # --- the shell ------------------------------------------------------------------------------

    def give(self, actor: ActorId, event: Any) -> int:
        """Fold and append one event, then run all effects. Raises what step raises."""
        machine = _machine(actor)
        state: Any = self.states.get(actor)
        remembered = engagement.recall(state, event) if machine is engagement else None
        if remembered is not None:
            return remembered.seq
        if machine.is_noop(state, event):
            self._confirm(event)
            return int(state.seq)
        state, effects = machine.step(state, event)
        self.states[actor] = state
        if type(event).durable:
            self.log.setdefault(actor, []).append(event)
        self.todo.extend((actor, effect) for effect in effects)
        self._confirm(event)
        self.settle()
        return int(state.seq)

    def _confirm(self, event: Any) -> None:
        if isinstance(event, ev.PostedEvent):
            confirmed = ev.PostConfirmed(at_ms=self.now_ms, post=event.post)
            self.todo.append((event.origin, confirmed))

    def settle(self) -> None:
        """Run effects until none is left; a crash that is due happens before one of them."""
        while self.todo:
            if self.crash_in is not None:
                if self.crash_in == 0:
                    self.crash_in = None
                    self.crash()
                    continue
                self.crash_in -= 1
            actor, effect = self.todo.popleft()
            if isinstance(effect, fx.SetGate):
                self.gates[actor] = effect
            else:
                self._run(actor, effect)

    def _run(self, actor: ActorId, effect: Any) -> None:
        match effect:
            case ev.PostConfirmed():
                if not _machine(actor).is_noop(self.states[actor], effect):
                    self._quietly(actor, effect)
            case fx.Post(to=to, event=event):
                self._quietly(to, event)
            case fx.SetTimer(name=name, due_ms=due_ms):
                self.timers[actor, name] = due_ms
            case fx.CancelTimer(name=name):
                self.timers.pop((actor, name), None)
            case fx.ShowOffer(agent=agent, offer=offer):
                self.ringing.setdefault(agent, []).append((actor[2:], offer))
            case fx.OpenPath(leg=leg):
                self.open_legs.add(leg)
            case fx.CloseLegs(legs=legs):
                self.open_legs -= set(legs)
            case fx.Announce(seq=seq):
                self.said.append((actor, seq))
            case _:
                pass  # shown to people only

    def _quietly(self, actor: ActorId, event: Any) -> None:
        machine = _machine(actor)
        try:
            if machine.is_noop(self.states[actor], event):
                self._confirm(event)
                return
            self.states[actor], effects = machine.step(self.states[actor], event)
        except PeerError:
            self._confirm(event)
            return
        self.log[actor].append(event)
        self.todo.extend((actor, effect) for effect in effects)
        self._confirm(event)

    def crash(self) -> None:
        """Memory is gone: replay every log, then run what is outstanding. Nobody learns of it."""
        self.todo.clear()
        self.timers.clear()
        for actor, log in self.log.items():
            self.states[actor] = replay(actor, log)
        for actor, state in list(self.states.items()):
            self.todo.extend((actor, effect) for effect in _machine(actor).outstanding(state))

    def pass_time(self, ms: int) -> None:
        """Let timers fire in order until now + ms."""
        until_ms = self.now_ms + ms
        while self.timers:
            (actor, name), due_ms = min(self.timers.items(), key=lambda item: item[1])
            if due_ms > until_ms:
                break
            self.now_ms = max(self.now_ms, due_ms)
            del self.timers[actor, name]
            self._quietly(actor, ev.TimerFired(at_ms=self.now_ms, name=name, due_ms=due_ms))
            self.settle()
        self.now_ms = until_ms

    # --- what people do -------------------------------------------------------------------------

    def open(self, name: str) -> ActorId:
        actor = engagement_actor(f"e_{name}")
        visitor = ParticipantId(f"v_{name}")
        opened = ev.Opened(
            at_ms=self.tick(),
            site=SITE,
            engagement=EngagementId(f"e_{name}"),
            visitor=visitor,
            device=DeviceId(f"d_{name}"),
            policy=self.policy,
        )
        self.give(actor, opened)
        return actor

    def say(self, actor: ActorId, by: str, counter: int) -> int:
        return self.command(actor, by, counter, ev.MessageSent, content=b"sealed")

    def command(self, actor: ActorId, by: str, counter: int, kind: Any, **fields: Any) -> int:
        event = kind(
            at_ms=self.tick(),
            by=by,
            device=DeviceId(f"d_{by[2:]}"),
            counter=counter,
            body_hash=f"{kind.__name__}{sorted(fields)}".encode(),
            **fields,
        )
        return self.give(actor, event)

    def agent(self, name: str, capacity: int = 2, *, ready: bool = True) -> ParticipantId:
        agent = ParticipantId(f"a_{name}")
        connected = ev.AgentConnected(at_ms=self.tick(), agent=agent, role="agent", capacity=capacity)
        self.give(QUEUE, connected)
        if ready:
            self.give(QUEUE, ev.AvailabilitySet(at_ms=self.tick(), agent=agent, availability="ready"))
        return agent

    def accept(self, agent: ParticipantId) -> str | None:
        """Accept what rings at the agent now; the engagement's id, None when nothing rings."""
        for offer in self.states[QUEUE].offers.values():
            if offer.agent == agent:
                accepted = ev.OfferAccepted(
                    at_ms=self.tick(),
                    agent=agent,
                    device=DeviceId(f"d_{agent[2:]}"),
                    engagement=offer.engagement,
                    offer=offer.id,
                    leg=LegId(f"l_{next(self._numbers)}"),
                )
                self.give(QUEUE, accepted)
                return str(offer.engagement)
        return None

    def talk(self, actor: ActorId, counter: int) -> LegId:
        leg = LegId(f"l_{next(self._numbers)}")
        visitor = self.states[actor].visitor
        self.command(actor, visitor, counter, ev.CallStarted, leg=leg, video=False, consent=YES)
        return leg

    def tick(self) -> int:
        self.now_ms += 10
        return self.now_ms


def _machine(actor: ActorId) -> Any:
    return engagement if actor.startswith("e:") else routing


def replay(actor: ActorId, log: list[Any]) -> Any:
    state = None
    for event in log:
        state, _ = _machine(actor).step(state, event)
    return state
