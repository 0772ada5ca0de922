"""One page with the odd things of the web, seen from both sides: the same boxes, styles and states.

Element by element, at a desk and on a phone, in light and in dark; and pages in quirks mode."""

from __future__ import annotations

import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Frame, Page, Route, expect

from tests.browser.conftest import Agent, Browsers, Customer, eventually
from tests.browser.test_cobrowse import shared
from tests.server_process import Server

PAGES = Path(__file__).parent / "pages"
BOTH = (PAGES / "both.js").read_text()
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
# What is drawn otherwise on purpose: values that stay with the customer have no width of their own.
NEAR_PX = 1.0


def picture(width: int, height: int) -> bytes:
    """A PNG of one colour."""
    rows = b"".join(b"\0" + bytes((200, 80, 40)) * width for _ in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def serve(page: Page, server: Server) -> None:
    """The pages on the demo company's origin; what is private only for who is logged in."""
    font = subprocess.run(
        ["fc-match", "-f", "%{file}", "DejaVu Serif"], capture_output=True, check=True
    ).stdout
    private = {
        "picture.png": ("image/png", picture(60, 20)),
        "back.png": ("image/png", picture(64, 24)),
        "font.ttf": ("font/ttf", Path(font.decode()).read_bytes()),
    }

    def edge(route: Route) -> None:
        file = PAGES / route.request.url.rsplit("/", 1)[1].split("?")[0]
        text = file.read_text().replace("TALKNOW", f"{server.url}/talknow.js")
        route.fulfill(body=text, content_type=TYPES[file.suffix])

    def behind_login(route: Route) -> None:
        kind, body = private[route.request.url.rsplit("/", 1)[1]]
        if "session=ours" in route.request.all_headers().get("cookie", ""):
            route.fulfill(body=body, content_type=kind)
        else:
            route.fulfill(status=401)

    page.context.add_cookies([{"name": "session", "value": "ours", "url": server.demo}])
    page.route(f"{server.demo}/edge/**", edge)
    page.route(f"{server.demo}/private/**", behind_login)


def open_both(server: Server, agents: Page, customers: Page, path: str) -> tuple[Customer, Agent]:
    """The customer on that page, who shows it."""
    customers.context.grant_permissions(["microphone", "camera", "local-network-access"])
    serve(customers, server)
    agent = Agent(agents, server, "tess", "Tess Lund")
    customer = Customer(customers, server, path)
    customer.open()
    customer.say("Hello")
    agent.accept()
    shared(customer, agent)
    # On a phone what is shown now is the page: the chat closes by itself.
    if customers.viewport_size["width"] > 480:  # type: ignore[index]
        customer.page.get_by_role("button", name="Close chat").first.dispatch_event("click")
        # The focus goes back a moment later: what a test chooses before that is chosen no more.
        expect(customer.page.get_by_role("button", name="Open chat")).to_be_focused()
    return customer, agent


def inner(page: Page) -> Frame:
    """Where the page is shown: there is one inner page for each mode."""
    names = ("/inner.html", "/inner-quirks.html")
    return next(frame for frame in page.frames if frame.url.endswith(names))


def differences(customer: Page, agent: Page) -> list[str]:
    """What is drawn otherwise on the agent's side."""
    mine: list[dict[str, Any]] = customer.evaluate(BOTH)
    theirs: list[dict[str, Any]] = inner(agent).evaluate(BOTH)
    found = [] if len(mine) == len(theirs) else [f"{len(mine)} elements here, {len(theirs)} there"]
    for here, there in zip(mine, theirs, strict=False):
        name = here["name"]
        if name != there["name"]:
            return [*found, f"{name} is {there['name']}"]
        if any(abs(a - b) > NEAR_PX for a, b in zip(here["box"], there["box"], strict=True)):
            found.append(f"{name} box {here['box']} {there['box']}")
        found += [
            f"{name} {key} {value!r} {there['styles'][key]!r}"
            for key, value in here["styles"].items()
            if value != there["styles"][key]
        ]
        if here["state"] != there["state"]:
            found.append(f"{name} state {here['state']} {there['state']}")
    return found


PHONE = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/156.0.0.0 Mobile Safari/537.36"
)
DEVICES: dict[str, dict[str, Any]] = {
    "desk": {"viewport": {"width": 1280, "height": 860}},
    "phone in the dark": {
        "viewport": {"width": 390, "height": 844},
        "is_mobile": True,
        "has_touch": True,
        "color_scheme": "dark",
        "reduced_motion": "reduce",
        "user_agent": PHONE,
    },
}


def page_of(browsers: Browsers, device: str) -> Page:
    context = browsers.visitor.new_context(**DEVICES[device])
    context.set_default_timeout(10_000)
    context.on("page", browsers.opened.watch)
    browsers.opened.contexts.append(context)
    return context.new_page()


def nothing_differs(customer: Page, agent: Page) -> None:
    last: list[str] = []

    def same() -> bool:
        last[:] = differences(customer, agent)
        return not last

    try:
        eventually(same, what="both sides are the same")
    except AssertionError:
        raise AssertionError("\n".join(last[:40])) from None


@pytest.mark.timeout(90)
@pytest.mark.parametrize("device", DEVICES)
def test_both_sides_draw_the_same_before_and_after_changes(
    server: Server, browsers: Browsers, device: str
) -> None:
    agents = browsers.opened.page(browsers.agent)
    customer, agent = open_both(server, agents, page_of(browsers, device), "/edge/edge.html")
    nothing_differs(customer.page, agent.page)
    customer.page.evaluate("edgeLate()")
    nothing_differs(customer.page, agent.page)


@pytest.mark.timeout(60)
def test_a_page_without_a_doctype_is_shown_in_quirks_mode_and_the_next_is_not(
    server: Server, browsers: Browsers
) -> None:
    agents = browsers.opened.page(browsers.agent)
    customer, agent = open_both(server, agents, page_of(browsers, "desk"), "/edge/quirks.html")
    nothing_differs(customer.page, agent.page)
    assert inner(agent.page).evaluate("document.compatMode") == "BackCompat"
    customer.page.goto(f"{server.demo}/edge/edge.html")
    nothing_differs(customer.page, agent.page)
    assert inner(agent.page).evaluate("document.compatMode") == "CSS1Compat"


@pytest.mark.timeout(60)
def test_a_phone_is_named_and_what_it_has_zoomed_in_to_is_framed(server: Server, browsers: Browsers) -> None:
    agents = browsers.opened.page(browsers.agent)
    customer, agent = open_both(server, agents, page_of(browsers, "phone in the dark"), "/edge/edge.html")
    expect(agent.page.locator("[data-device]")).to_have_text("Phone (Android, Chrome), 390 \u00d7 844")
    zoom = customer.page.context.new_cdp_session(customer.page)
    zoom.send("Emulation.setPageScaleFactor", {"pageScaleFactor": 2})
    expect(agent.page.locator("[data-device]")).to_contain_text("zoomed in to 200 %")
    viewer = agent.page.frame_locator("iframe.shared-frame")
    expect(viewer.locator("#lens")).to_be_visible()

    def tapped() -> bool:
        customer.page.touchscreen.tap(60, 200)
        return viewer.locator(".ripple").count() > 0  # each for 0.7 s

    eventually(tapped, what="the tap is seen")
    zoom.send("Emulation.setPageScaleFactor", {"pageScaleFactor": 1})
    expect(viewer.locator("#lens")).to_be_hidden()


@pytest.mark.timeout(60)
def test_what_plays_is_told_above_its_picture(server: Server, browsers: Browsers) -> None:
    agents = browsers.opened.page(browsers.agent)
    customer, agent = open_both(server, agents, page_of(browsers, "desk"), "/edge/edge.html")
    badges = agent.page.frame_locator("iframe.shared-frame").locator(".badge")
    expect(badges.filter(has_text="Playing")).to_contain_text("muted")
    customer.page.evaluate("document.getElementById('video').pause()")
    expect(badges.filter(has_text="Playing")).to_have_count(0)
    expect(badges.filter(has_text="Paused")).not_to_have_count(0)


@pytest.mark.timeout(60)
def test_what_is_selected_in_a_frame_is_selected_there(server: Server, browsers: Browsers) -> None:
    agents = browsers.opened.page(browsers.agent)
    customer, agent = open_both(server, agents, page_of(browsers, "desk"), "/edge/edge.html")
    select = """(from) => {
      const frame = document.getElementById('frame');
      frame.focus();
      const words = frame.contentDocument.querySelector('p').firstChild;
      frame.contentDocument.getSelection().setBaseAndExtent(words, from, words, from + 3);
    }"""
    chosen = "document.getElementById('frame').contentDocument.getSelection().toString()"
    for where in (0, 2):
        customer.page.evaluate(select, where)
        words = customer.page.evaluate(chosen)
        assert len(words) == 3
        eventually(lambda: inner(agent.page).evaluate(chosen) == words, what="the same words")  # noqa: B023
    customer.page.evaluate("document.getElementById('text').focus()")
    eventually(lambda: inner(agent.page).evaluate(chosen) == "", what="nothing is selected")
