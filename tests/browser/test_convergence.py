"""Random programs change the page in a real browser, over a link that loses messages; the viewer in another
one comes to the same picture.

Hypothesis draws rounds: several programs as data (`programs/mutate.js` does them), how bad the link is and
where it is cut; a round that fails is made smaller and printed. Between rounds the page begins anew
(`programs/lab.js`). Besides the picture (`programs/outline.js`) the server's own comparison of tree hashes
counts: one that differs, or a frame that it cannot use though none was lost, is a fault too.

A long run, in pieces of other programs each:
`TALKNOW_PROGRAMS=10000 TALKNOW_SEED=7 python -m pytest --timeout 0 tests/browser/test_convergence.py`.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from playwright.sync_api import Frame, Page, Route, expect

from tests.browser.conftest import Agent, Browsers, Customer, eventually
from tests.browser.message_relay import MessageRelay
from tests.browser.test_cobrowse import shared
from tests.server_process import Server

PROGRAMS = int(os.environ.get("TALKNOW_PROGRAMS", "100"))
SEED = int(os.environ.get("TALKNOW_SEED", "0"))
PER_ROUND = 5
STEPS = 12
WITHIN_S = 1.0
HERE = Path(__file__).parent / "programs"
LAB, MUTATE, OUTLINE = ((HERE / f"{name}.js").read_text() for name in ("lab", "mutate", "outline"))
# before anything is shared: the cobrowse socket goes through the relay
LEAD = """([from, to]) => {
  const Real = WebSocket;
  window.WebSocket = class extends Real {
    constructor(url, ...given) {
      const shared = String(url).includes("/v1/cobrowse");
      super(shared ? String(url).replace(`:${from}/`, `:${to}/`) : url, ...given);
      if (shared) window.__cobrowse = this;
    }
  };
}"""
WHOLE = "window.__cobrowse.readyState === WebSocket.OPEN"
PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Lab</title>'
    '<script src="{url}/talknow.js" data-site="demo"></script></head>'
    '<body style="min-height:3000px"><h1>Lab</h1></body></html>'
)

Step = tuple[str, int, int, int]


class Round(NamedTuple):
    """programs; harm: rate of messages lost, doubled or swapped; cut: after which program, if any.

    ends: how the link becomes whole, by another connection or by the next change on the page alone.
    """

    programs: list[list[Step]]
    harm: float
    cut: int | None
    ends: str


def rounds(names: list[str]) -> st.SearchStrategy[Round]:
    number = st.integers(0, 199)
    step = st.tuples(st.sampled_from(names), number, number, number)
    program = st.lists(step, min_size=1, max_size=STEPS)
    return st.builds(
        Round,
        programs=st.lists(program, min_size=1, max_size=PER_ROUND).filter(bool),
        harm=st.sampled_from([0.0, 0.05, 0.1, 0.2]),
        cut=st.one_of(st.none(), st.integers(0, PER_ROUND - 1)),
        ends=st.sampled_from(["touch", "cut"]),
    )


def _kept(*steps: tuple[str, int, int, int], harm: float = 0.0, cut: int | None = None) -> Round:
    return Round([list(steps)], harm, cut, "touch")


# what was found once, as small as it became
KEPT = (
    _kept(("ruleProperty", 0, 0, 22)),
    _kept(("adoptPush", 0, 0, 1), ("wait", 0, 0, 0), ("adoptEdit", 0, 0, 0)),
    _kept(("ruleAdd", 0, 0, 1), ("styleMove", 0, 3, 0), ("wait", 1, 0, 0), ("ruleSet", 0, 0, 3)),
    _kept(("select", 0, 0, 0), ("optionNew", 0, 0, 3), ("optionMove", 0, 0, 0)),
    _kept(("checkAttribute", 0, 0, 1), ("fieldNew", 5, 1, 1)),
    _kept(("kind", 0, 0, 3), ("wait", 1, 0, 0), ("kind", 0, 0, 0)),
    _kept(*(("markup", 5, 0, number) for number in range(8))),
    _kept(*(("tags", 5, 0, number) for number in range(8))),
    _kept(*(("tags", place, 0, number) for place in range(44, 4, -1) for number in range(2))),
    _kept(("scroll", 0, 50, 80), ("scrollPage", 0, 50, 80), ("wait", 2, 0, 0), ("into", 40, 3, 3), cut=0),
    _kept(("frameIn", 0, 0, 2), ("wait", 1, 0, 0), ("shadow", 9, 0, 3), ("frameMove", 0, 3, 0)),
    _kept(("modal", 0, 0, 0), ("wait", 2, 0, 0), ("reverse", 0, 0, 0), harm=0.2),
)


def inner(page: Page) -> Frame:
    return next(frame for frame in page.frames if frame.url.endswith("/inner.html"))


class Lab:
    """Both sides of one shared page, and the bad link between them."""

    def __init__(self, server: Server, browsers: Browsers, relays: tuple[MessageRelay, MessageRelay]) -> None:
        page = browsers.opened.page(browsers.visitor)
        # A page that the test itself answers counts as one from elsewhere, which may not ask loopback.
        page.context.grant_permissions(["microphone", "camera", "local-network-access"])
        page.route(f"{server.demo}/lab.html", lambda route: _answer(route, server.url))
        agent = Agent(browsers.opened.page(browsers.agent), server, "tess", "Tess Lund")
        customer = Customer(page, server, "/lab.html")
        customer.open()
        customer.say("Hello")
        agent.accept()
        self.page = page
        self.link, self._look = relays
        page.evaluate(LEAD, [server.port, self.link.port])
        agent.page.evaluate(LEAD, [server.port, self._look.port])
        seen = shared(customer, agent)
        page.get_by_role("button", name="Close chat").first.click()
        page.evaluate(LAB)
        expect(seen.locator("#lab")).to_be_attached()
        self._agent = agent.page
        self._seen = inner(agent.page)
        self._touched = 0
        self.programs = 0
        self.slowest_s = 0.0
        self._faults: Counter[str] = Counter()

    def names(self) -> list[str]:
        return sorted(self.page.evaluate(MUTATE, None))

    def run(self, what: Round) -> None:
        self.page.evaluate(LAB)
        self.link.harm = what.harm
        for number, program in enumerate(what.programs):
            self.page.evaluate(MUTATE, program)
            if number == what.cut:
                self.link.cut()
                self._look.cut()
            self.programs += 1
        self.link.harm = 0.0
        if what.ends == "cut":
            self.link.cut()
        for side in (self.page, self._agent):
            eventually(lambda side=side: bool(side.evaluate(WHOLE)), what="the link is whole again")  # type: ignore[misc]
        self._touched += 1
        self.page.evaluate("n => document.body.setAttribute('aria-label', `t${n}`)", self._touched)
        self._comes_to_the_same()

    def _comes_to_the_same(self) -> None:
        begun = time.monotonic()
        while (mine := self.page.evaluate(OUTLINE)) != (theirs := self._seen.evaluate(OUTLINE)):
            assert time.monotonic() < begun + WITHIN_S, _differs(mine, theirs)
            time.sleep(0.02)
        self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
        faults = Counter({name: self.link.counts[name] for name in ("NEED hash", "NEED invalid_diff")})
        new = +(faults - self._faults)
        self._faults = faults
        assert not new, f"{new} though the picture is the same"


def _answer(route: Route, url: str) -> None:
    route.fulfill(body=PAGE.format(url=url), content_type="text/html")


def _differs(mine: str, theirs: str) -> str:
    """The first lines that are not the same."""
    lines = zip(mine.split("\n"), theirs.split("\n"), strict=False)
    number, here, there = next(
        ((number, a, b) for number, (a, b) in enumerate(lines) if a != b), (-1, "", "")
    )
    return f"line {number}:\n{here}\n{there}\n\nall of it:\n{mine}\n---\n{theirs}"


@pytest.fixture
def relays(server: Server) -> Iterator[tuple[MessageRelay, MessageRelay]]:
    with MessageRelay(server.port, seed=SEED) as link, MessageRelay(server.port) as look:
        yield link, look


@pytest.mark.timeout(180)
def test_random_programs_end_in_the_same_picture(
    server: Server, browsers: Browsers, relays: tuple[MessageRelay, MessageRelay]
) -> None:
    lab = Lab(server, browsers, relays)
    lasting = settings(
        max_examples=PROGRAMS,
        derandomize=SEED == 0,
        database=None,
        deadline=None,
        # A long run has no time to make a round smaller: it tells it as it was drawn.
        phases=(Phase.generate,) if SEED else (Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )

    @lasting
    @given(rounds(lab.names()))
    def each(what: Round) -> None:
        if lab.programs < PROGRAMS + len(KEPT):
            lab.run(what)

    for what in KEPT:
        lab.run(what)
    (seed(SEED)(each) if SEED else each)()
    print(f"\n{lab.programs} programs, slowest {lab.slowest_s:.2f} s, {dict(lab.link.counts)}")
    assert lab.programs >= PROGRAMS + len(KEPT)
