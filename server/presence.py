"""Which connections this node knows, its own and others' nodes', and what each of them follows.

A connection is named by its node and a number of that node. Ours are all here; of other nodes' those of
agents (every node is told of them, so that work can ring there) and of whoever follows an actor of ours.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Protocol

from server.sessions import Outlet, Session
from signaling.protocol import ActorId, DeviceId, NodeId, ParticipantId, ServerEvent

HERE = NodeId("")
Name = tuple[NodeId, int]


class Followed(Protocol):
    """An actor as those who read it see it (mailbox.Live)."""

    @property
    def actor(self) -> ActorId: ...
    @property
    def extras(self) -> dict[str, Any]: ...


class Relay(Protocol):
    """What reaches connections of other nodes (nodes/peers.py)."""

    def deliver(self, node: NodeId, number: int, event: ServerEvent) -> None: ...
    def come_back(self, node: NodeId, number: int, retry_after_ms: int) -> None: ...


class RemoteOutlet:
    """A connection of another node, which `peers` reaches by its name."""

    def __init__(self, session: Session, name: Name, peers: Relay) -> None:
        self.session = session
        self._name = name
        self._peers = peers

    def send(self, event: ServerEvent) -> None:
        self._peers.deliver(*self._name, event)

    def come_back(self, code: str, retry_after_ms: int) -> None:
        self._peers.come_back(*self._name, retry_after_ms)


class Outlets:
    """All connections by participant and by name."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._by_participant: dict[ParticipantId, list[Outlet]] = defaultdict(list)
        self._by_name: dict[Name, Outlet] = {}
        self._names: dict[int, Name] = {}
        self._followed: dict[int, set[ActorId]] = {}
        self._sources: dict[int, set[NodeId]] = {}

    def add(self, outlet: Outlet, name: Name | None = None) -> int:
        """Ours, unless it has a name already; its number."""
        name = name or (HERE, next(self._numbers))
        self._by_participant[outlet.session.participant].append(outlet)
        self._by_name[name] = outlet
        self._names[id(outlet)] = name
        self._followed[id(outlet)] = set()
        self._sources[id(outlet)] = set()
        return name[1]

    def remove(self, outlet: Outlet) -> tuple[set[ActorId], bool]:
        """What it followed here, and whether it was the participant's last."""
        outlets = self._by_participant.get(outlet.session.participant, [])
        if outlet in outlets:
            outlets.remove(outlet)
        if not outlets:
            self._by_participant.pop(outlet.session.participant, None)
        self._by_name.pop(self._names.pop(id(outlet), (HERE, 0)), None)
        self._sources.pop(id(outlet), None)
        return self._followed.pop(id(outlet), set()), not outlets

    def named(self, name: Name) -> Outlet | None:
        return self._by_name.get(name)

    def name(self, outlet: Outlet) -> Name | None:
        """None when it is over."""
        return self._names.get(id(outlet))

    def at(self, node: NodeId) -> list[Outlet]:
        return [outlet for (where, _), outlet in self._by_name.items() if where == node]

    def elsewhere(self) -> list[Outlet]:
        """Other nodes' connections."""
        return [outlet for (where, _), outlet in self._by_name.items() if where != HERE]

    def of(self, participant: ParticipantId) -> list[Outlet]:
        return list(self._by_participant.get(participant, ()))

    def send(self, participant: ParticipantId, event: ServerEvent, device: DeviceId | None = None) -> bool:
        """To all connections of the participant, or those of one device. True when there was one."""
        return send(self.of(participant), event, device)

    # --- who follows what ---------------------------------------------------------------------

    def follow(self, live: Followed, outlet: Outlet) -> None:
        followed = live.extras.setdefault("outlets", [])
        if outlet not in followed and id(outlet) in self._followed:
            followed.append(outlet)
            self._followed[id(outlet)].add(live.actor)

    def unfollow(self, live: Followed, outlet: Outlet) -> None:
        followed = live.extras.get("outlets", [])
        if outlet in followed:
            followed.remove(outlet)
        self._followed.get(id(outlet), set()).discard(live.actor)

    def depends(self, outlet: Outlet, node: NodeId) -> None:
        """What the other node has for this connection of ours must not be missed."""
        if (sources := self._sources.get(id(outlet))) is not None:
            sources.add(node)

    def sources(self, outlet: Outlet) -> set[NodeId]:
        return self._sources.get(id(outlet), set())

    def reads(self, outlet: Outlet) -> bool:
        """Does it follow anything, here or elsewhere?"""
        return bool(self._followed.get(id(outlet)) or self._sources.get(id(outlet)))

    def dependent(self, node: NodeId) -> list[Outlet]:
        return [outlet for outlet in self.at(HERE) if node in self.sources(outlet)]


def followers(live: Followed) -> list[Outlet]:
    return list(live.extras.get("outlets", ()))


def send(outlets: Iterable[Outlet], event: ServerEvent, device: DeviceId | None = None) -> bool:
    found = False
    for outlet in outlets:
        if device is None or outlet.session.device == device:
            outlet.send(event)
            found = True
    return found
