"""Which connections this node knows, its own and others' nodes', and what each of them follows.

A connection is named by its node and a number of that node. Ours are all here; of other nodes' those of
agents (every node is told of them, so that work can ring there) and of whoever follows an actor of ours.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any, Protocol

from msgspec import Struct

from server.sessions import Outlet, Session
from signaling.protocol import ActorId, DeviceId, NodeId, ParticipantId, ServerEvent, SiteId

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


class Known(Struct, eq=False):
    """A connection and what is known of it. followed: actors of this node; sources: nodes it depends on."""

    outlet: Outlet
    name: Name
    followed: set[ActorId]
    sources: set[NodeId]


class Outlets:
    """All connections, by themselves, by participant and by name."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._known: dict[int, Known] = {}
        self._by_name: dict[Name, Outlet] = {}
        self._by_participant: dict[ParticipantId, list[Outlet]] = defaultdict(list)

    def add(self, outlet: Outlet, name: Name | None = None) -> int:
        """Ours, unless it has a name already; its number."""
        name = name or (HERE, next(self._numbers))
        self._known[id(outlet)] = Known(outlet, name, set(), set())
        self._by_name[name] = outlet
        self._by_participant[outlet.session.participant].append(outlet)
        return name[1]

    def remove(self, outlet: Outlet) -> tuple[set[ActorId], bool]:
        """What it followed here, and whether it was the participant's last."""
        participant = outlet.session.participant
        if (known := self._known.pop(id(outlet), None)) is None:
            return set(), participant not in self._by_participant
        del self._by_name[known.name]
        self._by_participant[participant].remove(outlet)
        if not self._by_participant[participant]:
            del self._by_participant[participant]
        return known.followed, participant not in self._by_participant

    def named(self, name: Name) -> Outlet | None:
        return self._by_name.get(name)

    def name(self, outlet: Outlet) -> Name | None:
        """None when it is over."""
        known = self._known.get(id(outlet))
        return None if known is None else known.name

    def at(self, node: NodeId) -> list[Outlet]:
        return [known.outlet for known in self._known.values() if known.name[0] == node]

    def elsewhere(self) -> list[Outlet]:
        """Other nodes' connections."""
        return [known.outlet for known in self._known.values() if known.name[0] != HERE]

    def of(self, participant: ParticipantId) -> list[Outlet]:
        return list(self._by_participant.get(participant, ()))

    def staff(self, site: SiteId) -> list[Outlet]:
        """Agents' connections, here and elsewhere."""
        sessions = ((known.outlet, known.outlet.session) for known in self._known.values())
        return [outlet for outlet, session in sessions if session.role != "visitor" and session.site == site]

    def send(self, participant: ParticipantId, event: ServerEvent, device: DeviceId | None = None) -> None:
        """To all connections of the participant, or those of one device."""
        for outlet in self.of(participant):
            if device is None or outlet.session.device == device:
                outlet.send(event)

    # --- who follows what ---------------------------------------------------------------------

    def follow(self, live: Followed, outlet: Outlet) -> None:
        followed = live.extras.setdefault("outlets", [])
        if (known := self._known.get(id(outlet))) is not None and outlet not in followed:
            followed.append(outlet)
            known.followed.add(live.actor)

    def unfollow(self, live: Followed, outlet: Outlet) -> None:
        followed = live.extras.get("outlets", [])
        if outlet in followed:
            followed.remove(outlet)
        if (known := self._known.get(id(outlet))) is not None:
            known.followed.discard(live.actor)

    def depends(self, outlet: Outlet, node: NodeId) -> None:
        """What the other node has for this connection of ours must not be missed."""
        if (known := self._known.get(id(outlet))) is not None:
            known.sources.add(node)

    def sources(self, outlet: Outlet) -> set[NodeId]:
        known = self._known.get(id(outlet))
        return set() if known is None else known.sources

    def reads(self, outlet: Outlet) -> bool:
        """Does it follow anything, here or elsewhere?"""
        known = self._known.get(id(outlet))
        return known is not None and bool(known.followed or known.sources)

    def dependent(self, node: NodeId) -> list[Outlet]:
        return [outlet for outlet in self.at(HERE) if node in self.sources(outlet)]


def followers(live: Followed) -> list[Outlet]:
    return list(live.extras.get("outlets", ()))
