"""A real server with the demo company, and real Chromium with microphones that play known tones."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from tests.browser.tones import LISTEN, SPY, write_tone

ROOT = Path(__file__).parents[2]
VISITOR_HZ = 660
AGENT_HZ = 1_320
PASSWORD = "correct horse battery staple"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(90))


def free_block(size: int) -> int:
    """A port P such that P..P+size-1 are free for TCP (and P for UDP) just now."""
    for start in range(21_000, 60_000, 50):
        port = start + os.getpid() % 40
        try:
            for offset in range(size):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(socket.AF_INET, kind) as probe:
                        probe.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        return port
    raise RuntimeError("no free block of ports")


@dataclass
class Server:
    """A running `talknow serve --demo` with its own data directory."""

    port: int
    data: Path
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def demo(self) -> str:
        return f"http://127.0.0.1:{self.port + 1}"

    def add_agent(self, login: str, name: str, site: str = "demo", capacity: int = 3) -> None:
        command = ["agent", "add", "--data", str(self.data), "--login", login, "--name", name, "--site", site]
        talknow([*command, "--capacity", str(capacity), "--password-stdin"], text=PASSWORD)


def talknow(arguments: list[str], text: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "server", *arguments], cwd=ROOT, input=text, capture_output=True, text=True
    )
    assert done.returncode == 0, f"talknow {arguments[0]}: {done.stdout}{done.stderr}"
    return done.stdout


def start_server(data: Path, *extra: str, port: int = 0) -> Server:
    port = port or free_block(3)
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "serve", "--demo", "--port", str(port), "--data", str(data), *extra],
        cwd=ROOT,
        stdout=(data / "server.log").open("a"),
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = Server(port, data, process)
    deadline = time.monotonic() + 20
    while True:
        assert process.poll() is None, (data / "server.log").read_text()
        try:
            with urllib.request.urlopen(f"{server.url}/readyz", timeout=1) as answer:
                if answer.status == 200:
                    return server
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert time.monotonic() < deadline, (data / "server.log").read_text()
            time.sleep(0.05)


def stop_server(server: Server) -> None:
    server.process.terminate()
    server.process.wait(10)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start_server(tmp_path_factory.mktemp("talknow"))
    yield running
    stop_server(running)
    log = (running.data / "server.log").read_text()
    assert "Traceback" not in log, log


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


def launch(playwright: Playwright, tone: Path) -> Browser:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "no Chromium: run `make setup-test`"
    flags = [*CHROMIUM_FLAGS, f"--use-file-for-fake-audio-capture={tone}"]
    return playwright.chromium.launch(executable_path=chromium, headless=True, args=flags)


@pytest.fixture(scope="session")
def visitor_browser(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = launch(playwright, write_tone(tmp_path_factory.mktemp("tone") / "visitor.wav", VISITOR_HZ))
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def agent_browser(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = launch(playwright, write_tone(tmp_path_factory.mktemp("tone") / "agent.wav", AGENT_HZ))
    yield browser
    browser.close()


@dataclass
class Opened:
    """Contexts made by a test, closed after it; console errors of their pages fail the test."""

    contexts: list[BrowserContext] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def page(self, browser: Browser, *, width: int = 1280, height: int = 860) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        context.grant_permissions(["microphone", "camera"])
        context.add_init_script(SPY)
        context.set_default_timeout(10_000)
        self.contexts.append(context)
        return self.watch(context.new_page())

    def watch(self, page: Page) -> Page:
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda entry: self._console(entry.type, entry.text))
        return page

    def _console(self, kind: str, text: str) -> None:
        if kind == "error" and not re.search(r"Failed to load resource", text):
            self.errors.append(text)


@pytest.fixture
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    made = Opened()
    yield made
    shots = ROOT / "test-results"
    for number, context in enumerate(made.contexts):
        for page in context.pages:
            shots.mkdir(exist_ok=True)
            page.screenshot(path=shots / f"{request.node.name}-{number}.png")
        context.close()
    assert not made.errors, made.errors


def loudness(page: Page, *, ms: int = 900) -> dict[int, float]:
    """dBFS of each side's tone in what this page receives, best within `ms`."""
    tones = [VISITOR_HZ, AGENT_HZ]
    heard = page.evaluate(LISTEN, {"frequencies": tones, "ms": ms})
    return dict(zip(tones, heard, strict=True))


def eventually(check: Callable[[], bool], *, seconds: float = 10, what: str = "condition") -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
