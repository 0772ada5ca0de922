"""Of two nodes that do not reach each other one gives way, and never both; it comes back with its links."""

from __future__ import annotations

from collections.abc import Mapping, Set
from itertools import combinations

import pytest

from server.backend.memory_bus import MemoryBus
from server.nodes.link_watch import PATIENCE_S, WELL_S, LinkWatch, gives_way
from signaling.protocol import NodeId

A, B, C, D = (NodeId(f"n_{name}") for name in "abcd")
SOON = 0.01


def links(nodes: list[NodeId], *broken: tuple[NodeId, NodeId]) -> dict[NodeId, Set[NodeId] | None]:
    """All are linked but those; in both directions."""
    cut = {*broken, *((two, one) for one, two in broken)}
    return {one: frozenset(two for two in nodes if two != one and (one, two) not in cut) for one in nodes}


def test_whoever_nobody_reaches_gives_way() -> None:
    alone = links([A, B, C], (A, B), (A, C))
    assert [node for node in (A, B, C) if gives_way(node, alone)] == [A]


def test_of_two_alone_the_later_name_gives_way() -> None:
    assert [node for node in (A, B) if gives_way(node, links([A, B], (A, B)))] == [B]


def test_nobody_gives_way_while_all_reach_all() -> None:
    assert not any(gives_way(node, links([A, B, C])) for node in (A, B, C))
    assert not gives_way(A, links([A]))


def test_one_direction_alone_is_no_way() -> None:
    one_way: dict[NodeId, Set[NodeId] | None] = {**links([A, B, C]), A: frozenset({C})}
    assert [node for node in (A, B, C) if gives_way(node, one_way)] == [B]


def test_an_earlier_version_says_nothing_and_is_believed_to_have_its_links() -> None:
    assert not any(gives_way(node, {**links([A, B]), B: None}) for node in (A, B))


@pytest.mark.parametrize("count", range(1, 7))
def test_who_stays_reach_each_other_after_at_most_as_many_steps_as_nodes(count: int) -> None:
    """Whatever pairs are broken: somebody always stays, and those who stay are whole."""
    pairs = list(combinations((A, B, C, D), 2))
    for broken in combinations(pairs, count):
        nodes = [A, B, C, D]
        for _ in range(len(nodes)):
            now = links(nodes, *broken)
            nodes = [node for node in nodes if not gives_way(node, now)]
        assert nodes
        assert not any(one in nodes and two in nodes for one, two in broken)


class Bus(MemoryBus):
    """Says what a test says."""

    def __init__(self) -> None:
        self._node_id = B
        self.now: Mapping[NodeId, Set[NodeId] | None] = links([A, B])
        self.away = False

    def linked(self) -> Mapping[NodeId, Set[NodeId] | None]:
        return self.now

    def step_down(self, why: str) -> None:
        self.away = True

    def step_up(self, why: str) -> None:
        self.away = False


def look(watch: LinkWatch, *at_s: float) -> None:
    for one in at_s:
        watch.look(one)


def test_it_goes_after_a_while_and_comes_back_when_all_is_well_for_a_while() -> None:
    bus, sent = Bus(), []
    watch = LinkWatch(bus, lambda: sent.append(bus.away))
    bus.now = links([A, B], (A, B))
    look(watch, 0.0, PATIENCE_S - SOON)
    assert not bus.away
    look(watch, PATIENCE_S)
    assert bus.away and sent == [True]
    bus.now = links([A, B])
    bus.now = {**links([A, B]), A: frozenset()}
    look(watch, 10.0, 20.0)
    assert bus.away, "it reaches the other one, which does not reach it"
    bus.now = links([A, B])
    look(watch, 21.0, 21.0 + WELL_S - SOON)
    assert bus.away
    look(watch, 21.0 + WELL_S)
    assert not bus.away


def test_a_link_that_is_back_at_once_is_no_reason() -> None:
    bus = Bus()
    watch = LinkWatch(bus, lambda: None)
    for at_s in (1.0, 2.0, 3.0):
        bus.now = links([A, B], (A, B))
        look(watch, at_s, at_s + PATIENCE_S / 2)
        bus.now = links([A, B])
        look(watch, at_s + PATIENCE_S)
    assert not bus.away
