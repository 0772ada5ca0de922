"""The two pure machines behind one interface, so that the hub need not know which it feeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from server.backend import Projection
from signaling import engagement, routing, timeline
from signaling.effects import AnyEffect
from signaling.events import (
    AnyEvent,
)
from signaling.protocol import ActorId
from signaling.state import Engagement, Phase, Remembered


class Machine(Protocol):
    """checkpoints: keep folded states (endless actors). witness: what the shell derives per event."""

    checkpoints: bool

    def step(self, state: Any, event: AnyEvent) -> tuple[Any, tuple[AnyEffect, ...]]: ...
    def recall(self, state: Any, event: AnyEvent) -> Remembered | None: ...
    def is_noop(self, state: Any, event: AnyEvent) -> bool: ...
    def outstanding(self, state: Any) -> tuple[AnyEffect, ...]: ...
    def must_recover(self, state: Any) -> bool: ...
    def projections(self, state: Any) -> Sequence[Projection]: ...
    def restore(self, state: bytes) -> Any: ...
    def witness(self, extras: dict[str, Any], before: Any, event: AnyEvent, after: Any) -> None: ...


class EngagementMachine:
    checkpoints = False

    def step(self, state: Any, event: Any) -> tuple[Engagement, tuple[AnyEffect, ...]]:
        return engagement.step(state, event)

    def recall(self, state: Any, event: AnyEvent) -> Remembered | None:
        return engagement.recall(state, event)

    def is_noop(self, state: Any, event: Any) -> bool:
        return engagement.is_noop(state, event)

    def outstanding(self, state: Engagement) -> tuple[AnyEffect, ...]:
        return engagement.outstanding(state)

    def must_recover(self, state: Engagement) -> bool:
        return state.phase is not Phase.ENDED

    def projections(self, state: Engagement) -> Sequence[Projection]:
        return (
            Projection(
                state.id,
                state.site,
                state.visitor,
                state.agent,
                state.phase.value,
                state.opened_ms,
                state.changed_ms,
                state.ended_ms,
            ),
        )

    def restore(self, state: bytes) -> Engagement:
        return msgspec.msgpack.decode(state, type=Engagement)

    def witness(self, extras: dict[str, Any], before: Any, event: AnyEvent, after: Any) -> None:
        """Keep the drafts of timeline items; the log is replayed whole, so they are complete."""
        extras.setdefault("drafts", []).extend(timeline.drafts(before, event, after))


class RoutingMachine:
    checkpoints = True

    def step(self, state: Any, event: Any) -> tuple[routing.Routing, tuple[AnyEffect, ...]]:
        return routing.step(state, event)

    def recall(self, state: Any, event: AnyEvent) -> Remembered | None:
        return None

    def is_noop(self, state: Any, event: Any) -> bool:
        return routing.is_noop(state, event)

    def outstanding(self, state: routing.Routing) -> tuple[AnyEffect, ...]:
        return routing.outstanding(state)

    def must_recover(self, state: routing.Routing) -> bool:
        return True

    def projections(self, state: routing.Routing) -> Sequence[Projection]:
        return ()

    def restore(self, state: bytes) -> routing.Routing:
        return msgspec.msgpack.decode(state, type=routing.Routing)

    def witness(self, extras: dict[str, Any], before: Any, event: AnyEvent, after: Any) -> None:
        """A queue has no timeline."""


_ENGAGEMENT = EngagementMachine()
_ROUTING = RoutingMachine()


def machine_of(actor: ActorId) -> Machine:
    return _ENGAGEMENT if actor.startswith("e:") else _ROUTING
