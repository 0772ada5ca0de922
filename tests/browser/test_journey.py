"""The main job in two real browsers: chat, talk now, tones both ways, video, photo, page change."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import (
    AGENT_HZ,
    VISITOR_HZ,
    Agent,
    Browsers,
    Customer,
    Opened,
    both_hear,
    connected,
    eventually,
    hears,
)
from tests.server_process import Server

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mNk+M9Qz0AEYBxVSF+FAAhKDveksOjmAAAAAElFTkSuQmCC"
)


@pytest.fixture
def both(server: Server, browsers: Browsers) -> tuple[Customer, Agent]:
    return browsers.chat(server)


def call(customer: Customer, agent: Agent) -> None:
    agent.button("Suggest voice").click()
    customer.talk()
    connected(customer, agent)


def test_chat_reaches_both_sides_with_marks_and_typing(both: tuple[Customer, Agent]) -> None:
    customer, agent = both
    agent.say("Good day! See https://example.com 🙂")
    expect(customer.panel.get_by_text("Good day! See")).to_be_visible()
    link = customer.panel.get_by_role("link", name="https://example.com")
    expect(link).to_have_attribute("rel", re.compile("noopener"))
    customer.message.press_sequentially("I am typing")
    expect(agent.page.get_by_text("is writing").first).to_be_visible()
    customer.message.fill("x" * 4_000)
    customer.message.press("Enter")
    expect(agent.page.get_by_text("x" * 4_000).first).to_be_visible()


def test_each_side_hears_the_other_and_not_itself(both: tuple[Customer, Agent]) -> None:
    customer, agent = both
    call(customer, agent)
    both_hear(customer, agent)


def test_hanging_up_returns_to_chat(both: tuple[Customer, Agent]) -> None:
    customer, agent = both
    call(customer, agent)
    customer.button("Hang up").click()
    eventually(lambda: agent.call_state() == "none", what="the agent's call is over")
    agent.say("We go on by chat.")
    expect(customer.panel.get_by_text("We go on by chat.")).to_be_visible()


def test_talk_now_from_the_start_without_any_chat(server: Server, browsers: Browsers) -> None:
    customer, agent = browsers.call(server)
    both_hear(customer, agent)


def decoded(page: object) -> int:
    frames: int = page.evaluate(  # type: ignore[attr-defined]
        """async () => {
          let frames = 0;
          for (const pc of window.__seen.pcs.filter((p) => p.connectionState === 'connected'))
            (await pc.getStats()).forEach((s) => {
              if (s.type === 'inbound-rtp' && s.kind === 'video') frames += s.framesDecoded || 0;
            });
          return frames;
        }"""
    )
    return frames


def test_video_is_added_on_both_sides_without_a_new_call(both: tuple[Customer, Agent]) -> None:
    customer, agent = both
    call(customer, agent)
    before = customer.page.evaluate("window.__seen.pcs.length")
    agent.button("Turn camera on").click()
    customer.button("Turn camera on").click()
    eventually(lambda: decoded(customer.page) > 10, what="customer decodes video")
    eventually(lambda: decoded(agent.page) > 10, what="agent decodes video")
    assert customer.page.evaluate("window.__seen.pcs.length") == before
    hears(agent.page, VISITOR_HZ)


def test_a_photo_arrives_whole(both: tuple[Customer, Agent], tmp_path: Path) -> None:
    customer, agent = both
    photo = tmp_path / "photo.png"
    photo.write_bytes(PIXEL)
    with customer.page.expect_file_chooser() as chooser:
        customer.button("Attach a file").click()
    chooser.value.set_files(photo)
    if customer.button("Send").is_enabled():
        customer.button("Send").click()
    image = agent.page.locator("img[src^='blob:']").first
    expect(image).to_be_visible()
    assert image.evaluate("(img) => img.decode().then(() => img.naturalWidth)") == 10
    received = agent.page.evaluate(
        """performance.getEntriesByType('resource')
             .find((e) => e.name.includes('/v1/files/f_')).decodedBodySize"""
    )
    assert received == len(PIXEL)


def test_the_call_comes_back_after_a_full_page_change(both: tuple[Customer, Agent]) -> None:
    customer, agent = both
    call(customer, agent)
    customer.page.goto(customer.server.demo + "/accounts.html")
    connected(customer, agent)
    both_hear(customer, agent)
    customer.page.reload()
    connected(customer, agent)
    hears(agent.page, VISITOR_HZ)
    expect(agent.page.get_by_text("hung up", exact=False)).to_have_count(0)


def test_the_agents_reload_brings_call_and_chat_back(both: tuple[Customer, Agent]) -> None:
    customer, agent = both
    call(customer, agent)
    agent.page.reload()
    expect(agent.page.get_by_text("Hello, may I ask something?").first).to_be_visible()
    connected(customer, agent)
    both_hear(customer, agent)


def test_chat_and_place_are_there_after_a_link_and_nothing_is_sent_twice(
    both: tuple[Customer, Agent],
) -> None:
    customer, agent = both
    customer.say("one")
    customer.page.goto(customer.server.demo + "/help.html")
    expect(customer.panel.get_by_text("one", exact=True)).to_have_count(1)
    customer.say("two")
    for text in ("one", "two"):
        expect(agent.page.get_by_role("log").get_by_text(text, exact=True)).to_have_count(1)


def test_another_tab_shares_the_engagement_and_can_take_the_call(both: tuple[Customer, Agent]) -> None:
    customer, agent = both
    call(customer, agent)
    tab = customer.page.context.new_page()
    other = Customer(tab, customer.server, "/help.html")
    if not other.panel.is_visible():
        other.open()
    expect(other.panel.get_by_text("Hello, may I ask something?")).to_be_visible()
    other.panel.get_by_role("button", name="Bring the call here").click()
    connected(other, agent)
    hears(tab, AGENT_HZ)
    hears(agent.page, VISITOR_HZ)


def test_a_signed_in_customer_is_known_by_name_and_id(
    server: Server, visitor_browser: Browser, agent_browser: Browser, opened: Opened
) -> None:
    agent = Agent(opened.page(agent_browser), server, "tess", "Tess Lund")
    customer = Customer(opened.page(visitor_browser), server, "/accounts.html")
    customer.page.get_by_role("button", name="Sign in").first.click()
    expect(customer.page.get_by_text("Anna Berg").first).to_be_visible()
    customer.page.reload()
    customer.open()
    customer.say("It is me")
    agent.accept()
    expect(agent.page.get_by_text("Anna Berg").first).to_be_visible()
    expect(agent.page.get_by_text("customer-4711").first).to_be_visible()


@pytest.mark.parametrize("where", ["here", "on another page"])
def test_signing_in_keeps_the_chat_the_call_and_the_shared_page(
    both: tuple[Customer, Agent], where: str
) -> None:
    """No second conversation, no second consent, and the agent sees who it is."""
    customer, agent = both
    call(customer, agent)
    agent.button("See the page").click()
    customer.button("Show my page").click()
    seen = agent.page.frame_locator("iframe.shared-frame").frame_locator("iframe")
    customer.page.get_by_role("button", name="Close chat").first.click()
    if where == "on another page":
        customer.page.evaluate("localStorage.setItem('fjord:customer', 'anna')")
    customer.page.get_by_role("link", name="Accounts").first.click()
    if where == "here":
        expect(seen.get_by_role("heading", name="Sign in to")).to_be_visible()
        customer.page.locator("[data-sign-in]").first.click()
    expect(seen.get_by_role("heading", name="Good day")).to_be_visible()
    expect(agent.page.get_by_text("customer-4711").first).to_be_visible()
    hears(customer.page, AGENT_HZ)
    customer.page.get_by_role("link", name="Loans").first.click()
    expect(seen.get_by_role("heading", name="Your home loan")).to_be_visible()
    expect(customer.page.locator("[data-sharing=live]")).to_be_visible()
    hears(customer.page, AGENT_HZ)
    customer.open()
    customer.say("It is still me")
    expect(agent.page.get_by_text("It is still me").first).to_be_visible()
    expect(agent.page.get_by_text("Anna Berg").first).to_be_visible()


def test_ending_goes_through_wrap_up(both: tuple[Customer, Agent]) -> None:
    customer, agent = both
    agent.end()
    expect(customer.panel.get_by_role("button", name="Start again")).to_be_visible()
