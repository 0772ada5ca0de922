"""Other ways of media: a screen beside the camera, and straight from browser to browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import (
    AGENT_HZ,
    PATIENCE_S,
    VISITOR_HZ,
    Agent,
    Browsers,
    Customer,
    both_hear,
    connected,
    eventually,
    hears,
)
from tests.server_process import Server, start

# Decoded frames by mid, and received audio packets by whether the server's path brought them.
RECEIVED = """async () => {
  const found = { frames: {}, direct: 0, anchored: 0 };
  for (const pc of window.__seen.pcs.filter((p) => p.connectionState === 'connected')) {
    const lite = (pc.remoteDescription?.sdp ?? '').includes('a=ice-lite');
    (await pc.getStats()).forEach((s) => {
      if (s.type !== 'inbound-rtp') return;
      if (s.kind === 'audio') found[lite ? 'anchored' : 'direct'] += s.packetsReceived || 0;
      else found.frames[s.mid] = (found.frames[s.mid] || 0) + (s.framesDecoded || 0);
    });
  }
  return found;
}"""

BREAK_DIRECT = """() => {
  for (const pc of window.__seen.pcs.filter((p) => p.connectionState === 'connected'))
    if (!(pc.remoteDescription?.sdp ?? '').includes('a=ice-lite'))
      for (const sender of pc.getSenders()) void sender.replaceTrack(null);
}"""


@pytest.fixture
def both(server: Server, browsers: Browsers) -> tuple[Customer, Agent]:
    return browsers.call(server)


@pytest.fixture
def direct_server(tmp_path: Path) -> Iterator[Server]:
    """The demo company with `direct_calls`."""
    settings = tmp_path / "talknow.toml"
    settings.write_text('[sites.demo]\norigins = ["https://bank.example"]\ndirect_calls = true\n')
    running = start(tmp_path, "--demo", "--config", str(settings))
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


def received(page: Page) -> dict[str, int]:
    found: dict[str, int] = page.evaluate(RECEIVED)
    return found


def arrives(page: Page, what: str, *, seconds: float = PATIENCE_S) -> None:
    """More audio arrives that way."""
    before = received(page)[what]
    eventually(lambda: received(page)[what] > before + 20, seconds=seconds, what=f"audio arrives {what}")


def test_screens_are_shared_both_ways_beside_the_cameras(both: tuple[Customer, Agent]) -> None:
    customer, agent = both
    for one in (customer, agent):
        one.button("Turn camera on").click()
        one.button("Share the screen").click()
    for one in (customer, agent):
        eventually(
            lambda one=one: all(received(one.page)["frames"].get(mid, 0) > 10 for mid in "12"),  # type: ignore[misc,attr-defined]
            what="camera and screen are decoded",
            seconds=20,
        )
    expect(agent.page.get_by_label("Screen of Visitor", exact=False)).to_be_visible()
    expect(customer.page.get_by_label("Screen of Tess Lund")).to_be_visible()
    customer.button("Stop sharing the screen").click()
    expect(agent.page.get_by_label("Screen of Visitor", exact=False)).to_have_count(0)
    expect(customer.page.get_by_label("Screen of Tess Lund")).to_be_visible()


def test_the_browsers_own_stop_ends_the_share_for_everybody(both: tuple[Customer, Agent]) -> None:
    customer, agent = both
    customer.button("Share the screen").click()
    expect(agent.page.get_by_label("Screen of Visitor", exact=False)).to_be_visible()
    customer.page.evaluate(
        """() => {
          for (const pc of window.__seen.pcs) for (const sender of pc.getSenders())
            if (sender.track?.contentHint === 'detail') {
              sender.track.stop();
              sender.track.dispatchEvent(new Event('ended'));
            }
        }"""
    )
    expect(agent.page.get_by_label("Screen of Visitor", exact=False)).to_have_count(0)
    expect(customer.button("Share the screen")).to_be_visible()


def test_an_agent_asks_for_the_screen(both: tuple[Customer, Agent]) -> None:
    customer, agent = both
    agent.button("Ask to share the screen").click()
    expect(customer.panel.get_by_text("Would you like to show your screen?")).to_be_visible()
    customer.button("Share the screen").click()
    expect(agent.page.get_by_label("Screen of Visitor", exact=False)).to_be_visible()
    expect(customer.panel.get_by_text("Would you like to show your screen?")).to_have_count(0)


def test_two_browsers_talk_directly_and_fall_back_when_that_dies(
    direct_server: Server, browsers: Browsers
) -> None:
    customer, agent = browsers.call(direct_server)
    for one in (customer, agent):
        arrives(one.page, "direct")
    both_hear(customer, agent)
    customer.page.evaluate(BREAK_DIRECT)
    for one in (customer, agent):
        arrives(one.page, "anchored", seconds=3)
    hears(agent.page, VISITOR_HZ)
    customer.page.reload()
    connected(customer, agent)
    arrives(customer.page, "direct")


def test_a_third_person_takes_a_direct_call_to_the_server(direct_server: Server, browsers: Browsers) -> None:
    customer, agent = browsers.call(direct_server)
    colleague = Agent(browsers.opened.page(browsers.agent), direct_server, "ole", "Ole Dahl")
    arrives(customer.page, "direct")
    agent.button("Add a colleague").click()
    agent.page.get_by_label("Colleague's login").fill("ole")
    agent.button("Talk together").click()
    colleague.button("Join").click()
    for one in (customer, agent, colleague):
        arrives(one.page, "anchored")
    hears(customer.page, AGENT_HZ)
