"""Remote control in real browsers: only what was granted, never a secret, the customer always first."""

from __future__ import annotations

import pytest
from playwright.sync_api import FrameLocator, expect

from tests.browser.conftest import Agent, Browsers, Customer, eventually
from tests.browser.test_cobrowse import shared
from tests.server_process import Server

# A corner of the page with something of everything; what happens to it is counted in the customer's page.
LAB = """() => {
  const made = (tag, props, ...inside) => {
    const node = Object.assign(document.createElement(tag), props);
    node.append(...inside);
    return node;
  };
  window.__done = [];
  const lab = made("section", { id: "lab" });
  lab.style.cssText = "position: fixed; top: 0; left: 0; width: 420px; background: white; z-index: 5";
  const field = (id, type) => made("input", { id, type });
  const note = (what) => () => window.__done.push(what);
  const press = made("button", { id: "press", type: "button" }, "Press me");
  press.addEventListener("click", note("press"));
  const closed = made("button", { id: "closed", type: "button" }, "Not by others");
  closed.dataset.noControl = "";
  closed.addEventListener("click", note("closed"));
  const name = field("name", "text");
  name.addEventListener("input", () => window.__done.push(`name ${name.value}`));
  const secret = field("secret", "password");
  secret.addEventListener("input", note("secret"));
  const card = field("card", "text");
  card.autocomplete = "cc-number";
  card.addEventListener("input", note("card"));
  const choice = made("select", { id: "choice" }, new Option("One"), new Option("Two"));
  choice.addEventListener("change", () => window.__done.push(`choice ${choice.value}`));
  const link = made("a", { id: "leave", href: "/accounts.html" }, "Leave");
  const away = made("a", { id: "away", href: "https://elsewhere.example/" }, "Elsewhere");
  for (const one of [press, closed, name, secret, card, choice, link, away]) lab.append(made("p", {}, one));
  document.body.append(lab);
}"""
WAIT_MS = 1_100


class Hand:
    """The agent's hand on the customer's page."""

    def __init__(self, customer: Customer, agent: Agent, seen: FrameLocator) -> None:
        self.customer, self.agent, self.seen = customer, agent, seen

    def place(self, selector: str) -> tuple[float, float]:
        """Where the agent sees it."""
        part = self.seen.locator(selector)
        expect(part).to_be_visible()
        box = part.bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def on(self, selector: str) -> None:
        """Press there."""
        self.agent.page.mouse.click(*self.place(selector))

    def write(self, selector: str, text: str) -> None:
        self.on(selector)
        self.agent.page.keyboard.type(text)
        self.agent.page.keyboard.press("Enter")

    @property
    def done(self) -> list[str]:
        return list(self.customer.page.evaluate("window.__done"))

    def does(self, *expected: str) -> None:
        eventually(lambda: self.done == list(expected), what=f"{expected}")

    def is_told(self, text: str) -> None:
        expect(self.agent.page.get_by_role("alert").filter(has_text=text)).to_be_visible()


@pytest.fixture
def hand(server: Server, browsers: Browsers) -> Hand:
    """Control granted of everything but going to other pages, and the customer's hands in the lap."""
    customer, agent = browsers.chat(server)
    seen = shared(customer, agent)
    customer.page.evaluate(LAB)
    agent.button("Ask to control").click()
    customer.panel.get_by_label("go to other pages").uncheck()
    customer.button("Allow").click()
    customer.page.get_by_role("button", name="Close chat").first.click()
    customer.page.mouse.move(600, 500)
    agent.button("Control").click()
    customer.page.wait_for_timeout(WAIT_MS)
    return Hand(customer, agent, seen)


def test_what_was_granted_is_done_and_nothing_else(hand: Hand) -> None:
    hand.on("#press")
    hand.does("press")
    hand.write("#name", "Ann")
    hand.does("press", "name Ann")
    hand.on("#choice")
    hand.agent.page.keyboard.press("ArrowDown")
    hand.agent.page.keyboard.press("ArrowDown")
    hand.agent.page.keyboard.press("Enter")
    hand.does("press", "name Ann", "choice Two")
    hand.on("#leave")
    hand.is_told("did not allow")
    assert not hand.customer.page.url.endswith("accounts.html")


def test_secrets_and_closed_parts_stay_with_the_customer(hand: Hand) -> None:
    for closed in ("#closed", "#secret", "#card", "#away"):
        hand.write(closed, "anything")
        hand.is_told("stays with the customer")
    hand.on("#press")
    hand.does("press")


def test_the_customers_own_input_goes_first(hand: Hand) -> None:
    press = hand.place("#press")
    told = hand.agent.page.get_by_role("alert").filter(has_text="using the page")

    def held_off() -> bool:
        """On a busy machine the agent's click may come when the customer's is long over."""
        hand.customer.page.evaluate("window.__done.length = 0")
        hand.customer.page.mouse.click(700, 600)
        hand.agent.page.mouse.click(*press)
        hand.customer.page.wait_for_timeout(300)
        return told.is_visible()

    eventually(held_off, what="the agent is held off")
    assert hand.done == []
    hand.customer.page.wait_for_timeout(WAIT_MS)
    hand.on("#press")
    hand.does("press")


def test_what_changed_meanwhile_is_not_touched(hand: Hand) -> None:
    """The agent's screen stands still; on the customer's another button text came."""
    outer = next(f for f in hand.agent.page.frames if f.url.endswith("/viewer.html"))
    asked = {"kind": "act", "act": {"kind": "click", "seen": 1, "values": [0.5, 0.5], "node": 0}}
    hand.customer.page.evaluate("document.getElementById('press').setAttribute('class', 'other')")
    expect(hand.seen.locator("#press.other")).to_be_visible()
    asked["act"]["node"] = _node_of(hand, "press")  # type: ignore[index]
    outer.evaluate("(asked) => parent.postMessage(asked, '*')", asked)
    hand.is_told("changed meanwhile")
    assert hand.done == []


def _node_of(hand: Hand, text: str) -> int:
    """The number by which both sides know the button: what the viewer says when the agent points at it."""
    page = hand.agent.page
    page.evaluate(
        """() => addEventListener("message", ({ data }) => {
          if (data.kind === "act") (window.__acts ??= []).push(data.act.node);
        })"""
    )
    hand.on(f"#{text}")
    hand.does("press")
    hand.customer.page.evaluate("window.__done.length = 0")
    return int(page.evaluate("window.__acts.at(-1)"))


def test_escape_and_the_stop_button_end_it_at_once(hand: Hand) -> None:
    granted = hand.customer.page.locator("[data-granted=control]")
    expect(granted).to_contain_text("click")
    hand.customer.page.keyboard.press("Escape")
    expect(granted).to_have_count(0)
    expect(hand.agent.button("Ask to control")).to_be_visible()
    hand.agent.button("Ask to control").click()
    hand.customer.page.get_by_role("button", name="Allow").click()
    hand.agent.button("Control").click()
    hand.customer.page.get_by_role("button", name="Stop control").click()
    hand.on("#press")
    hand.customer.page.wait_for_timeout(500)
    assert hand.done == []


def test_the_agent_scrolls_the_customers_page(hand: Hand) -> None:
    hand.customer.page.evaluate("document.body.style.minHeight = '4000px'")
    hand.agent.page.locator("iframe.shared-frame").hover()
    hand.agent.page.mouse.wheel(0, 600)
    eventually(lambda: hand.customer.page.evaluate("scrollY") > 100, what="the customer's page is scrolled")
