"""Three nodes, each with an address of its own: a customer at one, an agent at another, and one is killed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Agent, Customer, Opened, both_hear, connected, eventually
from tests.browser.test_cobrowse import shared as shown
from tests.browser.tones import SILENCE
from tests.conftest import Shared
from tests.nodes.conftest import Nodes
from tests.server_process import free_block

SILENCE_MS = 500


@pytest.fixture
def nodes(shared: Shared, tmp_path: Path, opened: Opened) -> Iterator[Nodes]:
    """They know of each other's addresses, and pages of each one's demo company may use any of them."""
    opened.expected += r"|WebSocket|ERR_CONNECTION_REFUSED"
    ports = [free_block(4) for _ in range(3)]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    viewers = [f"http://127.0.0.1:{port + 2}" for port in ports]
    companies = [f"http://127.0.0.1:{port + 1}" for port in ports]
    settings = tmp_path / "nodes.toml"
    addresses = f"node_urls = {urls}\nviewer_urls = {viewers}\n[sites.demo]\norigins = {companies}\n"
    settings.write_text(addresses.replace("'", '"'))
    made = Nodes(shared, tmp_path)
    with ExitStack() as stack:
        stack.callback(made.stop)
        made.start_three("--demo", "--config", str(settings), ports=ports, urls=urls)
        yield made


def talking(
    nodes: Nodes, visitor_browser: Browser, agent_browser: Browser, opened: Opened
) -> tuple[Customer, Agent]:
    """A customer at the first node and an agent at the second hear each other."""
    agent = Agent(opened.page(agent_browser), nodes[1], "tess", "Tess Lund")
    customer = Customer(opened.page(visitor_browser), nodes[0])
    customer.open()
    customer.say("from the first node")
    agent.accept()
    agent.button("Suggest voice").click()
    customer.talk()
    connected(customer, agent)
    both_hear(customer, agent)
    return customer, agent


def test_a_page_goes_on_where_a_node_hangs(
    nodes: Nodes, visitor_browser: Browser, agent_browser: Browser, opened: Opened
) -> None:
    """Nothing ends the sockets of a node that hangs, so both sides leave it by themselves."""
    agent = Agent(opened.page(agent_browser), nodes[1], "tess", "Tess Lund")
    customer = Customer(opened.page(visitor_browser), nodes[0])
    sockets: list[str] = []
    for page in (agent.page, customer.page):
        page.on("websocket", lambda socket: sockets.append(socket.url))
    customer.open()
    customer.say("from the first node")
    agent.accept()
    seen = shown(customer, agent)
    straight = nodes[0].url.replace("http", "ws") + "/v1/cobrowse"
    assert [url for url in sockets if "/v1/cobrowse" in url] == [straight, straight]
    nodes[0].process.send_signal(signal.SIGSTOP)
    customer.page.evaluate("document.querySelector('h1').textContent = 'Changed while it hangs'")
    expect(seen.get_by_text("Changed while it hangs")).to_be_visible(timeout=20_000)
    customer.say("written while it hangs")
    expect(agent.page.get_by_role("log").get_by_text("written while it hangs")).to_have_count(1)
    nodes[0].process.send_signal(signal.SIGCONT)
    customer.page.evaluate("document.querySelector('h1').textContent = 'Changed when it was back'")
    expect(seen.get_by_text("Changed when it was back")).to_be_visible(timeout=20_000)


def test_a_call_leaves_a_node_that_is_drained_without_a_silence(
    nodes: Nodes, visitor_browser: Browser, agent_browser: Browser, opened: Opened
) -> None:
    """The old way is used until the other one is heard on the new one."""
    customer, agent = talking(nodes, visitor_browser, agent_browser, opened)
    for page in (customer.page, agent.page):
        page.evaluate(SILENCE)
    nodes[0].process.send_signal(signal.SIGTERM)
    assert nodes[0].process.wait(20) == 0
    both_hear(customer, agent)
    silences = [page.evaluate("window.__longestSilence()") for page in (customer.page, agent.page)]
    assert max(silences) < SILENCE_MS, silences
    connected(customer, agent)
    customer.say("written on another node")
    expect(agent.page.get_by_role("log").get_by_text("on another node")).to_have_count(1)


def test_chat_call_and_shared_page_cross_nodes_and_outlive_one(
    nodes: Nodes, visitor_browser: Browser, agent_browser: Browser, opened: Opened
) -> None:
    customer, agent = talking(nodes, visitor_browser, agent_browser, opened)
    agent.say("from the second one")
    expect(customer.panel.get_by_text("from the second one")).to_be_visible()
    seen = shown(customer, agent)
    heading = customer.page.locator("h1").first.inner_text()
    expect(seen.get_by_text(heading).first).to_be_visible()
    drawn = "() => [...document.images].every((image) => image.naturalWidth > 0)"
    inner = next(frame for frame in agent.page.frames if frame.url.endswith("/inner.html"))
    eventually(lambda: bool(inner.evaluate(drawn)), what="every picture of the page is drawn")

    nodes[0].kill()
    customer.say("written after the first node died")
    expect(agent.page.get_by_role("log").get_by_text("after the first node died")).to_have_count(1)
    both_hear(customer, agent)
    customer.page.evaluate("document.querySelector('h1').textContent = 'Changed on another node'")
    expect(seen.get_by_text("Changed on another node")).to_be_visible(timeout=15_000)

    nodes[1].kill()
    customer.say("written after the agent's node died too")
    expect(agent.page.get_by_role("log").get_by_text("node died too")).to_have_count(1)
    both_hear(customer, agent)
    customer.page.evaluate("document.querySelector('h1').textContent = 'Changed once more'")
    expect(seen.get_by_text("Changed once more")).to_be_visible(timeout=15_000)
