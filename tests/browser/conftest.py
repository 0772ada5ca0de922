"""A real server with the demo company, and real Chromium with microphones that play known tones."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, expect, sync_playwright

from benchmarks.camera import write_camera
from benchmarks.chromium import FLAGS, chromium_path
from tests.browser.tones import LISTEN, SPY, write_tone
from tests.server_process import BENCH_TOKEN, ROOT, Server, start, talknow

VISITOR_HZ = 660
AGENT_HZ = 1_320
PASSWORD = "correct horse battery staple"
# How long what is to be seen may take on a busy machine: how soon it comes is measured in benchmarks.
PATIENCE_S = 15
expect.set_options(timeout=PATIENCE_S * 1_000)
CHROMIUM_FLAGS = [*FLAGS, "--disable-quic", "--disable-component-update", "--disable-sync"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(90))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One per test: nobody waits in it from before."""
    running = start(tmp_path, "--demo", "--bench-token", BENCH_TOKEN)
    yield running
    assert running.count("talknow_cobrowse_drifts") == 0, (
        "a page and the server's copy of it were not the same"
    )
    assert running.stop() == 0
    assert "Traceback" not in running.log
    assert '"level": "ERROR"' not in running.log, running.log


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


def launch(playwright: Playwright, tone: Path, camera: Path | None = None) -> Browser:
    """A browser whose microphone plays `tone`, its camera `camera` or else Chromium's own test picture."""
    flags = [*CHROMIUM_FLAGS, f"--use-file-for-fake-audio-capture={tone}"]
    if camera is not None:
        flags.append(f"--use-file-for-fake-video-capture={camera}")
    return playwright.chromium.launch(executable_path=chromium_path(), headless=True, args=flags)


@pytest.fixture(scope="session")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_camera(tmp_path_factory.mktemp("camera") / "grain.y4m")


@pytest.fixture(scope="session")
def visitor_browser(
    playwright: Playwright, tmp_path_factory: pytest.TempPathFactory, camera: Path
) -> Iterator[Browser]:
    with speaking(playwright, tmp_path_factory, VISITOR_HZ, camera) as browser:
        yield browser


@pytest.fixture(scope="session")
def agent_browser(
    playwright: Playwright, tmp_path_factory: pytest.TempPathFactory, camera: Path
) -> Iterator[Browser]:
    with speaking(playwright, tmp_path_factory, AGENT_HZ, camera) as browser:
        yield browser


@contextmanager
def speaking(
    playwright: Playwright, directories: pytest.TempPathFactory, hz: int, camera: Path
) -> Iterator[Browser]:
    browser = launch(playwright, write_tone(directories.mktemp("tone") / f"{hz}.wav", hz), camera)
    yield browser
    browser.close()


@dataclass
class Opened:
    """Contexts made by a test, closed after it; console errors of their pages fail the test."""

    contexts: list[BrowserContext] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    expected: str = r"Failed to load resource|net::ERR_"

    def context(self, browser: Browser, *, width: int = 1280, height: int = 860) -> BrowserContext:
        context = browser.new_context(viewport={"width": width, "height": height})
        context.grant_permissions(["microphone", "camera"])
        for script in (SPY, *self.scripts):
            context.add_init_script(script)
        context.set_default_timeout(PATIENCE_S * 1_000)
        context.on("page", self.watch)
        self.contexts.append(context)
        return context

    def page(self, browser: Browser, *, width: int = 1280, height: int = 860) -> Page:
        return self.context(browser, width=width, height=height).new_page()

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda entry: self._console(entry.type, entry.text))

    def _console(self, kind: str, text: str) -> None:
        if kind == "error" and not re.search(self.expected, text):
            self.errors.append(text)


@pytest.fixture
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    made = Opened()
    yield made
    shots = ROOT / "test-results"
    for number, context in enumerate(made.contexts):
        for tab, page in enumerate(context.pages):
            shots.mkdir(exist_ok=True)
            page.screenshot(path=shots / f"{request.node.name}-{number}-{tab}.png")
        context.close()
    assert not made.errors, made.errors


class Agent:
    """The softphone of one agent, driven by what a person sees."""

    def __init__(
        self, page: Page, server: Server, login: str, name: str, role: str = "agent", *, site: str = "demo"
    ) -> None:
        self.page = page
        self._server = server
        who = ("--login", login, "--name", name, "--role", role, "--site", site)
        account = (*server.accounts, *who, "--password-stdin")
        talknow("agent", "add", *account, text=PASSWORD)
        page.goto(f"{server.url}/desk/")
        page.get_by_role("textbox", name="Login").fill(login)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        self.available("Ready")

    def available(self, what: str) -> None:
        make_available(self.page, what)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def accept(self) -> None:
        self.page.get_by_role("button", name="Accept").first.click()

    def say(self, text: str) -> None:
        self.page.get_by_role("textbox", name="Message").fill(text)
        self.page.get_by_role("button", name="Send").click()

    def end(self) -> None:
        self.button("End").click()
        self.page.get_by_role("button", name="Done").click()

    def call_state(self) -> str:
        return _call_state(self.page)


def make_available(page: Page, what: str = "Ready") -> None:
    """Choose, once the softphone is connected; it shows what the server has accepted."""
    radio = page.get_by_role("radio", name=what)
    radio.wait_for(state="attached")
    page.get_by_text("Connected", exact=True).first.wait_for()
    radio.click(force=True)
    expect(radio).to_be_checked()


class Customer:
    """The widget on a page of the demo company."""

    def __init__(self, page: Page, server: Server, path: str = "/", *, url: str = "") -> None:
        self.page = page
        self.server = server
        page.goto(url or server.demo + path)

    def open(self) -> None:
        self.page.get_by_role("button", name="Open chat").click()
        self.message.wait_for()

    @property
    def message(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message")

    @property
    def panel(self) -> Locator:
        return self.page.get_by_role("dialog", name="Chat")

    def button(self, name: str) -> Locator:
        return self.panel.get_by_role("button", name=name, exact=True)

    def say(self, text: str) -> None:
        self.message.fill(text)
        self.message.press("Enter")

    def talk(self) -> None:
        self.button("Talk now").first.click()

    def call_state(self) -> str:
        return _call_state(self.page)


@dataclass(frozen=True)
class Browsers:
    """Whose microphone plays what: one browser for customers, one for agents."""

    visitor: Browser
    agent: Browser
    opened: Opened

    def chat(self, server: Server, path: str = "/") -> tuple[Customer, Agent]:
        """A customer who wrote, and the agent who took it."""
        customer, agent = self._people(server, path)
        customer.say("Hello, may I ask something?")
        agent.accept()
        expect(agent.page.get_by_text("Hello, may I ask something?").first).to_be_visible()
        return customer, agent

    def call(self, server: Server, path: str = "/") -> tuple[Customer, Agent]:
        """A customer who clicked talk now before any chat, and the agent who took it: they talk."""
        customer, agent = self._people(server, path)
        customer.talk()
        agent.accept()
        connected(customer, agent)
        return customer, agent

    def _people(self, server: Server, path: str) -> tuple[Customer, Agent]:
        agent = Agent(self.opened.page(self.agent), server, "tess", "Tess Lund")
        customer = Customer(self.opened.page(self.visitor), server, path)
        customer.open()
        return customer, agent


@pytest.fixture
def browsers(visitor_browser: Browser, agent_browser: Browser, opened: Opened) -> Browsers:
    return Browsers(visitor_browser, agent_browser, opened)


def _call_state(page: Page) -> str:
    found = page.locator("[data-call-state]")
    return str(found.first.get_attribute("data-call-state")) if found.count() else "none"


def connected(*sides: Agent | Customer) -> None:
    eventually(lambda: all(side.call_state() == "connected" for side in sides), what="call is connected")


def loudness(page: Page, *, ms: int = 600, tones: Sequence[int] = (VISITOR_HZ, AGENT_HZ)) -> dict[int, float]:
    """dBFS of each tone in what this page receives, best within `ms`."""
    tones = list(tones)
    heard = page.evaluate(LISTEN, {"frequencies": tones, "ms": ms})
    return dict(zip(tones, heard, strict=True))


def hears(page: Page, hz: int, *, seconds: float = PATIENCE_S) -> None:
    """The page receives the tone `hz`, and not the other one (its own)."""
    other = AGENT_HZ if hz == VISITOR_HZ else VISITOR_HZ

    def heard() -> bool:
        levels = loudness(page)
        return levels[hz] > -60 and levels[other] < levels[hz] - 20

    eventually(heard, seconds=seconds, what=f"{hz} Hz is heard, {other} Hz is not")


def both_hear(customer: Customer, agent: Agent, *, seconds: float = PATIENCE_S) -> None:
    """Each the other."""
    hears(agent.page, VISITOR_HZ, seconds=seconds)
    hears(customer.page, AGENT_HZ, seconds=seconds)


def eventually(check: Callable[[], bool], *, seconds: float = PATIENCE_S, what: str = "condition") -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
