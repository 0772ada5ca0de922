"""What senders are told of losses and arrivals: read, written, told per way, and limited."""

from __future__ import annotations

import math
from struct import pack, unpack_from

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import congestion
from media import transport_cc as cc


@given(st.lists(st.tuples(st.integers(0, 65_535), st.floats(0, 100)), max_size=300))
def test_arrivals_are_reported_whatever_arrives(packets: list[tuple[int, float]]) -> None:
    arrivals = congestion.Arrivals()
    for seq, at_s in packets:
        arrivals.add(seq, at_s)
    reports = [body for _ in range(5) if (body := arrivals.report()) is not None]
    assert all(len(body) % 4 == 0 and len(body) < 1_200 for body in reports)


def test_a_report_of_arrivals_is_what_receivers_read() -> None:
    arrivals = congestion.Arrivals()
    for seq, at_s in ((65_534, 10.0), (65_535, 10.005), (1, 10.2), (2, 10.19)):
        arrivals.add(seq, at_s)
    body = arrivals.report()
    assert body is not None
    base, count = unpack_from("!HH", body)
    reference = int.from_bytes(body[4:7], "big")
    assert (base, count, reference, body[7]) == (65_534, 5, int(10.0 / 0.064), 0)
    (word,) = unpack_from("!H", body, 8)
    symbols = [word >> shift & 3 for shift in (12, 10, 8, 6, 4)]
    assert symbols == [1, 1, 0, 2, 2]
    first, second, third, fourth = body[10], body[11], *unpack_from("!hh", body, 12)
    times = [reference * 0.064 + sum(ticks) * 0.000_25 for ticks in ((first,), (first, second))]
    assert times == pytest.approx([10.0, 10.005], abs=0.000_3)
    assert (third * 0.000_25, fourth * 0.000_25) == pytest.approx((0.195, -0.01), abs=0.000_3)
    assert arrivals.report() is None


def test_the_limit_falls_with_loss_and_rises_without() -> None:
    assert congestion.loss_limit(None, 5) is None
    fallen = congestion.loss_limit(None, 128)
    assert fallen == int(congestion.FIRST_LIMIT_BPS * 0.75)
    assert congestion.loss_limit(fallen, 10) == fallen
    limit: int | None = fallen
    for _ in range(40):
        limit = congestion.loss_limit(limit, 0)
    assert limit is None


@st.composite
def reports(draw: st.DrawFn) -> cc.Report:
    count = draw(st.integers(1, cc.MAX_STATUSES))
    places = sorted(draw(st.sets(st.integers(0, count - 1))))
    at, last = {}, 0
    for place in places:
        last += draw(st.integers(-0x8000, 0x7FFF))
        at[place] = last
    return cc.Report(draw(st.integers(0, 0xFFFF)), count, draw(st.integers(0, 0xFFFFFF)), 7, at)


@given(reports())
def test_a_report_survives_writing(report: cc.Report) -> None:
    assert cc.read(cc.write(report)) == report


@given(st.binary(max_size=400))
def test_any_feedback_is_read_or_refused_and_passed(body: bytes) -> None:
    passed = congestion.Passed()
    for seq in range(300):
        passed.add(seq)
    report = cc.read(body)
    assert report is None or len(report.at) <= report.count <= cc.MAX_STATUSES
    told = passed.told(body)
    assert len(told) < 1_200 and (told == body or cc.read(told) is not None)


def test_runs_and_single_bits_are_read() -> None:
    """Both forms that we never write: a run of five small deltas, one missing of fourteen."""
    head = pack("!HH", 100, 19) + b"\x00\x00\x01\x00"
    bits = 0b10_1011_1111_1111_11
    report = cc.read(head + pack("!HH", 1 << 13 | 5, bits) + bytes([4]) * 18)
    assert report is not None
    assert sorted(set(range(19)) - set(report.at)) == [6]
    assert report.at[18] == 18 * 4
    for wrong in (
        head[:7],
        head,
        head + pack("!H", 3 << 13 | 19),
        head + pack("!H", 1 << 13),
        head + b"\xff\xff" * 3,
    ):
        assert cc.read(wrong) is None


def test_losses_on_the_way_from_us_count_as_arrived_between_their_neighbours() -> None:
    passed = congestion.Passed()
    for seq in (65_534, 65_535, 0, 2, 3, 4):
        passed.add(seq)
    body = cc.write(cc.Report(65_534, 7, 9, 0, {1: 100, 5: 140}))
    report = cc.read(passed.told(body))
    assert report is not None and (report.base, report.reference) == (65_534, 9)
    assert report.at == {0: 100, 1: 100, 2: 110, 4: 130, 5: 140, 6: 140}, "3 never came to us"


def test_feedback_without_losses_of_ours_passes_byte_for_byte() -> None:
    passed = congestion.Passed()
    passed.add(1)
    body = pack("!HH", 1, 2) + b"\x00\x00\x01\x00" + pack("!H", 0b10_1000_0000_0000_00) + b"\x03\x00"
    assert passed.told(body) == body
    assert passed.told(b"unreadable!!") == b"unreadable!!"


def test_the_loss_on_the_way_from_us_is_judged_by_enough_packets() -> None:
    passed = congestion.Passed()
    for begin in range(0, 240, 20):
        assert passed.fraction() is None or begin == 200
        for seq in range(begin, begin + 20):
            passed.add(seq)
        arrived = {place: place for place in range(20) if place % 10}
        passed.told(cc.write(cc.Report(begin, 20, 0, 0, arrived)))
        if begin == 180:
            assert passed.fraction() == math.floor(256 / 10)
