"""A hostile agent writes straight to its cobrowse socket, a hostile server to the visitor's: nothing is done.

The agent's own token opens the socket; nothing goes through the softphone's buttons. What happens on the
customer's page is counted in that page.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page, expect

from cobrowse.ops import SIDE
from tests.browser.company import chat_at, company, serving
from tests.browser.conftest import Agent, Browsers, Customer, eventually
from tests.browser.test_cobrowse import shared
from tests.browser.test_control import LAB, Hand

GRANT_S = 15
# Keeps every cobrowse socket of the page, what came by it beside the stream, and what was sent.
TAP = """() => {
  const Native = WebSocket;
  window.__lines = [];
  window.WebSocket = class extends Native {
    constructor(...rest) {
      super(...rest);
      if (!String(rest[0]).endsWith("/v1/cobrowse")) return;
      this.heard = [];
      this.sent = [];
      window.__lines.push(this);
      this.addEventListener("message", ({ data }) => {
        if (data.byteLength < 2000) this.heard.push(Array.from(new Uint8Array(data)));
      });
    }
    send(data) {
      if (this.sent && data.byteLength < 2000) this.sent.push(Array.from(new Uint8Array(data)));
      super.send(data);
    }
  };
}"""
# Parts beside the lab's that nobody may touch.
MORE = """() => {
  const note = (what) => () => window.__done.push(what);
  const kinds = ["click", "input", "change", "focus", "pointerdown"];
  const add = (tag, props, name, inside) => {
    const node = Object.assign(document.createElement(tag), props);
    node.append(inside ?? "");
    for (const kind of kinds) node.addEventListener(kind, note(name));
    document.getElementById("lab").append(node);
    return node;
  };
  const masked = add("button", { id: "masked", type: "button" }, "masked", "Hidden words");
  masked.setAttribute("data-talknow-mask", "");
  add("input", { id: "file", type: "file" }, "file");
  add("input", { id: "code", type: "text", autocomplete: "one-time-code" }, "code");
  for (const id of ["secret", "card", "closed"])
    for (const kind of kinds)
      document.getElementById(id).addEventListener(kind, note(id));
}"""
# By script: a real key or click would hold agents off for a second by itself.
STOP = """() => {
  const root = document.querySelector("talk-now").shadowRoot;
  const buttons = [...root.querySelectorAll("button")];
  buttons.find((one) => one.textContent === "Stop control").click();
  return window.__done.length;
}"""
FORBIDDEN = ("closed", "secret", "card", "masked", "file", "code")


class Socket:
    """One side's cobrowse socket, used past everything that is drawn."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._request = 1_000_000

    def _messages(self, which: str, code: str) -> list[list[Any]]:
        raw = self.page.evaluate(f"window.__lines.at(-1).{which}")
        found = [msgspec.msgpack.decode(bytes(one)) for one in raw]
        return [one[2:] for one in found if one[:2] == [0, SIDE[code]]]

    def asked(self) -> list[list[Any]]:
        return self._messages("sent", "CONTROL")

    def answers(self, which: str = "heard") -> dict[int, str]:
        return dict(self.verdicts(which))

    def verdicts(self, which: str = "heard") -> list[tuple[int, str]]:
        return [(request, code) for request, code in self._messages(which, "DID")]

    def _packed(self, *fields: Any) -> tuple[int, list[int]]:
        self._request += 1
        return self._request, list(msgspec.msgpack.encode([0, SIDE["CONTROL"], self._request, *fields]))

    def send(self, *asked: tuple[Any, ...]) -> list[int]:
        """asked: CONTROL's fields from the grant on. The requests' numbers."""
        packed = [self._packed(*fields) for fields in asked]
        self.page.evaluate(
            "(all) => { for (const one of all) window.__lines.at(-1).send(new Uint8Array(one)) }",
            [data for _, data in packed],
        )
        return [request for request, _ in packed]

    def receive(self, *asked: tuple[Any, ...]) -> list[int]:
        """The same as if the server had sent it to this page."""
        packed = [self._packed(*fields) for fields in asked]
        self.page.evaluate(
            """(all) => {
              const line = window.__lines.at(-1);
              for (const one of all)
                line.dispatchEvent(new MessageEvent("message", { data: new Uint8Array(one).buffer }));
            }""",
            [data for _, data in packed],
        )
        return [request for request, _ in packed]

    def flood(self, *fields: Any) -> None:
        """One every 4 ms until the page goes."""
        _, data = self._packed(*fields)
        self.page.evaluate(
            "(one) => void setInterval(() => window.__lines.at(-1).send(new Uint8Array(one)), 4)", data
        )


def control(customer: Customer, agent: Agent) -> None:
    agent.button("Ask to control").click()
    customer.panel.get_by_label("go to other pages").uncheck()
    customer.button("Allow").click()
    agent.button("Control").click()


@pytest.fixture
def tapped(browsers: Browsers) -> Browsers:
    browsers.opened.scripts.append(f"({TAP})()")
    return browsers


def learnt(hand: Hand, *names: str) -> tuple[dict[str, int], str, int]:
    """The numbers of these parts, the grant and the frame that was seen: what an agent's socket tells it."""
    line = Socket(hand.agent.page)
    found = {}
    for name in names:
        before = len(line.asked())
        hand.on(f"#{name}")
        if name in ("name", "secret", "card", "code", "file"):
            hand.agent.page.keyboard.press("x")
            hand.agent.page.keyboard.press("Enter")
        eventually(lambda: len(line.asked()) > before, what=f"the softphone asked about {name}")  # noqa: B023
        _, grant, seen, found[name] = line.asked()[-1][:4]
    return found, str(grant), int(seen) + 1_000


def all_answered(line: Socket, requests: list[int], which: str = "heard") -> Counter[str]:
    eventually(lambda: set(requests) <= line.answers(which).keys(), what="every request is answered")
    answers = line.answers(which)
    return Counter(answers[request] for request in requests)


def test_a_hostile_agent_and_a_hostile_server_change_nothing(tmp_path: Path, tapped: Browsers) -> None:
    with company(1) as made, serving(made, tmp_path, f"control_ttl_s = {GRANT_S}") as server:
        customer, agent = chat_at(tapped, server, made.origins[0] + "/first")
        seen = shared(customer, agent)
        customer.page.evaluate(LAB)
        customer.page.evaluate(MORE)
        hand = Hand(customer, agent, seen)
        line, theirs = Socket(agent.page), Socket(customer.page)
        # No grant was ever given.
        nothing = line.send(*[(grant, 10_000, 3, "click", 0.5, 0.5) for grant in ("", "g_guess", "1" * 32)])
        assert all_answered(line, nothing) == {"control_not_granted": 3}
        control(customer, agent)
        given = time.monotonic()
        customer.page.get_by_role("button", name="Close chat").first.click()
        customer.page.mouse.move(900, 700)
        customer.page.wait_for_timeout(1_100)
        ids, grant, seen_seq = learnt(hand, "press", "name", *FORBIDDEN)
        hand.does("press", "name x")
        customer.page.evaluate("window.__done.length = 0")

        def attempts(kinds: tuple[str, ...] = ("click", "type")) -> list[tuple[Any, ...]]:
            values = {"click": (0.5, 0.5), "type": ("stolen",)}
            return [(grant, seen_seq, ids[n], kind, *values[kind]) for n in FORBIDDEN for kind in kinds] * 5

        # Parts that are nobody's but the customer's, and what was not granted: by both judges.
        for send, side, which in ((line.send, line, "heard"), (theirs.receive, theirs, "sent")):
            forbidden = send(*attempts())
            found = all_answered(side, forbidden, which)
            assert found == {"control_forbidden_target": len(forbidden)}, (which, found)
            other = send(*[(grant, seen_seq, ids["press"], "navigate", "/elsewhere")] * 20)
            assert all_answered(side, other, which) == {"control_not_granted": 20}
            wrong = send(*[("g_of_another", seen_seq, ids["press"], "click", 0.5, 0.5)] * 20)
            assert all_answered(side, wrong, which) == {"control_not_granted": 20}
        assert hand.done == []
        # Too late.
        wait = GRANT_S - (time.monotonic() - given)
        assert wait > 0, "the test itself took too long"
        expect(agent.button("Ask to control")).to_be_visible(timeout=(wait + 5) * 1_000)
        for send, side, which in ((line.send, line, "heard"), (theirs.receive, theirs, "sent")):
            late = send(*[(grant, seen_seq, ids["press"], "click", 0.5, 0.5)] * 20)
            assert all_answered(side, late, which) == {"control_not_granted": 20}
        assert hand.done == [] and customer.page.url.endswith("/first")


def test_a_grant_taken_back_in_a_flood_of_clicks_stops_them_within_one(
    tmp_path: Path, tapped: Browsers
) -> None:
    with company(1) as made, serving(made, tmp_path) as server:
        customer, agent = chat_at(tapped, server, made.origins[0] + "/first")
        seen = shared(customer, agent)
        customer.page.evaluate(LAB)
        hand = Hand(customer, agent, seen)
        line = Socket(agent.page)
        for ending in ("the customer's button", "the agent's own end"):
            control(customer, agent)
            customer.page.mouse.move(900, 700)
            customer.page.wait_for_timeout(1_100)
            ids, grant, _ = learnt(hand, "press")
            line.flood(grant, 10_000_000, ids["press"], "click", 0.5, 0.5)
            eventually(lambda: len(hand.done) > 100, what="the flood arrives")
            if ending == "the agent's own end":
                agent.button("End control").click()
                expect(customer.page.locator("[data-granted=control]")).to_have_count(0)
                before = len(hand.done)
            else:
                before = customer.page.evaluate(STOP)
            customer.page.wait_for_timeout(1_500)
            assert len(hand.done) - before <= 1, ending
            expect(customer.page.locator("[data-granted=control]")).to_have_count(0)
            codes = Counter(code for _, code in line.verdicts())
            assert codes["control_not_granted"] > 50, codes
            agent.page.evaluate("for (let id = 1; id < 10000; id += 1) clearInterval(id)")
            customer.page.evaluate("window.__done.length = 0")
