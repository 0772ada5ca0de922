"""The server, or its PostgreSQL, is killed in mid-call and started again: all is back by itself."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from benchmarks.services import Postgres
from tests.browser.conftest import Agent, Customer, Opened, both_hear, connected
from tests.browser.test_cobrowse import shared
from tests.server_process import start


def test_a_killed_server_brings_chat_and_call_back(
    tmp_path: Path, visitor_browser: Browser, agent_browser: Browser, opened: Opened
) -> None:
    opened.expected += r"|WebSocket|ERR_CONNECTION_REFUSED"
    server = start(tmp_path, "--demo")
    agent = Agent(opened.page(agent_browser), server, "tess", "Tess Lund")
    customer = Customer(opened.page(visitor_browser), server)
    customer.open()
    customer.say("before the crash")
    agent.accept()
    agent.button("Suggest voice").click()
    customer.talk()
    connected(customer, agent)
    server.kill()
    customer.say("written while nobody listens")
    server = start(tmp_path, "--demo", port=server.port)
    expect(agent.page.get_by_role("log").get_by_text("written while nobody listens")).to_have_count(
        1, timeout=20_000
    )
    both_hear(customer, agent, seconds=30)
    assert server.stop() == 0
    assert "Traceback" not in server.log


def test_a_call_and_a_shared_page_go_on_without_postgres(
    tmp_path: Path, visitor_browser: Browser, agent_browser: Browser, opened: Opened
) -> None:
    """What is written meanwhile comes when it is back; nobody's path or picture began anew."""
    opened.expected += r"|WebSocket"
    postgres = Postgres()
    with postgres:
        database = ("--database", postgres.service.url)
        server = start(tmp_path, "--demo", *database)
        server.database = postgres.service.url
        agent = Agent(opened.page(agent_browser), server, "tess", "Tess Lund")
        customer = Customer(opened.page(visitor_browser), server)
        customer.open()
        customer.talk()
        agent.accept()
        connected(customer, agent)
        seen = shared(customer, agent)
        paths = [page.evaluate("window.__seen.pcs.length") for page in (customer.page, agent.page)]
        postgres.service.kill()
        customer.say("written while nothing can be stored")
        for text in ("Seen without a database", "And once more"):
            customer.page.evaluate("(text) => { document.querySelector('h1').textContent = text }", text)
            expect(seen.get_by_text(text)).to_be_visible()
            both_hear(customer, agent)
        log = agent.page.get_by_role("log").get_by_text("written while nothing can be stored")
        expect(log).to_have_count(0)
        postgres.start()
        expect(log).to_have_count(1)
        both_hear(customer, agent)
        assert [page.evaluate("window.__seen.pcs.length") for page in (customer.page, agent.page)] == paths
        assert server.stop() == 0
    assert "Traceback" not in server.log
