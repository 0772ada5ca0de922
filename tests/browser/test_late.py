"""A shared page whose second part comes late, or never: nothing that changed is lost or shown too soon."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Browsers, eventually
from tests.browser.test_cobrowse import shared
from tests.server_process import Server

LATER = re.compile(r"/assets/live-[\w-]+\.js$")
SECRET = "my-maiden-name-4711"

PREPARE = """() => {
  const add = (tag, id, parts = {}) => {
    const made = Object.assign(document.createElement(tag), { id, ...parts });
    document.body.prepend(made);
    return made;
  };
  add('p', 'gone', { textContent: 'goes' });
  add('p', 'text', { textContent: 'before' });
  add('p', 'ruled', { textContent: 'ruled' });
  add('p', 'adopted', { textContent: 'adopted' });
  add('div', 'host');
  add('input', 'typed');
  add('input', 'box', { type: 'checkbox' }).setAttribute('data-talknow-show', '');
  add('dialog', 'dialog', { textContent: 'asked' });
  const area = add('div', 'area');
  area.style.cssText = 'height:60px;overflow:auto';
  area.append(Object.assign(document.createElement('div'), { textContent: 'long' }));
  area.firstChild.style.height = '900px';
  window.probe = new CSSStyleSheet();
  probe.replaceSync('#ruled{color:rgb(1, 1, 1)}');
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, probe];
}"""

CHANGE = """secret => {
  const by = id => document.getElementById(id);
  by('gone').remove();
  by('text').textContent = 'after';
  by('text').title = 'told';
  const fresh = Object.assign(document.createElement('p'), { id: 'fresh', textContent: 'fresh' });
  document.body.prepend(fresh);
  by('host').attachShadow({ mode: 'closed' }).append('in the shadow');
  by('box').checked = true;
  by('dialog').showModal();
  by('area').scrollTop = 300;
  probe.cssRules[0].style.color = 'rgb(2, 2, 2)';
  const other = new CSSStyleSheet();
  other.replaceSync('#adopted{color:rgb(3, 3, 3)}');
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, other];
  // Typed and taken away again: what repeats it stays hidden.
  by('typed').value = secret;
  fresh.title = 'Hello ' + secret;
  by('typed').value = '';
}"""


def hold(page: Page) -> list[Route]:
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.context.route(LATER, keep)
    return held


def test_what_changed_before_the_second_part_came_is_shown_when_it_comes(
    server: Server, browsers: Browsers
) -> None:
    customer, agent = browsers.chat(server)
    customer.page.evaluate(PREPARE)
    held = hold(customer.page)
    seen = shared(customer, agent)
    expect(seen.locator("#text")).to_have_text("before")
    eventually(lambda: bool(held), what="the second part is asked for")
    customer.page.evaluate(CHANGE, SECRET)
    assert seen.locator("#text").inner_text() == "before"
    held[0].continue_()
    expect(seen.locator("#text")).to_have_text("after")
    expect(seen.locator("#text")).to_have_attribute("title", "told")
    expect(seen.locator("#gone")).to_have_count(0)
    expect(seen.locator("#fresh")).to_have_attribute("title", re.compile("^Hello •+$"))
    expect(seen.locator("#host")).to_contain_text("in the shadow")
    expect(seen.locator("#dialog")).to_be_visible()
    expect(seen.locator("#box")).to_be_checked()
    expect(seen.locator("#ruled")).to_have_css("color", "rgb(2, 2, 2)")
    expect(seen.locator("#adopted")).to_have_css("color", "rgb(3, 3, 3)")
    top = seen.locator("#area")
    eventually(lambda: abs(top.evaluate("area => area.scrollTop") - 300) < 2, what="the area is scrolled")
    assert SECRET not in server.log


def test_a_second_part_that_fails_is_asked_for_again(server: Server, browsers: Browsers) -> None:
    customer, agent = browsers.chat(server)
    refused: list[str] = []

    def once(route: Route) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.abort()

    customer.page.context.route(LATER, once)
    seen = shared(customer, agent)
    customer.page.evaluate("document.querySelector('h1').textContent = 'Changed meanwhile'")
    expect(seen.get_by_text("Changed meanwhile")).to_be_visible()
    assert refused


def test_without_its_second_part_a_page_is_not_shown_for_long(server: Server, browsers: Browsers) -> None:
    customer, agent = browsers.chat(server)
    customer.page.context.route(LATER, lambda route: route.abort())
    shared(customer, agent)
    expect(customer.page.locator("[data-sharing=live]")).to_have_count(0, timeout=20_000)
