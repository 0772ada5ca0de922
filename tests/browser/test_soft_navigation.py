"""Soft navigation on the demo bank, on and off: with it on a call does not notice that pages change."""

from __future__ import annotations

from functools import partial

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import (
    VISITOR_HZ,
    Agent,
    Browsers,
    Customer,
    both_hear,
    connected,
    eventually,
    hears,
)
from tests.server_process import Server


def call(server: Server, browsers: Browsers, path: str) -> tuple[Customer, Agent]:
    customer, agent = browsers.call(server, path)
    customer.page.evaluate("window.__first = true")
    return customer, agent


def never_left(page: Page) -> bool:
    return bool(page.evaluate("window.__first === true"))


def test_links_keep_the_page_the_panel_and_the_path(server: Server, browsers: Browsers) -> None:
    customer, agent = call(server, browsers, "/?soft=on")
    page = customer.page
    eventually(lambda: page.evaluate("window.__seen.pcs.length") >= 1, what="a peer connection")
    before = page.evaluate("window.__seen.pcs.length")
    page.evaluate("scrollTo({ top: 400, behavior: 'instant' })")
    scrolled = page.evaluate("scrollY")
    assert scrolled > 200
    # Not Playwright's click: that scrolls the link into view first.
    loans = page.get_by_role("navigation", name="Main").get_by_role("link", name="Loans")
    loans.evaluate("(link) => link.click()")
    expect(page).to_have_url(f"{server.demo}/loan.html")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    eventually(lambda: page.evaluate("scrollY") == 0, what="the new page's top is seen")
    expect(customer.panel).to_be_visible()
    hears(agent.page, VISITOR_HZ)
    # The loan page's own script came with it: the form computes.
    page.locator("[name=amount]").first.fill("100000")
    expect(page.locator("[data-terms]").first).to_contain_text("100,000")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Help").click()
    expect(page).to_have_url(f"{server.demo}/help.html")
    expect(agent.page.get_by_text("/help.html").first).to_be_visible()
    page.go_back()
    page.go_back()
    expect(page).to_have_url(f"{server.demo}/?soft=on")
    eventually(lambda: abs(page.evaluate("scrollY") - scrolled) < 5, what="the place is restored")
    assert never_left(page)
    assert page.evaluate("window.__seen.pcs.length") == before
    both_hear(customer, agent)


DEEP = """<!doctype html><html lang="en"><head><title>Deep page</title>
<link rel="stylesheet" href="deep.css"><script defer src="deep.js"></script></head>
<body><main><h1>Deep</h1><p id="tall">tall</p></main></body></html>"""


def _answer(kind: str, text: str, route: Route) -> None:
    route.fulfill(content_type=kind, body=text)


def test_pages_in_another_folder_keep_their_files_and_the_agent_reads_titles(
    server: Server, browsers: Browsers
) -> None:
    customer, agent = call(server, browsers, "/?soft=on")
    page = customer.page
    files = {
        "page.html": ("text/html", DEEP),
        "deep.css": ("text/css", "#tall { height: 3000px; color: rgb(1, 2, 3) }"),
        "deep.js": ("text/javascript", "window.deepRan = true"),
    }
    for name, (kind, text) in files.items():
        page.route(f"**/deep/{name}", partial(_answer, kind, text))
    page.evaluate(
        """() => {
          const link = Object.assign(document.createElement('a'), { id: 'deep', href: 'deep/page.html' });
          document.querySelector('main').append(link);
        }"""
    )
    page.locator("#deep").evaluate("(link) => link.click()")
    expect(page).to_have_title("Deep page")
    expect(page.locator("#tall")).to_have_css("color", "rgb(1, 2, 3)")
    eventually(lambda: bool(page.evaluate("window.deepRan")), what="the page's own script")
    eventually(lambda: page.evaluate("document.activeElement.localName") == "main", what="the focus")
    page.evaluate("scrollTo({ top: 700, behavior: 'instant' })")
    page.go_back()
    expect(page).to_have_title("Fjord Bank: everyday banking, talked through")
    page.go_forward()
    expect(page).to_have_title("Deep page")
    eventually(lambda: abs(page.evaluate("scrollY") - 700) < 5, what="the place is restored going forward")
    assert never_left(page)
    home = "Fjord Bank: everyday banking, talked through"
    trail = agent.page.get_by_role("region", name="Page trail").locator("li span:last-child")
    eventually(lambda: sorted(trail.all_inner_texts()) == sorted([home, "Deep page"] * 2), what="the trail")


def test_without_it_pages_load_and_the_call_comes_back(server: Server, browsers: Browsers) -> None:
    customer, agent = call(server, browsers, "/?soft=off")
    customer.page.get_by_role("navigation", name="Main").get_by_role("link", name="Loans").click()
    expect(customer.page).to_have_url(f"{server.demo}/loan.html")
    assert not never_left(customer.page)
    connected(customer, agent)
    hears(agent.page, VISITOR_HZ)


def test_after_the_call_links_load_pages_again(server: Server, browsers: Browsers) -> None:
    customer, _ = call(server, browsers, "/?soft=on")
    page = customer.page
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Loans").click()
    expect(page).to_have_url(f"{server.demo}/loan.html")
    assert never_left(page)
    customer.button("Hang up").click()
    eventually(lambda: customer.call_state() == "none", what="the call is over")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Help").click()
    expect(page).to_have_url(f"{server.demo}/help.html")
    eventually(lambda: not never_left(page), what="a page was loaded")
