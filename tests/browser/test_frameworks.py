"""Small real apps of React, Vue, Svelte and none, under a strict policy and Trusted Types, are shared."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Agent, Browsers, Customer, eventually
from tests.browser.test_cobrowse import shared
from tests.browser.test_control import WAIT_MS, Hand
from tests.browser.test_convergence import OUTLINE, inner
from tests.server_process import ROOT, Server

APPS = ("plain", "react", "vue", "svelte")


@pytest.fixture(scope="session")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The apps, built from their npm packages."""
    target = tmp_path_factory.mktemp("apps")
    subprocess.run(["node", "apps/build.mjs", str(target)], cwd=ROOT / "web_client", check=True, timeout=120)
    return target


def serve(page: Page, server: Server, app: Path) -> None:
    """The app on the demo company's origin, with the policy of its own pages."""
    policy = page.request.get(server.demo).headers["content-security-policy"]
    assert "require-trusted-types-for" in policy
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{app.stem}</title>'
        f'<script src="{server.url}/talknow.js" data-site="demo"></script></head>'
        f'<body><main id="lab"></main><script src="/{app.name}"></script></body></html>'
    )

    def answer(route: Route) -> None:
        if route.request.url.endswith(".js"):
            route.fulfill(path=app, content_type="text/javascript")
        else:
            route.fulfill(body=text, content_type="text/html", headers={"Content-Security-Policy": policy})

    page.route(f"{server.demo}/{app.stem}.html", answer)
    page.route(f"{server.demo}/{app.name}", answer)


@pytest.mark.parametrize("name", APPS)
def test_an_app_is_seen_as_it_is_and_filled_in_together(
    server: Server, browsers: Browsers, apps: Path, name: str
) -> None:
    page = browsers.opened.page(browsers.visitor)
    # A page that the test itself answers counts as one from elsewhere, which may not ask loopback.
    page.context.grant_permissions(["microphone", "camera", "local-network-access"])
    serve(page, server, apps / f"{name}.js")
    agent = Agent(browsers.opened.page(browsers.agent), server, "tess", "Tess Lund")
    customer = Customer(page, server, f"/{name}.html")
    customer.open()
    customer.say("Hello")
    agent.accept()
    seen = shared(customer, agent)
    page.get_by_role("button", name="Close chat").first.click()

    for press in ("add", "turn", "add", "go", "go", "add", "turn", "go", "go"):
        page.locator(f"#{press}").click()
    expect(seen.locator("li")).to_have_text(page.locator("li").all_inner_texts())
    frame = inner(agent.page)
    eventually(lambda: frame.evaluate(OUTLINE) == page.evaluate(OUTLINE), what="the same tree on both sides")
    # The server's second look finds nothing in what frameworks write, and refuses nothing of it.
    assert server.count("talknow_cobrowse_frames") > 0
    assert server.interventions() == {}

    agent.button("Ask to control").click()
    page.get_by_role("button", name="Allow").click()
    agent.button("Control").click()
    page.wait_for_timeout(WAIT_MS)
    hand = Hand(customer, agent, seen)
    hand.write("#name", "Ann")
    expect(page.locator("#typed")).to_have_text("typed 3")
    expect(page.locator("#name")).to_have_value("Ann")
    hand.on("#go")
    expect(seen.get_by_text("Another page")).to_be_visible()
