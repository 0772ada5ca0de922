"""Sharing goes on: back/forward cache, other and copied tabs, slow pages, other origins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Locator, Page, Playwright, expect

from benchmarks.chromium import chromium_path
from tests.browser.company import Company, chat_at, company, serving
from tests.browser.conftest import CHROMIUM_FLAGS, Agent, Browsers, Opened, eventually
from tests.browser.test_cobrowse import shared
from tests.server_process import Server

AWAY = "not shared, or offline"
CHANGING = "The customer is changing the page…"
# What a browser does when a tab comes to the front or goes behind; headless it shows all of them.
FRONT = """(front) => {
  const state = front ? "visible" : "hidden";
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
  Object.defineProperty(document, "hidden", { configurable: true, get: () => !front });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def cover(agent: Agent) -> Locator:
    return agent.page.frame_locator("iframe.shared-frame").locator("#cover")


def shows(seen: FrameLocator, path: str) -> None:
    expect(seen.locator("h1")).to_have_text(f"This is {path}")


def goes_to(page: Page, url: str) -> None:
    """As by a link: without waiting for what comes."""
    page.evaluate("(url) => void setTimeout(() => location.assign(url))", url)


@pytest.fixture
def pages() -> Iterator[Company]:
    with company(2) as made:
        yield made


@pytest.fixture
def here(pages: Company, tmp_path: Path) -> Iterator[Server]:
    """A server whose site shares on the first of its two origins only."""
    with serving(pages, tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def keeping(playwright: Playwright) -> Iterator[Browser]:
    """A browser with a back/forward cache, which test drivers usually turn off."""
    browser = playwright.chromium.launch(
        executable_path=chromium_path(),
        args=CHROMIUM_FLAGS,
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield browser
    browser.close()


def test_a_page_out_of_the_back_forward_cache_is_shared_again(
    server: Server, keeping: Browser, agent_browser: Browser, opened: Opened
) -> None:
    customer, agent = Browsers(keeping, agent_browser, opened).chat(server)
    seen = shared(customer, agent)
    page = customer.page
    page.evaluate("""() => {
          window.__back = 0;
          addEventListener("pageshow", (event) => { window.__back += event.persisted ? 1 : 0 });
        }""")
    first = page.locator("h1").first.inner_text()
    for number in (1, 2):
        goes_to(page, server.demo + "/accounts.html")
        page.wait_for_url("**/accounts.html")
        expect(seen.get_by_text(page.locator("h1").first.inner_text()).first).to_be_visible()
        customer.say(f"from the other page {number}")
        expect(agent.page.get_by_text(f"from the other page {number}").first).to_be_visible()
        page.evaluate("void setTimeout(() => history.back())")
        page.wait_for_url(f"{server.demo}/", wait_until="commit")
        eventually(lambda: page.evaluate("window.__back") == number, what="it comes out of the cache")  # noqa: B023
        if number == 1:
            expect(seen.get_by_text(first).first).to_be_visible()
        page.evaluate("(text) => { document.querySelector('h1').textContent = text }", f"Back {number}")
        expect(seen.get_by_text(f"Back {number}")).to_be_visible()
        expect(page.locator("[data-sharing=live]")).to_be_visible()
        customer.say(f"and I am back {number}")
        expect(agent.page.get_by_text(f"and I am back {number}").first).to_be_visible()


def test_a_second_tab_is_a_stream_of_its_own_and_the_one_in_front_leads(
    here: Server, pages: Company, browsers: Browsers
) -> None:
    customer, agent = chat_at(browsers, here, pages.origins[0] + "/first")
    seen = shared(customer, agent)
    shows(seen, "/first")
    with customer.page.context.expect_page() as opening:
        customer.page.locator("#tab").click()
    second = opening.value
    second.evaluate(FRONT, True)
    customer.page.evaluate(FRONT, False)
    shows(seen, "/tab")
    expect(second.locator("[data-sharing=live]")).to_be_visible()
    tabs = agent.page.get_by_label("Tab")
    expect(tabs.locator("option")).to_have_text(["Follow the customer", "/first", "/tab"])
    tabs.select_option(label="/first")
    shows(seen, "/first")
    tabs.select_option(label="Follow the customer")
    shows(seen, "/tab")
    # While the tab in front changes its page, the other one does not jump in.
    goes_to(second, pages.origins[0] + "/slow-tab")
    expect(cover(agent)).to_have_text(CHANGING)
    shows(seen, "/tab")
    pages.go_on()
    shows(seen, "/slow-tab")
    second.evaluate(FRONT, True)
    second.close()
    customer.page.evaluate(FRONT, True)
    shows(seen, "/first")
    customer.page.evaluate("document.querySelector('h1').textContent = 'Only one again'")
    expect(seen.get_by_text("Only one again")).to_be_visible()
    expect(tabs).to_have_count(0)


def test_a_copied_tab_does_not_take_the_stream_of_the_first(
    here: Server, pages: Company, browsers: Browsers
) -> None:
    customer, agent = chat_at(browsers, here, pages.origins[0] + "/first")
    seen = shared(customer, agent)
    shows(seen, "/first")
    with customer.page.context.expect_page() as opening:
        customer.page.evaluate("void window.open('/copy')")
    copy = opening.value
    # The browser gave it all that the first had in its session: the pass of its stream, too.
    tabs = agent.page.get_by_label("Tab")
    expect(tabs.locator("option")).to_have_text(["Follow the customer", "/first", "/copy"])
    ids = {page.evaluate("sessionStorage['talknow:device']") for page in (customer.page, copy)}
    assert len(ids) == 2
    for page, name in ((customer.page, "/first"), (copy, "/copy"), (customer.page, "/first")):
        tabs.select_option(label=name)
        shows(seen, name)
        page.evaluate("(text) => document.body.append(text)", f"more on {name}")
        expect(seen.locator("body")).to_contain_text(f"more on {name}")
        expect(page.locator("[data-sharing=live]")).to_be_visible()
    # Its own place is kept over a page change, and so is the first's.
    goes_to(copy, pages.origins[0] + "/copy-two")
    expect(tabs.locator("option")).to_have_text(["Follow the customer", "/first", "/copy-two"])


def test_the_last_picture_stays_greyed_until_a_slow_page_is_there(
    here: Server, pages: Company, browsers: Browsers
) -> None:
    customer, agent = chat_at(browsers, here, pages.origins[0] + "/first")
    seen = shared(customer, agent)
    shows(seen, "/first")
    expect(cover(agent)).to_be_hidden()
    goes_to(customer.page, pages.origins[0] + "/slow")
    assert pages.waiting.wait(10)
    expect(cover(agent)).to_have_text(CHANGING)
    expect(cover(agent)).to_be_visible()
    shows(seen, "/first")
    pages.go_on()
    shows(seen, "/slow")
    expect(cover(agent)).to_be_hidden()


def test_a_reload_greys_the_picture_no_longer_than_it_takes(
    here: Server, pages: Company, browsers: Browsers
) -> None:
    customer, agent = chat_at(browsers, here, pages.origins[0] + "/first")
    seen = shared(customer, agent)
    for number in range(3):
        customer.page.reload()
        customer.page.evaluate("(text) => document.body.append(text)", f"loaded {number}")
        expect(seen.locator("body")).to_contain_text(f"loaded {number}")
        expect(cover(agent)).to_be_hidden()


def test_a_login_on_a_listed_origin_is_shown_without_another_question(
    pages: Company, tmp_path: Path, browsers: Browsers
) -> None:
    home, login = pages.origins
    with serving(pages, tmp_path, f'continue_on_origins = ["{login}"]') as server:
        customer, agent = chat_at(browsers, server, f"{home}/first")
        seen = shared(customer, agent)
        shows(seen, "/first")
        for turn in ("one", "two"):
            goes_to(customer.page, f"{home}/go?to={login}/login-{turn}")
            shows(seen, f"/login-{turn}")
            expect(cover(agent)).to_be_hidden()
            expect(customer.page.locator("[data-sharing=live]")).to_contain_text("Tess Lund")
            customer.page.evaluate("document.querySelector('h1').textContent = 'Your password, please'")
            expect(seen.get_by_text("Your password, please")).to_be_visible()
            assert customer.page.get_by_role("button", name="Show my page").count() == 0
            # The same stream: no second tab for the agent to choose.
            assert agent.page.get_by_label("Tab").count() == 0
            assert seen.get_by_text("my-secret").count() == 0
            goes_to(customer.page, f"{login}/go?to={home}/welcome-{turn}")
            shows(seen, f"/welcome-{turn}")
            expect(customer.page.locator("[data-sharing=live]")).to_be_visible()
        goes_to(customer.page, f"{login}/account")
        shows(seen, "/account")
        customer.page.locator("[data-sharing]").get_by_role("button", name="Stop sharing").click()
        expect(agent.page.locator("iframe.shared-frame")).to_have_count(0)
        goes_to(customer.page, f"{home}/after")
        expect(customer.page.locator("talk-now")).to_be_attached()
        expect(customer.page.locator("[data-sharing]")).to_have_count(0)


def test_an_origin_that_is_not_listed_stays_with_the_customer(
    here: Server, pages: Company, browsers: Browsers
) -> None:
    home, other = pages.origins
    customer, agent = chat_at(browsers, here, f"{home}/first")
    seen = shared(customer, agent)
    shows(seen, "/first")
    goes_to(customer.page, f"{other}/elsewhere")
    customer.page.wait_for_url("**/elsewhere")
    expect(cover(agent)).to_contain_text(AWAY)
    expect(cover(agent)).to_be_visible()
    shows(seen, "/first")
    expect(customer.page.locator("[data-sharing]")).to_have_count(0)
    goes_to(customer.page, f"{other}/go?to={home}/back-home")
    shows(seen, "/back-home")
    expect(cover(agent)).to_be_hidden()
    expect(customer.page.locator("[data-sharing=live]")).to_be_visible()


def test_a_site_without_our_script_in_between_ends_nothing(
    here: Server, pages: Company, browsers: Browsers
) -> None:
    customer, agent = chat_at(browsers, here, f"{pages.origins[0]}/first")
    seen = shared(customer, agent)
    goes_to(customer.page, f"{pages.origins[1]}/foreign")
    expect(cover(agent)).to_contain_text(AWAY)
    customer.page.go_back()
    shows(seen, "/first")
    expect(cover(agent)).to_be_hidden()


def test_an_agent_who_reloads_sees_the_page_again(here: Server, pages: Company, browsers: Browsers) -> None:
    customer, agent = chat_at(browsers, here, f"{pages.origins[0]}/first")
    seen = shared(customer, agent)
    customer.page.evaluate("document.querySelector('h1').textContent = 'As it is now'")
    expect(seen.get_by_text("As it is now")).to_be_visible()
    agent.page.reload()
    agent.page.locator(".entry").first.click()
    expect(seen.get_by_text("As it is now")).to_be_visible()
    expect(customer.page.locator("[data-sharing]")).to_contain_text("Tess Lund")


def test_a_colleague_looks_too_and_the_ledger_says_who(
    here: Server, pages: Company, browsers: Browsers
) -> None:
    customer, agent = chat_at(browsers, here, f"{pages.origins[0]}/first")
    shared(customer, agent)
    boss = Agent(
        browsers.opened.page(browsers.agent), here, "sam", "Sam Supervisor", "supervisor", site="bench"
    )
    engagement = agent.page.locator("[data-engagement]").first.get_attribute("data-engagement")
    boss.page.goto(f"{here.url}/desk/#join={engagement}&mode=barge")
    boss.page.reload()
    theirs = boss.page.frame_locator("iframe.shared-frame").frame_locator("iframe")
    shows(theirs, "/first")
    ledger = customer.page.locator("[data-sharing]")
    expect(ledger).to_contain_text("Tess Lund, Sam Supervisor see this page")
    boss.button("Leave").click()
    expect(ledger).to_contain_text("Tess Lund sees this page")
    customer.page.evaluate("document.querySelector('h1').textContent = 'Still for Tess'")
    seen = agent.page.frame_locator("iframe.shared-frame").frame_locator("iframe")
    expect(seen.get_by_text("Still for Tess")).to_be_visible()


PLAIN = """<!doctype html><h1></h1>
<script>document.querySelector("h1").textContent = "At " + location.pathname</script>"""
FRAME = """(path) => {
  const frame = document.createElement("iframe");
  frame.id = "inside";
  frame.style.cssText = "width: 400px; height: 200px; border: 0";
  frame.src = path;
  document.body.append(frame);
}"""


def test_a_private_page_in_a_frame_of_an_allowed_one_is_an_empty_box(
    pages: Company, tmp_path: Path, browsers: Browsers
) -> None:
    home = pages.origins[0]
    with serving(pages, tmp_path, 'private_pages = ["/mine/**"]') as server:
        customer, agent = chat_at(browsers, server, f"{home}/first")
        page = customer.page
        # pages without a widget: they are shown by the page they are in, or not at all
        for path in ("/mine/letters", "/plain"):
            page.route(home + path, lambda route: route.fulfill(body=PLAIN, content_type="text/html"))
        page.evaluate(FRAME, "/mine/letters")
        page.frame_locator("#inside").locator("h1").wait_for()
        seen = shared(customer, agent)
        shows(seen, "/first")
        box = seen.locator("[data-tn-blocked]")
        expect(box).to_have_css("width", "400px")
        expect(box).to_have_css("height", "200px")
        assert seen.locator("iframe").count() == 0
        # to an allowed page, by a load
        page.evaluate("document.querySelector('#inside').src = '/plain'")
        expect(seen.frame_locator("iframe").locator("h1")).to_have_text("At /plain")
        expect(box).to_have_count(0)
        # to a private one, without any
        page.evaluate(
            """() => {
              const { history, document: inner } = document.querySelector("#inside").contentWindow;
              history.pushState(null, "", "/mine/pictures");
              inner.querySelector("h1").textContent = "A letter from the bank";
            }"""
        )
        expect(box).to_have_count(1)
        page.evaluate("document.querySelector('h1').textContent = 'Later'")
        expect(seen.locator("h1")).to_have_text("Later")
        assert seen.get_by_text("A letter from the bank").count() == 0
        assert seen.locator("iframe").count() == 0


def test_pages_that_the_site_calls_private_pause_by_themselves(
    pages: Company, tmp_path: Path, browsers: Browsers
) -> None:
    home = pages.origins[0]
    with serving(pages, tmp_path, 'private_pages = ["/mine/**"]') as server:
        customer, agent = chat_at(browsers, server, f"{home}/first")
        seen = shared(customer, agent)
        shows(seen, "/first")
        for change in (
            lambda: goes_to(customer.page, f"{home}/mine/letters"),
            lambda: customer.page.evaluate("history.pushState(null, '', '/mine/pictures')"),
        ):
            change()
            expect(cover(agent)).to_have_text("This page is private: the site does not show it.")
            expect(customer.page.locator("[data-sharing=private]")).to_be_visible()
            assert seen.get_by_text("/mine/letters").count() == 0
            goes_to(customer.page, f"{home}/first")
            shows(seen, "/first")
            expect(cover(agent)).to_be_hidden()
