"""The server is killed in mid-call and started again: chat, people and the call are back by themselves."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.conftest import Agent, Customer, Opened, both_hear, connected
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
