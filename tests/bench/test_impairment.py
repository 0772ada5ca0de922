"""The model of a bad link does to packets what its profile says, and the same again for the same seed."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from benchmarks.impairment import Bursts, Counts, Link, Profile, Setting

N = 20_000
EVERY_S = 0.02


def run(profile: Profile, *, n: int = N, size: int = 100, seed: int = 7) -> tuple[list[list[float]], Link]:
    """What became of `n` packets, one every 20 ms."""
    link = Link(Setting(profile), seed)
    return [link.send(number * EVERY_S, size) for number in range(n)], link


def lost(fates: list[list[float]]) -> float:
    return sum(not fate for fate in fates) / len(fates)


def waits(fates: list[list[float]]) -> list[float]:
    """How long each packet that arrived was under way."""
    return [fate[0] - number * EVERY_S for number, fate in enumerate(fates) if fate]


def test_a_whole_link_passes_everything_at_once() -> None:
    fates, link = run(Profile(), n=100)
    assert fates == [[number * EVERY_S] for number in range(100)]
    assert link.counts == Counts(packets=100, bytes=10_000, delivered=100)


def test_the_same_seed_has_the_same_fate_and_another_seed_another() -> None:
    profile = Profile(
        loss=0.1, delay_s=0.03, jitter_s=0.2, reorder=0.05, duplicate=0.05, bandwidth_bps=90_000
    )
    assert run(profile)[0] == run(profile)[0]
    assert run(profile)[0] != run(profile, seed=8)[0]


def test_one_feature_does_not_change_the_fate_by_another() -> None:
    alone = [bool(fate) for fate in run(Profile(loss=0.1))[0]]
    both = [bool(fate) for fate in run(Profile(loss=0.1, jitter_s=0.2, duplicate=0.5, reorder=0.5))[0]]
    assert alone == both


def test_random_loss_is_the_share_asked_for() -> None:
    fates, link = run(Profile(loss=0.05))
    assert lost(fates) == pytest.approx(0.05, abs=0.005)
    assert link.counts.lost + link.counts.delivered == N


def test_everything_can_be_lost() -> None:
    assert lost(run(Profile(loss=1.0), n=100)[0]) == 1


def test_bursts_lose_the_share_in_runs_of_the_mean_length() -> None:
    fates, _ = run(Profile(bursts=Bursts.of(0.05, 4)))
    starts = sum(bool(before) and not after for before, after in pairwise(fates))
    assert lost(fates) == pytest.approx(0.05, abs=0.01)
    assert lost(fates) * N / starts == pytest.approx(4, abs=0.5)


def test_bursts_may_also_lose_little_in_the_good_state() -> None:
    fates, _ = run(Profile(bursts=Bursts(enter=0.01, leave=0.1, loss_bad=0.5, loss_good=0.01)))
    assert lost(fates) == pytest.approx((0.01 * 0.5 + 0.1 * 0.01) / 0.11, abs=0.01)


def test_delay_is_the_same_for_all() -> None:
    assert waits(run(Profile(delay_s=0.03), n=50)[0]) == pytest.approx([0.03] * 50)


def test_jitter_keeps_the_order() -> None:
    fates, link = run(Profile(delay_s=0.01, jitter_s=0.2))
    out = [fate[0] for fate in fates]
    assert out == sorted(out)
    assert link.counts.reordered == 0
    assert min(waits(fates)) >= 0.01
    assert 0.19 < max(waits(fates)) <= 0.21 + 1e-6


def test_jitter_may_reorder() -> None:
    fates, link = run(Profile(jitter_s=0.2, jitter_reorders=True))
    assert sum(waits(fates)) / N == pytest.approx(0.1, abs=0.005)
    assert link.counts.reordered > N / 3


def test_a_reordered_packet_is_overtaken_by_those_after_it() -> None:
    fates, link = run(Profile(reorder=0.01, reorder_s=0.05))
    held = [number for number, fate in enumerate(fates) if fate[0] > number * EVERY_S + 0.04]
    assert len(held) / N == pytest.approx(0.01, abs=0.003)
    assert all(fates[number + 1][0] < fates[number][0] for number in held if number + 1 not in held)
    assert link.counts.reordered >= len(held)


def test_a_duplicate_has_two_times() -> None:
    fates, link = run(Profile(duplicate=0.02))
    twice = sum(len(fate) == 2 for fate in fates)
    assert twice / N == pytest.approx(0.02, abs=0.004)
    assert twice == link.counts.duplicated
    assert link.counts.delivered == N


def test_a_bottleneck_lets_through_what_its_rate_allows_and_drops_the_tail() -> None:
    """1,000 bytes every 20 ms are 400 kbit/s; half of it fits."""
    fates, link = run(Profile(bandwidth_bps=200_000, queue_s=0.2), n=1_000, size=1_000)
    assert lost(fates) == pytest.approx(0.5, abs=0.02)
    assert link.counts.overflowed == sum(not fate for fate in fates)
    assert max(waits(fates)) <= 0.2 + 1e-9
    out = [fate[0] for fate in fates if fate]
    assert min(b - a for a, b in pairwise(out)) == pytest.approx(0.04)


def test_the_queue_may_be_bounded_in_bytes() -> None:
    fates, _ = run(Profile(bandwidth_bps=200_000, queue_bytes=3_000), n=1_000, size=1_000)
    assert max(waits(fates)) <= 3_000 * 8 / 200_000 + 1e-9
    assert lost(fates) == pytest.approx(0.5, abs=0.02)


def test_an_empty_queue_takes_a_packet_of_any_size() -> None:
    link = Link(Setting(Profile(bandwidth_bps=8_000, queue_bytes=10)))
    assert link.send(0.0, 1_000) == [1.0]
    assert link.send(0.5, 1_000) == []
    assert link.send(1.5, 1_000) == [2.5]


def test_a_lifted_bottleneck_keeps_the_order_and_is_fast_again() -> None:
    link = Link(Setting(Profile(bandwidth_bps=8_000, queue_s=10)))
    assert link.send(0.0, 1_000) == [1.0]
    link.setting.profile = Profile()
    assert link.send(0.5, 1_000) == [1.0]
    assert link.send(1.5, 1_000) == [1.5]


def test_nothing_passes_during_a_cut() -> None:
    fates, link = run(Profile(cuts=((1.0, 2.0), (3.0, math.inf))), n=200)
    passed = [number * EVERY_S for number, fate in enumerate(fates) if fate]
    assert all(at < 1.0 or 2.0 <= at < 3.0 for at in passed)
    assert (len(passed), link.counts.cut) == (100, 100)


def test_a_cut_by_hand_lasts_until_it_is_mended() -> None:
    link = Link(Setting())
    link.setting.cut = True
    assert link.send(1.0, 10) == []
    assert link.cut_until(1.0) == math.inf
    link.setting.cut = False
    assert link.send(2.0, 10) == [2.0]
    assert link.cut_until(2.0) is None


def test_a_byte_stream_loses_nothing_and_keeps_its_order() -> None:
    link = Link(
        Setting(Profile(loss=0.5, delay_s=0.1, jitter_s=0.3, reorder=0.5, bandwidth_bps=80_000, queue_s=0.1))
    )
    out = [link.carry(number * EVERY_S, 1_000) for number in range(100)]
    assert out == sorted(out)
    assert out[-1] == pytest.approx(100 * 1_000 * 8 / 80_000 + 0.1, abs=0.31)
    assert link.counts.delivered == 100


@pytest.mark.parametrize(
    "wrong",
    [
        {"loss": 1.1},
        {"loss": -0.1},
        {"duplicate": 2},
        {"reorder": math.nan},
        {"delay_s": -1},
        {"jitter_s": math.inf},
        {"bandwidth_bps": -1},
        {"cuts": ((2.0, 1.0),)},
        {"loss": 0.1, "bursts": Bursts.of(0.1, 3)},
    ],
)
def test_impossible_profiles_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\d|loss"):
        Profile(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("loss", "mean"), [(0.0, 3), (1.0, 3), (0.1, 0.5), (0.9, 2)])
def test_impossible_bursts_are_refused(loss: float, mean: float) -> None:
    with pytest.raises(ValueError, match="bursts"):
        Bursts.of(loss, mean)
