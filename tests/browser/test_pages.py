"""Pages as everybody must be able to use them: strict policies, keyboard, screen reader, phone, sites."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PASSWORD, Agent, Customer, Opened, make_available
from tests.server_process import ROOT, Server, free_block, start, talknow

AXE = ROOT / "web_client/node_modules/axe-core/axe.min.js"
SHOP_POLICY = (
    "default-src 'none'; script-src {talk}; connect-src {talk} {socket}; img-src blob:; media-src blob:; "
    "require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'"
)


def axe(page: Page) -> None:
    """0 serious or critical findings on the page, open shadow roots included."""
    page.evaluate(AXE.read_text())
    found = page.evaluate(
        """async () => (await axe.run(document, { resultTypes: ['violations'] })).violations
          .filter((v) => v.impact === 'serious' || v.impact === 'critical')
          .map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`)"""
    )
    assert found == []


class Shop:
    """Another company's page with a policy as strict as docs/embed.md promises."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.talk = ""
        shop = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                policy = SHOP_POLICY.format(talk=shop.talk, socket=shop.talk.replace("http", "ws", 1))
                body = (
                    "<!doctype html><html lang=en><head><title>Shop</title>"
                    f'<script async src="{shop.talk}/talknow.js" data-site="shop"></script>'
                    "</head><body><main><h1>Shop</h1></main></body></html>"
                ).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Security-Policy", policy)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                """Quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop(free_block(1) + 7)
    yield made
    made.close()


@pytest.fixture
def two_sites(tmp_path: Path, shop: Shop) -> Iterator[Server]:
    """The demo bank and the shop on one server."""
    config = tmp_path / "talknow.toml"
    config.write_text(f'[sites.shop]\nname = "Shop"\norigins = ["{shop.origin}"]\n')
    running = start(tmp_path, "--demo", "--config", str(config))
    shop.talk = running.url
    yield running
    assert running.stop() == 0


def test_the_widget_works_under_a_strict_policy_and_sites_stay_apart(
    two_sites: Server, shop: Shop, visitor_browser: Browser, agent_browser: Browser, opened: Opened
) -> None:
    account = ("--data", str(two_sites.data), "--login", "sam", "--name", "Sam Shop", "--site", "shop")
    talknow("agent", "add", *account, "--password-stdin", text=PASSWORD)
    bank = Agent(opened.page(agent_browser), two_sites, "tess", "Tess Lund")
    page = opened.page(visitor_browser)
    page.goto(shop.origin)
    customer = Customer.__new__(Customer)
    customer.page, customer.server = page, two_sites
    customer.open()
    customer.say("Hello shop")
    expect(customer.panel.get_by_text("Hello shop")).to_be_visible()
    desk = opened.page(agent_browser)
    desk.goto(f"{two_sites.url}/desk/")
    desk.get_by_role("textbox", name="Login").fill("sam")
    desk.get_by_label("Password").fill(PASSWORD)
    desk.get_by_role("button", name="Log in").click()
    make_available(desk)
    desk.get_by_role("button", name="Accept").first.click()
    expect(desk.get_by_role("log").get_by_text("Hello shop")).to_be_visible()
    expect(bank.page.get_by_text("Hello shop")).to_have_count(0)
    assert page.evaluate("Object.keys(window).filter((k) => /talk/i.test(k))") == ["TalkNow"]


def test_the_widget_is_complete_by_keyboard(server: Server, visitor_browser: Browser, opened: Opened) -> None:
    page = opened.page(visitor_browser)
    page.goto(server.demo)
    launcher = page.get_by_role("button", name="Open chat")
    launcher.wait_for()
    for _ in range(60):
        page.keyboard.press("Tab")
        if launcher.evaluate("(e) => e.getRootNode().activeElement === e"):
            break
    page.keyboard.press("Enter")
    message = page.get_by_role("textbox", name="Message")
    expect(message).to_be_focused()
    page.keyboard.type("by keyboard alone")
    page.keyboard.press("Enter")
    expect(page.get_by_role("log").get_by_text("by keyboard alone")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Chat")).to_be_hidden()
    expect(page.get_by_role("button", name="Open chat")).to_be_focused()
    page.keyboard.press("Space")
    expect(message).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
def test_widget_and_softphone_pass_axe_and_fit(
    server: Server, visitor_browser: Browser, agent_browser: Browser, opened: Opened, width: int
) -> None:
    desk = opened.page(agent_browser, width=width)
    desk.goto(f"{server.url}/desk/")
    desk.get_by_role("textbox", name="Login").wait_for()
    axe(desk)
    agent = Agent(desk, server, f"tess{width}", "Tess Lund")
    customer = Customer(opened.page(visitor_browser, width=width), server)
    axe(customer.page)
    customer.open()
    customer.say("Hello from a phone")
    agent.page.get_by_role("button", name="Accept").first.wait_for()
    axe(agent.page)
    agent.accept()
    agent.say("Good day")
    expect(customer.panel.get_by_text("Good day")).to_be_visible()
    axe(agent.page)
    axe(customer.page)
    agent.button("See the page").click()
    show = customer.page.get_by_role("button", name="Show my page")
    show.wait_for()
    axe(customer.page)
    show.click()
    agent.page.frame_locator("iframe.shared-frame").frame_locator("iframe").locator("h1").first.wait_for()
    axe(agent.page)
    axe(customer.page)
    for page in (agent.page, customer.page):
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, f"{page.url} is {overflow} px too wide"


@pytest.mark.parametrize("path", ["/", "/accounts.html", "/loan.html", "/loan-income.html", "/help.html"])
def test_the_demo_companys_pages_pass_axe_at_both_widths(
    server: Server, visitor_browser: Browser, opened: Opened, path: str
) -> None:
    for width in (1280, 390):
        page = opened.page(visitor_browser, width=width)
        page.goto(server.demo + path)
        page.get_by_role("button", name="Open chat").wait_for()
        axe(page)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_a_wrong_password_is_told_in_words(server: Server, agent_browser: Browser, opened: Opened) -> None:
    page = opened.page(agent_browser)
    page.goto(f"{server.url}/desk/")
    page.get_by_role("textbox", name="Login").fill("nobody")
    page.get_by_label("Password").fill("wrong password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert").first).not_to_be_empty()


def test_scripts_in_messages_names_and_titles_never_run(
    server: Server, visitor_browser: Browser, agent_browser: Browser, opened: Opened
) -> None:
    evil = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>javascript:alert(1)'
    agent = Agent(opened.page(agent_browser), server, "tess", evil[:100])
    customer = Customer(opened.page(visitor_browser), server)
    customer.page.evaluate("(title) => { document.title = title }", evil)
    customer.open()
    customer.say(evil)
    agent.accept()
    agent.say(evil)
    expect(customer.panel.get_by_text(evil).first).to_be_visible()
    for page in (agent.page, customer.page):
        assert page.evaluate("window.hacked") is None
