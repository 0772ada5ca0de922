"""Two and four people in real browsers, on both engines: everybody hears and sees who the table says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, expect

from tests.browser.conftest import (
    AGENT_HZ,
    VISITOR_HZ,
    Agent,
    Browsers,
    Customer,
    Opened,
    eventually,
    launch,
    loudness,
)
from tests.browser.tones import write_tone
from tests.server_process import Server, start

# No sum or difference of these and the others' tones is one of the four.
COLLEAGUE_HZ, SUPERVISOR_HZ = 1_770, 2_350
TONES = (VISITOR_HZ, AGENT_HZ, COLLEAGUE_HZ, SUPERVISOR_HZ)

# Sums over connected peer connections; rates need two readings.
STATS = """async () => {
  const sum = { frames: [], sent: 0 };
  for (const pc of window.__seen.pcs.filter((p) => p.connectionState === 'connected'))
    (await pc.getStats()).forEach((s) => {
      if (s.type === 'inbound-rtp' && s.kind === 'video' && s.framesDecoded)
        sum.frames.push([s.mid, s.framesDecoded]);
      if (s.type === 'outbound-rtp' && s.kind === 'video') sum.sent += s.bytesSent || 0;
    });
  return sum;
}"""


@pytest.fixture(params=["plain", "fast"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    running = start(tmp_path, "--demo", "--media-engine", request.param)
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


@pytest.fixture(scope="module")
def more_browsers(
    playwright: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Browser, Browser]]:
    directory = tmp_path_factory.mktemp("more")
    made = [
        launch(playwright, write_tone(directory / f"{hz}.wav", hz)) for hz in (COLLEAGUE_HZ, SUPERVISOR_HZ)
    ]
    yield made[0], made[1]
    for browser in made:
        browser.close()


@pytest.fixture
def both(server: Server, browsers: Browsers) -> tuple[Customer, Agent]:
    return browsers.call(server)


def heard(page: Page) -> set[int]:
    """Which of the four tones this page receives; asked twice, as a click of a busy machine is every tone."""
    windows = [loudness(page, ms=800, tones=TONES) for _ in range(2)]
    return {hz for hz in TONES if all(levels[hz] > -60 for levels in windows)}


def hear_exactly(page: Page, *tones: int) -> None:
    eventually(lambda: heard(page) == set(tones), what=f"hears exactly {tones}")


def hear_only(page: Page, *tones: int) -> None:
    """As before: never another one, while these are waited for."""

    def all_heard() -> bool:
        now = heard(page)
        assert now <= set(tones), now
        return now == set(tones)

    eventually(all_heard, what=f"hears only {tones}")


def frame_rates(page: Page, seconds: float = 3.0) -> dict[str, float]:
    """Frames a second that the page decodes, by the place where they arrive."""
    before = dict(page.evaluate(STATS)["frames"])
    page.wait_for_timeout(seconds * 1_000)
    after = dict(page.evaluate(STATS)["frames"])
    rates = {mid: (count - before.get(mid, 0)) / seconds for mid, count in after.items()}
    return {mid: rate for mid, rate in rates.items() if rate > 0}


def sent_bps(page: Page, seconds: float = 1.0) -> float:
    """What the page's cameras send, in bits a second."""
    before = page.evaluate(STATS)["sent"]
    page.wait_for_timeout(seconds * 1_000)
    return float(page.evaluate(STATS)["sent"] - before) * 8 / seconds


def _one_sharp(rates: dict[str, float]) -> bool:
    return list(rates) == ["1"] and rates["1"] >= 10


@pytest.mark.timeout(180)
def test_two_people_see_each_other_sharply(both: tuple[Customer, Agent]) -> None:
    """That it comes, in bytes that were sent; how soon is measured by `talknow bench growing`."""
    customer, agent = both
    customer.button("Turn camera on").click()
    agent.button("Turn camera on").click()
    for page in (customer.page, agent.page):
        eventually(lambda page=page: sent_bps(page) >= 1_500_000, what="1.5 Mbit/s", seconds=40)  # type: ignore[misc]
        eventually(lambda page=page: _one_sharp(frame_rates(page)), what="one picture, 10 frames a second")  # type: ignore[misc]
    hear_exactly(customer.page, AGENT_HZ)
    hear_exactly(agent.page, VISITOR_HZ)


def add_colleague(agent: Agent, colleague: Agent) -> None:
    agent.button("Add a colleague").click()
    agent.page.get_by_label("Colleague's login").fill("ole")
    agent.button("Talk together").click()
    colleague.button("Join").click()
    hear_exactly(colleague.page, VISITOR_HZ, AGENT_HZ)


def monitor(agent: Agent, supervisor: Agent, server: Server) -> Locator:
    """The supervisor listens to the agent's engagement; returns the box that says who hears her."""
    engagement = agent.page.evaluate("sessionStorage.getItem('talknow:desk:selected')")
    supervisor.page.goto(f"{server.url}/desk/#join={engagement}&mode=monitor")
    supervisor.page.reload()
    hear_exactly(supervisor.page, VISITOR_HZ, AGENT_HZ, COLLEAGUE_HZ)
    return supervisor.page.get_by_label("Who hears me")


@pytest.fixture
def colleague(server: Server, more_browsers: tuple[Browser, Browser], opened: Opened) -> Agent:
    return Agent(opened.page(more_browsers[0]), server, "ole", "Ole Dahl")


@pytest.fixture
def supervisor(server: Server, more_browsers: tuple[Browser, Browser], opened: Opened) -> Agent:
    return Agent(opened.page(more_browsers[1]), server, "siri", "Siri Moe", role="supervisor")


@pytest.mark.timeout(180)
def test_four_people_hear_as_the_table_says(
    both: tuple[Customer, Agent], colleague: Agent, supervisor: Agent, server: Server
) -> None:
    customer, agent = both
    add_colleague(agent, colleague)
    hear_exactly(customer.page, AGENT_HZ, COLLEAGUE_HZ)

    mode = monitor(agent, supervisor, server)
    hear_only(customer.page, AGENT_HZ, COLLEAGUE_HZ)
    expect(customer.panel.get_by_text("Siri")).to_have_count(0)

    mode.select_option("whisper")
    hear_exactly(agent.page, VISITOR_HZ, COLLEAGUE_HZ, SUPERVISOR_HZ)
    hear_only(customer.page, AGENT_HZ, COLLEAGUE_HZ)
    mode.select_option("barge")
    hear_exactly(customer.page, AGENT_HZ, COLLEAGUE_HZ, SUPERVISOR_HZ)

    agent.button("Hold").click()
    hear_exactly(agent.page, COLLEAGUE_HZ, SUPERVISOR_HZ)
    assert not heard(customer.page) & {AGENT_HZ, COLLEAGUE_HZ, SUPERVISOR_HZ}


@pytest.mark.timeout(240)
def test_four_people_see_and_hear_each_other(
    both: tuple[Customer, Agent], colleague: Agent, supervisor: Agent, server: Server
) -> None:
    customer, agent = both
    before = agent.page.evaluate("window.__seen.pcs.length")
    add_colleague(agent, colleague)
    monitor(agent, supervisor, server).select_option("barge")

    everybody: tuple[Customer | Agent, ...] = (customer, agent, colleague, supervisor)
    for one in everybody:
        one.button("Turn camera on").click()
    for one in everybody:
        eventually(
            lambda one=one: sum(rate >= 10 for rate in frame_rates(one.page).values()) == 3,  # type: ignore[misc]
            what="three pictures at 10 frames a second",
            seconds=40,
        )
    for one, tone in zip(everybody, TONES, strict=True):
        hear_exactly(one.page, *(hz for hz in TONES if hz != tone))
    assert agent.page.evaluate("window.__seen.pcs.length") == before

    agent.button("Hold").click()
    hear_exactly(agent.page, COLLEAGUE_HZ, SUPERVISOR_HZ)
    assert not heard(customer.page) & {AGENT_HZ, COLLEAGUE_HZ, SUPERVISOR_HZ}
