"""Random programs change the page in a real browser; the viewer in another one comes to the same tree.

Every round the recorder's socket is cut in the middle: what was on its way is lost, changes go on meanwhile.

More of them: `TALKNOW_PROGRAMS=10000 python -m pytest --timeout 0 tests/browser/test_convergence.py`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from playwright.sync_api import Frame, Page

from tests.browser.conftest import Browsers, eventually
from tests.browser.test_cobrowse import shared
from tests.server_process import Server

PROGRAMS = int(os.environ.get("TALKNOW_PROGRAMS", "100"))
PER_ROUND = 5
STEPS = 12
WITHIN_S = 1.0
CATCH = """() => {
  const Real = WebSocket;
  window.WebSocket = class extends Real {
    constructor(...given) {
      super(...given);
      if (String(given[0]).includes("/v1/cobrowse")) window.__cobrowse = this;
    }
  };
}"""
WHOLE = "window.__cobrowse.readyState === WebSocket.OPEN"
HERE = Path(__file__).parent / "programs"
MUTATE, OUTLINE = (HERE / "mutate.js").read_text(), (HERE / "outline.js").read_text()


def inner(page: Page) -> Frame:
    return next(frame for frame in page.frames if frame.url.endswith("/inner.html"))


def test_random_programs_end_in_the_same_tree(server: Server, browsers: Browsers) -> None:
    customer, agent = browsers.chat(server)
    customer.page.evaluate(CATCH)
    shared(customer, agent)
    lab = "document.body.append(Object.assign(document.createElement('div'), { id: 'lab' }))"
    customer.page.evaluate(lab)
    seen = inner(agent.page)
    eventually(lambda: bool(seen.evaluate("document.getElementById('lab') !== null")), what="the lab is seen")
    for begin in range(0, PROGRAMS, PER_ROUND):
        for seed in range(begin, begin + PER_ROUND):
            customer.page.evaluate(MUTATE, [seed, STEPS])
            if seed % PER_ROUND == PER_ROUND // 2:
                customer.page.evaluate("window.__cobrowse.close()")
        eventually(lambda: bool(customer.page.evaluate(WHOLE)), what="the link is whole again")
        deadline = time.monotonic() + WITHIN_S
        while (mine := customer.page.evaluate(OUTLINE)) != (theirs := seen.evaluate(OUTLINE)):
            assert time.monotonic() < deadline, f"after seed {begin + PER_ROUND - 1}:\n{mine}\n{theirs}"
            time.sleep(0.02)
        customer.page.evaluate("document.getElementById('lab').replaceChildren()")
