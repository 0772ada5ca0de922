"""Calls over bad networks in two real browsers: loss, jitter, a bottleneck, a new NAT port, a cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from benchmarks.background_relay import BackgroundRelay
from benchmarks.impairment import Profile
from tests.browser.conftest import Browsers
from tests.browser.impaired import Impaired, Watch, fps, longest_audio_gap_ms, longest_freeze_s, told
from tests.server_process import free_block, start

RECOVERY_MS = 2_000
MIN_FPS = 10
LONGEST_FREEZE_S = 1.0
STALL_MS = 1_000


@pytest.fixture
def relay() -> Iterator[tuple[BackgroundRelay, int]]:
    """The relay, and the port on which its server is to listen."""
    port = free_block()
    with BackgroundRelay(("127.0.0.1", port), seed=3) as relay:
        yield relay, port


@pytest.fixture
def impaired(tmp_path: Path, relay: tuple[BackgroundRelay, int], browsers: Browsers) -> Iterator[Impaired]:
    """A customer who wrote and the agent who took it; all their media goes through the relay."""
    between, port = relay
    public = ("--public-ip", "127.0.0.1", "--public-udp-port", str(between.port))
    server = start(tmp_path, "--demo", *public, port=port)
    customer, agent = browsers.chat(server)
    yield Impaired(customer, agent, between)
    assert server.stop() == 0
    assert "Traceback" not in server.log


def test_with_five_percent_lost_the_tone_is_heard_and_pictures_do_not_freeze(impaired: Impaired) -> None:
    impaired.call()
    impaired.cameras()
    impaired.relay.impair(Profile(loss=0.05))  # on the way to the server and again on the way from it
    watches = [Watch(side.page) for side in (impaired.customer, impaired.agent)]
    impaired.customer.page.wait_for_timeout(10_000)
    impaired.heard()
    for watch in watches:
        samples = watch.stop()
        assert fps(samples, samples[0].at, samples[-1].at) >= MIN_FPS, told(samples)
        assert longest_freeze_s(samples) <= LONGEST_FREEZE_S, told(samples)
    up, down = impaired.relay.counts()
    assert up.lost > 100 and down.lost > 100


def test_with_200_ms_jitter_the_tone_is_heard(impaired: Impaired) -> None:
    impaired.relay.impair(Profile(jitter_s=0.2))
    impaired.call()
    impaired.heard()
    watch = Watch(impaired.customer.page)
    impaired.customer.page.wait_for_timeout(5_000)
    impaired.heard()
    samples = watch.stop()
    assert longest_audio_gap_ms(samples) < STALL_MS, told(samples)


def test_a_bottleneck_stops_no_audio_and_video_recovers_with_the_link(impaired: Impaired) -> None:
    impaired.call()
    impaired.cameras()
    page = impaired.customer.page
    page.wait_for_timeout(3_000)
    watch = Watch(page)
    impaired.relay.impair(Profile(bandwidth_bps=500_000))
    page.wait_for_timeout(8_000)
    impaired.heard()
    impaired.relay.impair(Profile())
    whole_ms = watch.now()
    page.wait_for_timeout(RECOVERY_MS + 3_000)
    samples = watch.stop()
    back_ms = whole_ms + RECOVERY_MS
    assert longest_audio_gap_ms(samples) < STALL_MS, told(samples)
    assert fps(samples, back_ms, back_ms + 2_500) >= MIN_FPS, told(samples)
    up, down = impaired.relay.counts()
    assert up.overflowed + down.overflowed > 0, told(samples)


def test_after_a_nat_has_forgotten_the_call_goes_on_by_the_new_port(impaired: Impaired) -> None:
    impaired.call()
    impaired.heard()
    paths = impaired.customer.page.evaluate("window.__seen.pcs.length")
    watch = Watch(impaired.customer.page)
    for _ in range(3):
        impaired.relay.rebind()
        before = len(impaired.relay.clients)
        impaired.customer.page.wait_for_timeout(4_000)
        impaired.heard()
        assert len(impaired.relay.clients) == before
    samples = watch.stop()
    assert longest_audio_gap_ms(samples) < 4_000, told(samples)
    assert impaired.customer.page.evaluate("window.__seen.pcs.length") == paths


def test_a_cut_of_three_seconds_ends_no_call(impaired: Impaired) -> None:
    impaired.call()
    impaired.heard()
    impaired.relay.cut()
    impaired.customer.page.wait_for_timeout(3_000)
    impaired.relay.mend()
    impaired.heard()
    assert (impaired.customer.call_state(), impaired.agent.call_state()) == ("connected", "connected")
    expect(impaired.agent.page.get_by_text("hung up", exact=False)).to_have_count(0)
