"""`talknow bench navigation`: how long voice is missing when the customer's page changes in mid-call.

A real server, the real widget in Chromium on pages of a company with an origin of its own, and an agent with
a real leg. `up` is the longest break in the customer's packets at the agent, from the last of the old path to
the first of the new; `down` is from `pagehide` to the first audio at playout in the new page. What lies
between is told by the marks that the widget sets for everybody (`talknow:…`, docs/embed.md).
With soft navigation no page changes: there `up` is the longest break if it is longer than three packets, else
0, and `down` is what the page's receiver had to conceal; `journey.navigation_spacing_ms` is the longest time
between two packets as it was, the normal 20 ms included.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
from msgspec import Struct, field
from playwright.async_api import Error as BrowserError
from playwright.async_api import Page, async_playwright
from rich.progress import Progress

from benchmarks import harness
from benchmarks.chromium import FLAGS, chromium_path
from benchmarks.impairment import Profile
from benchmarks.journey import free_port, own_server
from benchmarks.media_source import tone_packets
from benchmarks.navigation_pages import SITE, Company, company
from benchmarks.relay import LOOPBACK, UdpRelay
from benchmarks.relay_tcp import TcpRelay
from benchmarks.session_client import LegClient, Person, agents
from media.sounds import encode, pulse

SPY = (Path(__file__).parent / "pages" / "spy.js").read_text()
PARTS = ("script", "microphone", "connected")
BETWEEN_S = 0.5
# Asking a new page anything makes it read 300 kB of the driver's script, 16 ms of its main thread.
ALONE_S = 0.5
DEADLINE_S = 10.0
BEFORE_MS = 60.0

BREAK_MS = 60.0
# Follow the link in place; milliseconds of sound that were concealed from the click to 300 ms after it.
FOLLOW = """async () => {
  const concealed = async () => {
    let samples = 0;
    for (const pc of window.__bench.pcs)
      (await pc.getStats()).forEach((s) => {
        if (s.type === "inbound-rtp" && s.kind === "audio") samples += s.concealedSamples || 0;
      });
    return samples;
  };
  const before = await concealed();
  await new Promise((resolve) => {
    document.addEventListener("talknow:navigated", () => setTimeout(resolve, 300), { once: true });
    document.getElementById("next").click();
  });
  return (await concealed() - before) / 48;
}"""

# What the page reports when it hears: milliseconds after the pagehide of the page before.
REPORT = """() => {
  const left = window.__bench.left;
  const at = (name) => performance.getEntriesByName(`talknow:${name}`)[0]?.startTime;
  const part = (name) => at(name) === undefined ? null : performance.timeOrigin + at(name) - left;
  return { left, down: window.__bench.heard - left,
           script: part("script"), microphone: part("microphone"), connected: part("connected") };
}"""


class Walk(Struct, frozen=True):
    """Navigations of one kind, as many as `times`."""

    snippet: str
    weight: str
    how: str
    times: int


class Gaps(Struct):
    """What one walk measured, in milliseconds; lost: calls that did not come back."""

    up: list[float] = field(default_factory=list)
    down: list[float] = field(default_factory=list)
    spacing: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in PARTS})
    lost: int = 0


WALKS = (
    Walk("head", "light", "link", 50),
    Walk("head", "light", "reload", 30),
    Walk("head", "heavy", "link", 20),
    Walk("async", "light", "link", 50),
    Walk("soft", "light", "link", 20),
)


class _Voices:
    """All packets but those the server plays itself while the other side is away."""

    def __init__(self) -> None:
        self._tone = frozenset(encode(pulse()))

    def __contains__(self, payload: object) -> bool:
        return payload not in self._tone


class Call:
    """The widget in a page, in a call with the bench's agent."""

    def __init__(self, page: Page, agent: Person, pages: Company) -> None:
        self._page = page
        self._agent = agent
        self._pages = pages
        self._leg: LegClient | None = None
        # Both clocks are read together: the page's marks are wall-clock time.
        self._wall_ms = time.time() * 1e3 - time.perf_counter_ns() / 1e6

    async def begin(self, snippet: str, weight: str) -> None:
        """From the first click to the first packets at the agent."""
        offers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        def heard(name: str, data: Any, _: int) -> None:
            if name == "offer.made":
                offers.put_nowait(data)

        self._agent.on_event = heard
        await self._page.goto(f"{self._pages.origin}/{snippet}/{weight}?0")
        await self._page.get_by_role("button", name="Open chat").click()
        await self._page.get_by_role("button", name="Talk now", exact=True).first.click()
        offer = await offers.get()
        await self._agent.command("offer.accept", engagement=offer["engagement"], offer=offer["offer"])
        leg = self._leg = self._agent.leg(offer["engagement"])
        leg.speak(tone_packets(), _Voices())
        await leg.heard.wait()
        await self._page.wait_for_function("window.__bench.heard > 0", timeout=DEADLINE_S * 1e3)

    async def navigate(self, walk: Walk, gaps: Gaps) -> None:
        """One page change. Raises: TimeoutError, BrowserError when the call does not come back."""
        assert self._leg is not None
        arrivals: list[int] = []
        self._leg.arrivals_ns = arrivals
        await asyncio.sleep(BETWEEN_S)
        if walk.how == "reload":
            click = "setTimeout(() => location.reload(), 0)"
        else:
            click = "setTimeout(() => document.getElementById('next').click(), 0)"
        async with self._page.expect_navigation(wait_until="commit"):
            await self._page.evaluate(click)
        await asyncio.sleep(ALONE_S)
        await self._heard()
        report = await self._page.evaluate(REPORT)
        left_ns = (report["left"] - self._wall_ms - BEFORE_MS) * 1e6
        async with asyncio.timeout(DEADLINE_S):
            while not self._came_back(arrivals, report):  # noqa: ASYNC110 - stamps are taken elsewhere
                await asyncio.sleep(0.02)
        late = [at for at in arrivals if at >= left_ns]
        gaps.up.append(max((after - before) / 1e6 for before, after in pairwise(late)))
        gaps.down.append(report["down"])
        for name in PARTS:
            gaps.parts[name].append(report[name])

    async def navigate_softly(self, gaps: Gaps) -> None:
        """One link followed in place. Raises: TimeoutError, BrowserError."""
        assert self._leg is not None
        arrivals: list[int] = []
        self._leg.arrivals_ns = arrivals
        await asyncio.sleep(BETWEEN_S)
        concealed = await self._page.evaluate(FOLLOW)
        await asyncio.sleep(0.1)
        longest = max((after - before) / 1e6 for before, after in pairwise(arrivals))
        gaps.spacing.append(longest)
        gaps.up.append(longest if longest > BREAK_MS else 0.0)
        gaps.down.append(concealed)

    def _came_back(self, arrivals: list[int], report: dict[str, float]) -> bool:
        """Packets of the customer have arrived for 200 ms after the new page was heard and connected."""
        settled_ms = report["left"] + max(report["down"], report["connected"]) + 200 - self._wall_ms
        return bool(arrivals) and arrivals[-1] / 1e6 > settled_ms

    async def _heard(self) -> None:
        ready = "window.__bench && window.__bench.heard > 0 && ['microphone', 'connected'].every("
        ready += "(name) => performance.getEntriesByName(`talknow:${name}`).length > 0)"
        await self._page.wait_for_function(ready, timeout=DEADLINE_S * 1e3)


class Bench(Struct):
    """One server, one browser; every walk is a call of its own."""

    url: str
    token: str
    pages: Company
    bar: Progress

    async def run(self, walks: list[Walk]) -> list[tuple[Walk, Gaps]]:
        found = []
        async with (
            async_playwright() as driver,
            await driver.chromium.launch(executable_path=chromium_path(), args=FLAGS) as browser,
            aiohttp.ClientSession() as http,
        ):
            (agent,) = await agents(self.url, http, self.token, 1, 100)
            try:
                for walk in walks:
                    async with await browser.new_context(permissions=["microphone"]) as context:
                        await context.add_init_script(SPY)
                        found.append((walk, await self._walk(await context.new_page(), agent, walk)))
            finally:
                await agent.close()
        return found

    async def _walk(self, page: Page, agent: Person, walk: Walk) -> Gaps:
        task = self.bar.add_task(f"{walk.snippet}, {walk.weight}, {walk.how}", total=walk.times)
        gaps = Gaps()
        call = Call(page, agent, self.pages)
        async with asyncio.timeout(DEADLINE_S * 2):
            await call.begin(walk.snippet, walk.weight)
        for _ in range(walk.times):
            try:
                await (call.navigate_softly(gaps) if walk.snippet == "soft" else call.navigate(walk, gaps))
            except (TimeoutError, BrowserError):
                gaps.lost += 1
            self.bar.advance(task)
        return gaps


@contextlib.asynccontextmanager
async def far_server(token: str, rtt_ms: float, pages: Company) -> AsyncIterator[str]:
    """A server `rtt_ms` away from the browser, in media and in HTTP; the agent is beside it. Its URL."""
    port = free_port()
    half = Profile(delay_s=rtt_ms / 2_000)
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="talknow-bench-"))
        config = Path(folder) / "talknow.toml"
        config.write_text(f'[sites.{SITE}]\nname = "Bench"\norigins = ["{pages.origin}"]\n')
        flags = ["--config", str(config)]
        pages.server = f"http://{LOOPBACK}:{port}"
        if rtt_ms > 0:
            udp = await stack.enter_async_context(UdpRelay((LOOPBACK, port), up=half, down=half))
            tcp = await stack.enter_async_context(TcpRelay((LOOPBACK, port), up=half, down=half))
            flags += ["--public-ip", LOOPBACK, "--public-udp-port", str(udp.port)]
            pages.server = f"http://{LOOPBACK}:{tcp.port}"
        url, _ = await stack.enter_async_context(own_server(token, *flags, port=port))
        yield url


async def measure(options: argparse.Namespace) -> list[harness.Row]:
    token = secrets.token_urlsafe(24)
    walks = [
        Walk(one.snippet, one.weight, one.how, max(1, round(one.times * options.share))) for one in WALKS
    ]
    async with contextlib.AsyncExitStack() as stack:
        pages = await stack.enter_async_context(company())
        url = await stack.enter_async_context(far_server(token, options.rtt, pages))
        bar = stack.enter_context(harness.progress())
        found = await Bench(url, token, pages, bar).run(walks)
    rows: list[harness.Row] = []
    for walk, gaps in found:
        rows += _rows(walk, gaps, options.rtt)
    lost = sum(gaps.lost for _, gaps in found)
    return [*rows, harness.count("journey.navigation_lost", "count", lost, {"rtt_ms": options.rtt})]


def _rows(walk: Walk, gaps: Gaps, rtt_ms: float) -> list[harness.Row]:
    params = {"snippet": walk.snippet, "page": walk.weight, "how": walk.how, "rtt_ms": rtt_ms}
    gap = "journey.navigation_gap_ms"
    sides = (("up", gaps.up), ("down", gaps.down))
    rows = [harness.row(gap, "ms", found, params | {"direction": side}) for side, found in sides if found]
    rows += [
        harness.row("journey.navigation_part_ms", "ms", found, params | {"until": name})
        for name, found in gaps.parts.items()
        if found
    ]
    if gaps.spacing:
        rows.append(harness.row("journey.navigation_spacing_ms", "ms", gaps.spacing, params))
    return rows


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="talknow bench navigation", description=__doc__)
    parser.add_argument("--rtt", type=float, default=0, help="emulated round trip to the server, in ms")
    parser.add_argument("--share", type=float, default=1.0, help="this share of the navigations")
    parser.add_argument("--json", help="append the rows to this file (- for standard output)")
    options = parser.parse_args(arguments)
    rows = asyncio.run(measure(options))
    harness.publish(rows, options.json)
    return 0 if rows[-1].value == 0 else 1
