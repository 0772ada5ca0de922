"""The judge of `talknow bench chaos` finds each kind of broken promise, and only those."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest

from benchmarks.chaos.callers import GAP_S
from benchmarks.chaos.checker import (
    FAIL,
    OK,
    UNKNOWN,
    Heard,
    Sent,
    Stored,
    Verdict,
    Waited,
    judge,
    judge_queue,
)
from benchmarks.chaos.history import Engagement, History, Queue, judge_again
from benchmarks.chaos.nemesis import Blow, plan
from benchmarks.chaos.pages import Drawn, Seen, judge_page
from benchmarks.chaos.pauses import Pauses
from benchmarks.chaos.run import STORIES, again, back, drain_gaps, main, parser, stories
from benchmarks.chaos.story import Slow, Story, slow
from cobrowse.frames import decode
from cobrowse.policy import CobrowsePolicy
from cobrowse.stream import Stream

MARK = "d_1"


def line(seq: int, counter: int, text: str = "") -> Stored:
    return Stored(seq, MARK, counter, text or f"{MARK} {counter}")


def verdict(
    acks: dict[int, int | None],
    stored: list[Stored],
    *more: list[Stored],
    heard: list[list[Stored]] | None = None,
) -> Verdict:
    return judge("e_1", MARK, [Sent(MARK, acks)], [stored, *more], [Heard("", heard or [])])


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


def test_what_was_only_ever_refused_is_not_stored() -> None:
    sent = Sent(MARK, {1: None, 2: None, 3: 4})
    for counter, outcome in ((1, FAIL), (1, FAIL), (2, FAIL), (2, UNKNOWN), (3, FAIL), (3, OK)):
        sent.tried(counter, 0.0, outcome)
    stored = [line(2, 1), line(3, 2), line(4, 3)]
    fine = judge("e_1", MARK, [sent], [stored[1:]], [])
    assert fine.clean
    assert (fine.acked, fine.unknown, fine.unanswered, fine.refused) == (1, 2, 1, 4)
    assert judge("e_1", MARK, [sent], [stored], []).foreign == 1


def test_a_message_that_did_not_come_though_later_ones_did_is_missed() -> None:
    mine, theirs = line(3, 2), Stored(4, "d_2", 1, f"{MARK} answer 1")
    stored = [line(2, 1), mine, theirs, line(5, 3)]
    sent = [Sent(MARK, {1: 2, 2: 3, 3: 5}), Sent("d_2", {1: 4})]

    def missed(device: str, *connections: list[Stored]) -> int:
        return judge("e_1", MARK, sent, [stored], [Heard(device, list(connections))]).missed

    assert missed("d_2", [stored[0], stored[3]]) == 1, "its own need not come"
    assert missed(MARK, [stored[0], stored[3]]) == 1
    assert missed(MARK, [stored[0], theirs, stored[3]]) == 0
    assert missed("d_2", [stored[0]], [stored[3]]) == 0, "read again after it was back"
    assert judge("e_1", MARK, sent[:1], [stored], []).foreign == 1, "of somebody who wrote nothing"


def test_a_kept_history_is_judged_again_as_it_was(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    sent = Sent(MARK, {1: 2, 2: 3})
    sent.tried(1, 0.5, UNKNOWN)
    heard = [Heard("d_2", [[line(2, 1)], []])]
    history.add(Engagement("e_1", MARK, [sent], [[line(2, 1)], [line(2, 1)]], heard))
    history.add(Queue([waited(50, [(10.0, 5), (20.0, 3), (30.0, 4)])]))
    history.close()
    assert (history.verdict.lost, history.verdict.displaced, history.verdict.unanswered) == (1, 1, 1)
    assert judge_again(tmp_path / "history") == history.verdict
    assert main(["--judge", str(tmp_path / "history")]) == 1


def test_the_same_again_names_all_that_was_asked() -> None:
    asked = parser().parse_args("--kills 3 --others 2 --seed 7 --writers 4 --also part drain".split())
    words = again(asked).split()
    assert words[:3] == ["talknow", "bench", "chaos"]
    assert parser().parse_args(words[3:]) == asked


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
    assert judge_queue([moved_back, waited(40, [(32.0, 3)])]).displaced == 1
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


def test_a_wait_counts_from_the_first_blow_that_fell_into_it() -> None:
    blows = [Blow(10.0, "kill", 0), Blow(11.0, "flush", -1), Blow(20.0, "kill", 1), Blow(21.0, "kill", 2)]
    waits = [(11.5, 2.0), (15.0, 1.0), (20.5, 0.6), (21.5, 1.6)]
    assert back(blows, waits) == {"kill+flush": [1.5], "kill": [0.5, 1.5]}


def test_a_wait_without_a_blow_is_of_the_last_one_just_before() -> None:
    blows = [Blow(10.0, "kill", 0), Blow(11.0, "cut", 1)]
    assert back(blows, [(13.0, 1.0), (15.5, 2.0)]) == {"cut": [1.0]}


class Talked:
    """Stands for a caller: when it heard again, after how long, and when its path moved."""

    def __init__(self, moves: list[float], gaps: list[tuple[float, float]]) -> None:
        self.moves = moves
        self.gaps = gaps


def test_a_drains_gap_is_the_longest_of_a_call_that_moved_until_the_next_blow() -> None:
    blows = [Blow(10.0, "drain", 0), Blow(12.0, "kill", 1), Blow(20.0, "drain", 2)]
    moved = Talked([10.5, 20.5], [(10.6, 0.05), (11.0, 0.09), (12.9, 0.9), (20.8, 0.04)])
    stayed = Talked([12.5], [(10.9, 0.5)])
    silent = Talked([20.1], [])
    found = drain_gaps(blows, [moved, stayed, silent], Pauses())  # type: ignore[list-item]
    assert found == [0.09, 0.04, GAP_S]


def test_what_the_generator_slept_through_is_not_counted() -> None:
    pauses = Pauses()
    pauses.spans += [(10.91, 10.96), (10.98, 11.5), (5.0, 6.0)]
    assert pauses.within(10.9, 11.0) == pytest.approx(0.07)
    moved = Talked([10.5], [(11.0, 0.1)])
    assert drain_gaps([Blow(10.0, "drain", 0)], [moved], pauses) == [GAP_S]  # type: ignore[list-item]


async def test_a_pause_of_the_loop_is_noticed() -> None:
    pauses = Pauses()
    watching = asyncio.ensure_future(pauses.watch())
    await asyncio.sleep(0.05)
    time.sleep(0.1)  # noqa: ASYNC251 - that is what is to be noticed
    await asyncio.sleep(0.02)
    watching.cancel()
    assert max(until_s - since_s for since_s, until_s in pauses.spans) > 0.08


def test_a_shared_page_is_whole_after_each_frame_also_for_who_comes_late() -> None:
    drawn, stream, early = Drawn("page of one"), Stream(CobrowsePolicy()), Seen()
    for document in range(2):
        stream.begin(f"doc {document}")
        for number in range(30):
            frame = drawn.snapshot() if number in (0, 20) else drawn.change()
            early.apply(decode(stream.push(frame, 0).frame))
            late = Seen()
            late.apply(decode(stream.keyframe()))
            assert judge_page(drawn, early).clean
            assert judge_page(drawn, late).clean
        drawn.leave()


def test_a_page_of_somebody_else_of_another_frame_or_before_its_beginning_is_found() -> None:
    drawn, seen = Drawn("page of one"), Seen()
    seen.apply(decode(drawn.snapshot()))
    assert judge_page(Drawn("page of two"), seen).foreign == len(seen.lines)
    late = decode(drawn.change())
    assert judge_page(drawn, seen, (0, 2)).torn == 1, "it was further already"
    seen.seq = late[0]
    assert judge_page(drawn, seen).torn == 1
    with pytest.raises(ValueError, match="begins with op"):
        Seen().apply(late)


def test_a_long_silence_is_told_by_what_happened_in_it() -> None:
    customer, desk = Story(), Story()
    for story, text in ((customer, "connection ended"), (desk, "no answer"), (customer, "back")):
        story.note(text)
        story.note(text)
    now_s = time.monotonic()
    wait = slow("no sound", {"customer": customer, "agent": desk}, now_s - 1.0, now_s)
    text = wait.told([(now_s - 1.5, "nemesis kill 2"), (now_s - 9.0, "nemesis kill 1")])
    assert re.fullmatch(
        r"no sound, 1\.00 s from [\d:.]+: -0\.50 nemesis kill 2; \+\S+ customer connection ended;"
        r" \S+ agent no answer; \S+ customer back",
        text,
    )
    assert not slow("no sound", {"customer": customer}, now_s + 1, now_s + 2).notes


def test_the_longest_silences_are_told_but_for_those_that_all_had() -> None:
    waits = [Slow(f"wait {number}", 100.0 * number, 100.0 * number + 4 + number, []) for number in range(20)]
    told = stories(waits, [Blow(1900.5, "full", -1), Blow(1800.5, "kill", 1)])
    assert [text.split(",")[0] for text in told] == [
        f"wait {number}" for number in range(18, 18 - STORIES, -1)
    ]
    assert "+0.50 nemesis kill 1" in told[0]
