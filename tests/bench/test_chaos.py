"""The judge of `talknow bench chaos` finds each kind of broken promise, and only those."""

from __future__ import annotations

import pytest

from benchmarks.chaos.checker import Heard, Sent, Stored, Verdict, Waited, judge, judge_queue
from benchmarks.chaos.nemesis import Blow, plan
from benchmarks.chaos.run import back

MARK = "d_1"


def line(seq: int, counter: int, text: str = "") -> Stored:
    return Stored(seq, MARK, counter, text or f"{MARK} {counter}")


def verdict(
    acks: dict[int, int | None],
    stored: list[Stored],
    *more: list[Stored],
    heard: list[list[Stored]] | None = None,
) -> Verdict:
    return judge("e_1", MARK, [Sent(MARK, acks)], [stored, *more], [Heard(heard or [])])


def test_what_was_acked_and_is_stored_is_fine() -> None:
    stored = [line(2, 1), line(4, 2), line(5, 3)]
    found = verdict({1: 2, 2: 4, 3: None}, stored, stored, heard=[[line(2, 1)], [line(4, 2), line(5, 3)]])
    assert found.clean
    assert (found.acked, found.unknown, found.deliveries) == (2, 1, 3 + 6)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("lost", verdict({1: 2, 2: 3}, [line(2, 1)])),
        ("lost", verdict({1: 2}, [line(2, 1)], heard=[[line(9, 1)]])),
        ("duplicated", verdict({1: 2}, [line(2, 1), line(3, 1)])),
        ("duplicated", verdict({1: 2}, [line(2, 1)], heard=[[line(2, 1), line(2, 1)]])),
        ("reordered", verdict({1: 2}, [line(3, 1)])),
        ("reordered", verdict({1: None, 2: None}, [line(2, 2), line(3, 1)])),
        ("reordered", verdict({1: 2}, [line(2, 1)], [])),
        ("reordered", verdict({1: 2, 2: 3}, [line(2, 1), line(3, 2)], heard=[[line(3, 2), line(2, 1)]])),
        ("foreign", verdict({1: 2}, [line(2, 1)], heard=[[line(2, 1, "d_2 1")]])),
        ("foreign", verdict({1: 2}, [line(2, 1), line(3, 7)])),
    ],
)
def test_every_broken_promise_is_found(kind: str, found: Verdict) -> None:
    assert getattr(found, kind) >= 1
    assert not found.clean
    assert found.examples


def waited(arrived_ms: int, told: list[tuple[float, int]], agent: str = "") -> Waited:
    made = Waited()
    for at_s, place in told:
        made.place(at_s, place)
    made.served(arrived_ms, agent or None)
    return made


def test_places_get_better_and_one_agent_comes() -> None:
    moved_back = waited(50, [(10.0, 5), (20.0, 3), (30.0, 4)])
    assert judge_queue([waited(50, [(10.0, 5), (20.0, 5), (30.0, 1)], "a_1")]).clean
    assert judge_queue([moved_back]).displaced == 1
    assert judge_queue([moved_back, waited(40, [(29.0, 3)])]).clean, "it came before, and was heard of late"
    assert judge_queue([moved_back, waited(60, [(29.0, 3)])]).displaced == 1
    assert judge_queue([moved_back, waited(40, [(15.0, 3)])]).displaced == 1


def test_who_lost_its_agent_comes_back_to_its_place_and_may_have_another() -> None:
    moved_back = waited(50, [(10.0, 5), (20.0, 3), (30.0, 4)])
    back = waited(40, [(5.0, 1)], "a_1")
    back.place(29.0, 1)
    back.served(40, "a_2")
    assert judge_queue([moved_back, back]).clean
    taken_twice = waited(40, [(5.0, 1)], "a_1")
    taken_twice.served(40, "a_2")
    assert judge_queue([taken_twice]).twice_taken == 1


def test_other_blows_are_spread_among_the_kills() -> None:
    assert plan(4, 2, ["stop", "drain"]) == ["kill", "stop", "kill", "kill", "drain", "kill"]
    assert plan(2, 0, []) == ["kill", "kill"]
    assert plan(0, 3, ["drain"]) == ["drain"] * 3


def test_a_wait_counts_from_the_first_blow_it_fell_into() -> None:
    blows = [Blow(10.0, "kill", 0), Blow(11.0, "flush", -1), Blow(20.0, "kill", 1)]
    waits = [(11.5, 2.0), (15.0, 1.0), (20.5, 0.6)]
    assert back(blows, waits) == {"kill": [1.5, 0.5]}
