"""The shared page from both sides, in real browsers through the real server: seen, hidden, paused, over."""

from __future__ import annotations

import re

from playwright.sync_api import FrameLocator, Locator, WebSocketRoute, expect

from cobrowse.frames import decode
from cobrowse.ops import CODES
from tests.browser.conftest import Agent, Browsers, Customer, eventually
from tests.server_process import Server

SECRET = "my-maiden-name-4711"


def shared(customer: Customer, agent: Agent) -> FrameLocator:
    """The agent asks, the customer shows: what the agent sees."""
    agent.button("See the page").click()
    customer.button("Show my page").click()
    frames = agent.page.frame_locator("iframe.shared-frame").frame_locator("iframe")
    # An empty body is there before the page is.
    expect(frames.locator("body > *").first).to_be_attached()
    return frames


def test_the_agent_sees_the_page_and_what_changes_on_it(server: Server, browsers: Browsers) -> None:
    customer, agent = browsers.chat(server)
    # Who talks to an agent here needs no number for one.
    expect(customer.button("Show this page to somebody on the phone")).to_have_count(0)
    seen = shared(customer, agent)
    heading = customer.page.locator("h1").first.inner_text()
    expect(seen.get_by_text(heading).first).to_be_visible()
    customer.page.evaluate("document.querySelector('h1').textContent = 'Changed just now'")
    expect(seen.get_by_text("Changed just now")).to_be_visible()
    expect(customer.page.locator("[data-sharing]")).to_contain_text("Tess Lund")
    assert seen.locator("talk-now").count() == 0
    drawn = "() => [...document.images].every((image) => image.naturalWidth > 0)"
    page = next(frame for frame in agent.page.frames if frame.url.endswith("/inner.html"))
    eventually(lambda: bool(page.evaluate(drawn)), what="every picture of the page is drawn")


def test_what_is_typed_stays_in_the_customers_browser(server: Server, browsers: Browsers) -> None:
    customer, agent = browsers.chat(server)
    seen = shared(customer, agent)
    customer.page.evaluate(
        """() => {
          const field = Object.assign(document.createElement('input'), { id: 'probe' });
          document.body.prepend(field, Object.assign(document.createElement('p'), { id: 'echo' }));
        }"""
    )
    customer.page.locator("#probe").fill(SECRET)
    customer.page.evaluate(
        "document.getElementById('echo').textContent = 'Hello ' + document.getElementById('probe').value"
    )
    expect(seen.locator("#probe")).to_have_value(re.compile("^•+$"))
    expect(seen.locator("#echo")).to_have_text(re.compile("^Hello •+$"))
    assert SECRET not in seen.locator("html").inner_html()
    assert SECRET not in server.log


def test_what_people_do_on_a_page_costs_no_snapshot(server: Server, browsers: Browsers) -> None:
    """Pointer, wheel, keys, choices: the server refuses nothing, hides nothing, asks for nothing again."""
    customer, agent = browsers.chat(server, "/loan.html")
    seen = shared(customer, agent)
    page = customer.page
    page.get_by_role("button", name="Close chat").first.click()
    page.get_by_role("radio").nth(1).check(force=True)
    page.get_by_role("combobox").first.select_option(index=1)
    for field, text in (("amount", "310000"), ("address", "Strandgaten 18")):
        page.locator(f"[name={field}]").fill("")
        page.locator(f"[name={field}]").press_sequentially(text, delay=20)
        for x in range(200, 900, 100):
            page.mouse.move(x, 400, steps=4)
        page.mouse.wheel(0, 200)
        page.wait_for_timeout(2_100)
    page.get_by_role("button", name="Continue to").click()
    expect(seen.get_by_text("What comes in, what goes out?")).to_be_visible()
    assert server.interventions() == {}


def test_paused_resumed_and_ended_by_the_customer(server: Server, browsers: Browsers) -> None:
    customer, agent = browsers.chat(server)
    seen = shared(customer, agent)
    ledger = customer.page.locator("[data-sharing]")
    ledger.get_by_role("button", name="Details").click()
    expect(ledger.locator("[data-hidden]")).to_contain_text("Hidden from them:")
    ledger.get_by_role("button", name="Pause").click()
    expect(ledger).to_contain_text("paused")
    expect(ledger.locator("[data-hidden]")).to_have_count(0)
    cover = agent.page.frame_locator("iframe.shared-frame").locator("#cover")
    expect(cover).to_have_text("The customer has paused sharing.")
    customer.page.evaluate("document.querySelector('h1').textContent = 'Only for me'")
    ledger.get_by_role("button", name="Resume").click()
    expect(seen.get_by_text("Only for me")).to_be_visible()
    ledger.get_by_role("button", name="Stop sharing").click()
    expect(ledger).to_have_count(0)
    expect(agent.page.locator("iframe.shared-frame")).to_have_count(0)


def test_sharing_goes_on_after_a_page_change(server: Server, browsers: Browsers) -> None:
    customer, agent = browsers.chat(server)
    seen = shared(customer, agent)
    customer.page.goto(server.demo + "/accounts.html")
    heading = customer.page.locator("h1").first.inner_text()
    expect(seen.get_by_text(heading).first).to_be_visible()
    expect(customer.page.locator("[data-sharing=live]")).to_be_visible()
    eventually(lambda: "/accounts.html" in agent.page.locator("[data-address]").inner_text(), what="address")


def test_the_agent_points_once_the_customer_allows_it(server: Server, browsers: Browsers) -> None:
    customer, agent = browsers.chat(server)
    shared(customer, agent)
    agent.button("Ask to point").click()
    customer.button("Allow").click()
    agent.button("Highlight").click()
    layer = agent.page.frame_locator("iframe.shared-frame").locator("#layer")
    layer.click(position={"x": 120, "y": 90})
    expect(customer.page.locator("talk-now-over .mark")).to_be_visible()
    agent.button("Point").click()
    layer.hover(position={"x": 200, "y": 150})
    expect(customer.page.locator("talk-now-over .pointer")).to_contain_text("Tess Lund")
    agent.button("Draw").click()
    expect(customer.page.locator("talk-now-over .pointer")).to_have_count(0)
    stroke(agent, layer)
    for page in (customer.page.locator("talk-now-over"), layer):
        expect(page.locator("polyline")).to_have_attribute("points", re.compile(r" .* "))
    ledger = customer.page.locator("[data-sharing]")
    ledger.get_by_role("button", name="Details").click()
    ledger.get_by_role("button", name="Stop pointing").click()
    expect(agent.button("Ask to point")).to_be_visible()
    for page in (customer.page.locator("talk-now-over"), layer):
        expect(page.locator("polyline, .mark, .pointer:not([data-who='0'])")).to_have_count(0)


def stroke(agent: Agent, layer: Locator) -> None:
    """A line that is being drawn: the button stays down."""
    box = layer.bounding_box()
    assert box is not None
    mouse = agent.page.mouse
    mouse.move(box["x"] + 60, box["y"] + 60)
    mouse.down()
    for step in range(1, 8):
        mouse.move(box["x"] + 60 + 20 * step, box["y"] + 60 + 10 * step)
        agent.page.wait_for_timeout(50)


def test_a_code_told_on_the_phone_shows_the_page_without_chat_or_queue(
    server: Server, browsers: Browsers
) -> None:
    agent = Agent(browsers.opened.page(browsers.agent), server, "tess", "Tess Lund")
    customer = Customer(browsers.opened.page(browsers.visitor), server)
    customer.open()
    customer.button("Show this page to somebody on the phone").click()
    code = customer.page.locator("[data-code]").inner_text()
    assert agent.page.get_by_role("button", name="Accept").count() == 0
    agent.page.get_by_label("Code from the phone").fill(code)
    agent.button("Look at the page").click()
    seen = agent.page.frame_locator("iframe.shared-frame").frame_locator("iframe")
    heading = customer.page.locator("h1").first.inner_text()
    expect(seen.get_by_text(heading).first).to_be_visible()
    expect(customer.page.locator("[data-code]")).to_have_count(0)


def test_a_closed_chat_still_shows_the_question(server: Server, browsers: Browsers) -> None:
    customer, agent = browsers.chat(server)
    customer.page.get_by_role("button", name="Close chat").first.click()
    agent.button("See the page").click()
    customer.page.get_by_role("button", name="Show my page").click()
    expect(customer.page.locator("[data-sharing=live]")).to_be_visible()


def test_rules_and_their_pictures_stay_whatever_comes_first(server: Server, browsers: Browsers) -> None:
    """A picture that arrives writes only the rules that name it; edits stay, also for who comes late."""
    customer, agent = browsers.chat(server)
    shared(customer, agent)
    customer.page.evaluate(
        """() => {
          const [first, second] = ['/fjord.svg?one', '/mark.svg?two'];
          for (const id of ['whole', 'single', 'edited']) {
            const box = Object.assign(document.createElement('div'), { id: 'r-' + id, textContent: id });
            document.body.prepend(box);
          }
          // The demo's policy allows no style element.
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(`#r-whole{background-image:url("${first}")}.no{top:0}#r-edited{color:red}`);
          document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
          sheet.deleteRule(1);
          sheet.insertRule(`#r-single{background-image:url("${second}")}`, 0);
          sheet.cssRules[2].style.color = 'rgb(1, 2, 3)';
          sheet.insertRule('#r-edited{letter-spacing:3px}', 3);
        }"""
    )
    drawn = """() => ['whole', 'single', 'edited'].map((id) => {
      const style = getComputedStyle(document.getElementById('r-' + id));
      return [style.backgroundImage.slice(0, 4), style.color, style.letterSpacing].join();
    }).join(' ')"""

    def right(viewer: Agent) -> bool:
        page = next(frame for frame in viewer.page.frames if "/inner" in frame.url)
        told = str(page.evaluate(drawn))
        return told.count("url(") == 2 and "rgb(1, 2, 3),3px" in told.replace("none,", "")

    box = agent.page.frame_locator("iframe.shared-frame").frame_locator("iframe").locator("#r-whole")
    expect(box).to_be_visible()
    eventually(lambda: right(agent), what="rules and pictures as they are")
    agent.page.reload()
    expect(box).to_be_visible()
    eventually(lambda: right(agent), what="the same for a late viewer")


def test_after_a_cut_the_agents_picture_goes_on_without_a_whole_one(
    server: Server, browsers: Browsers
) -> None:
    customer, agent = browsers.chat(server)
    sockets: list[tuple[WebSocketRoute, WebSocketRoute]] = []
    came: list[bytes] = []

    def through(socket: WebSocketRoute) -> None:
        upstream = socket.connect_to_server()
        sockets.append((socket, upstream))

        def pass_on(data: str | bytes) -> None:
            came.append(data if isinstance(data, bytes) else data.encode())
            socket.send(data)

        upstream.on_message(pass_on)

    agent.page.route_web_socket(re.compile("/v1/cobrowse"), through)
    seen = shared(customer, agent)
    customer.page.evaluate("document.querySelector('h1').textContent = 'Before the cut'")
    expect(seen.get_by_text("Before the cut")).to_be_visible()
    came.clear()
    for end in sockets[-1]:
        end.close(code=1001)
    customer.page.evaluate("document.querySelector('h1').textContent = 'After the cut'")
    expect(seen.get_by_text("After the cut")).to_be_visible()
    frames = [items for items in map(decode, came) if items[0] > 0]
    assert len(sockets) == 2 and frames
    assert [items[:2] for items in frames if items[1] in (CODES["KEY"], CODES["SNAP"])] == []
