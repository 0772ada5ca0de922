"""A site that lets media leave browsers by TURN alone: two real Chromium, the real server, a real coturn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import AGENT_HZ, VISITOR_HZ, Browsers, eventually, hears
from tests.server_process import Server, free_block, start
from tests.turn.conftest import SECRET, Turn

pytestmark = [pytest.mark.browser, pytest.mark.timeout(90)]

SITE = """
[sites.demo]
origins = ["http://127.0.0.1:{demo}"]
relay_only = {relay_only}
token_issuer = "demo"
[[sites.demo.token_keys]]
kid = "demo"
algorithm = "HS256"
key_file = "{key}"
"""

# Types of the selected pair's local candidate, of every connected path of the page.
PAIRS = """
async () => {
  const found = [];
  for (const pc of window.__seen.pcs.filter((p) => p.connectionState === 'connected')) {
    const stats = await pc.getStats();
    stats.forEach((transport) => {
      const pair = transport.type === 'transport' && stats.get(transport.selectedCandidatePairId);
      if (pair) found.push([stats.get(pair.localCandidateId).candidateType, pair.bytesReceived > 0]);
    });
  }
  return found;
}
"""
CANDIDATES = """
() => window.__seen.pcs.flatMap((pc) =>
  [...(pc.localDescription?.sdp ?? '').matchAll(/^a=candidate:.* typ (\\w+)/gm)].map((found) => found[1]))
"""


def serve(directory: Path, turn: Turn, monkeypatch: pytest.MonkeyPatch, *, relay_only: bool) -> Server:
    """The demo company with TURN; media on the one address that the TURN server may relay to."""
    port = free_block()
    key, config = directory / "demo.key", directory / "talknow.toml"
    key.write_text("a key of the demo company, for tests only")
    config.write_text(SITE.format(demo=port + 1, relay_only=str(relay_only).lower(), key=key))
    monkeypatch.setenv("TALKNOW_TURN_SECRET", SECRET)
    monkeypatch.setenv("TALKNOW_TURN_URLS", turn.url)
    return start(directory, "--demo", "--config", str(config), "--public-ip", turn.media, port=port)


@pytest.fixture
def relaying(tmp_path: Path, turn: Turn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    running = serve(tmp_path, turn, monkeypatch, relay_only=True)
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


def test_a_relay_only_call_carries_tones_both_ways_by_turn(relaying: Server, browsers: Browsers) -> None:
    customer, agent = (side.page for side in browsers.call(relaying))
    hears(agent, VISITOR_HZ)
    hears(customer, AGENT_HZ)
    for page in (customer, agent):
        pairs = page.evaluate(PAIRS)
        assert pairs
        assert {tuple(pair) for pair in pairs} == {("relay", True)}
        assert set(page.evaluate(CANDIDATES)) <= {"relay"}, "an address of the browser's own was told"


def test_a_relay_only_call_comes_back_after_a_page_change(relaying: Server, browsers: Browsers) -> None:
    customer, agent = (side.page for side in browsers.call(relaying))
    customer.goto(relaying.demo + "/accounts.html")
    eventually(lambda: bool(customer.evaluate(PAIRS)), what="the new page has a path")
    hears(agent, VISITOR_HZ)
    hears(customer, AGENT_HZ)
    assert {kind for kind, _ in customer.evaluate(PAIRS)} == {"relay"}


def test_without_the_setting_the_call_takes_the_shorter_way(
    tmp_path: Path, turn: Turn, monkeypatch: pytest.MonkeyPatch, browsers: Browsers
) -> None:
    """What tells that the tests above see the setting at work, not the machine's network."""
    server = serve(tmp_path, turn, monkeypatch, relay_only=False)
    try:
        customer = browsers.call(server)[0].page
        kinds = {kind for kind, _ in customer.evaluate(PAIRS)}
    finally:
        assert server.stop() == 0
    assert kinds
    assert "relay" not in kinds
