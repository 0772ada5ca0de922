"""`talknow bench growing`: what two who talk notice when their call grows, in two real browsers.

First calls by the server: both turn their cameras on (a file with grain, which fills what it may); how long
until each page really sends 1.5 Mbit/s (`journey.sharp_s`). Then calls from browser to browser: a supervisor
joins to listen, so both go over to the server; the longest time without a new voice packet at playout in a
page, from half a second before to two seconds after (`journey.direct_to_anchored_ms`). The normal cadence of
20 ms is part of it. A page that stands still (`journey.page_stalled_ms`) sees a gap where none was.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from rich.progress import Progress

from benchmarks import harness
from benchmarks.camera import write_camera
from benchmarks.chromium import FLAGS, chromium_path
from benchmarks.journey import free_port, own_server
from benchmarks.navigation import SPY
from benchmarks.navigation_pages import SITE, Company, company
from benchmarks.relay import LOOPBACK
from benchmarks.session_client import Person

PASSWORD = secrets.token_urlsafe(12)
AGENT, SUPERVISOR = "agent", "supervisor"
SHARP_BPS = 1_500_000
SHARP_WITHIN_S = 30.0
DEADLINE_S = 15.0

# Seconds from now until the page's cameras have sent SHARP_BPS for half a second; null: not in time.
SHARP = """async ({ bps, within }) => {
  const sent = async () => {
    let bytes = 0;
    for (const pc of window.__bench.pcs)
      if (pc.connectionState === "connected")
        (await pc.getStats()).forEach((s) => {
          if (s.type === "outbound-rtp" && s.kind === "video") bytes += s.bytesSent || 0;
        });
    return [performance.now(), bytes];
  };
  const begin = performance.now();
  let before = await sent();
  while (performance.now() - begin < within * 1000) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const now = await sent();
    if ((now[1] - before[1]) * 8000 / (now[0] - before[0]) >= bps) return (now[0] - begin) / 1000;
    before = now;
  }
  return null;
}"""

# Whether voice comes from the other browser itself.
DIRECT = """() => window.__bench.pcs.some((pc) => pc.connectionState === "connected"
  && !pc.remoteDescription.sdp.includes("a=ice-lite")
  && pc.getReceivers().some((one) => one.getSynchronizationSources()
    .some((s) => performance.timeOrigin + performance.now() - s.timestamp < 200)))"""

# Every 4 ms the playout time of the latest voice packet, whichever way it came; until `__voice()` is called.
LISTEN = """() => {
  const times = [];
  let looked = performance.now(), stalled = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    stalled = Math.max(stalled, now - looked);
    looked = now;
    let latest = 0;
    for (const pc of window.__bench.pcs)
      if (pc.connectionState !== "closed")
        for (const one of pc.getReceivers())
          if (one.track.kind === "audio")
            for (const s of one.getSynchronizationSources()) latest = Math.max(latest, s.timestamp);
    if (latest > (times.at(-1) ?? 0)) times.push(latest);
  }, 4);
  window.__voice = () => {
    clearInterval(timer);
    let longest = 0;
    for (let at = 1; at < times.length; at++) longest = Math.max(longest, times[at] - times[at - 1]);
    return [longest, stalled];
  };
}"""


async def until(page: Page, condition: str) -> None:
    """Ask again and again: the softphone's policy lets nobody leave a watcher there. Raises: TimeoutError."""
    async with asyncio.timeout(DEADLINE_S):
        while not await page.evaluate(condition):  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(0.1)


class Pair:
    """A customer's page and an agent's softphone that talk, until the context ends."""

    def __init__(self, url: str, customer: Page, agent: Page) -> None:
        self._url = url
        self.customer = customer
        self.agent = agent

    @property
    def pages(self) -> tuple[Page, Page]:
        return self.customer, self.agent

    async def talk(self, pages: Company) -> str:
        """From the click to the connected call; returns the engagement."""
        await self.agent.goto(f"{self._url}/desk/")
        await self.agent.get_by_text("Connected", exact=True).first.wait_for()
        await self.agent.get_by_role("radio", name="Ready").click(force=True)
        await self.customer.goto(f"{pages.origin}/head/light?0")
        await self.customer.get_by_role("button", name="Open chat").click()
        await self.customer.get_by_role("button", name="Talk now", exact=True).first.click()
        await self.agent.get_by_role("button", name="Accept").first.click()
        for page in self.pages:
            await until(page, "window.__bench.heard > 0")
        return str(await self.agent.evaluate("sessionStorage.getItem('talknow:desk:selected')"))

    async def end(self) -> None:
        await self.agent.get_by_role("button", name="End", exact=True).click()
        await self.agent.get_by_role("button", name="Done").click()


class Bench:
    """Two browsers at one server."""

    def __init__(self, url: str, pages: Company, visitors: Browser, agents: Browser) -> None:
        self._url = url
        self._pages = pages
        self._visitors = visitors
        self._agents = agents

    @contextlib.asynccontextmanager
    async def pair(self) -> AsyncIterator[tuple[Pair, str]]:
        async with contextlib.AsyncExitStack() as stack:
            contexts = []
            for browser in (self._visitors, self._agents):
                context = await browser.new_context(permissions=["microphone", "camera"])
                stack.push_async_callback(context.close)
                await context.add_init_script(SPY)
                contexts.append(context)
            await self._log_in(contexts[1], AGENT)
            pair = Pair(self._url, *[await context.new_page() for context in contexts])
            yield pair, await pair.talk(self._pages)
            await pair.end()

    async def supervisor(self, http: aiohttp.ClientSession) -> Person:
        context = await self._agents.new_context()
        await self._log_in(context, SUPERVISOR)
        answer = await context.request.post(f"{self._url}/v1/agents/token", headers={"Origin": self._url})
        token = (await answer.json())["token"]
        await context.close()
        return Person(self._url, http, token, None)

    async def _log_in(self, context: BrowserContext, login: str) -> None:
        who = {"login": login, "password": PASSWORD}
        answer = await context.request.post(
            f"{self._url}/v1/agents/login", data=who, headers={"Origin": self._url}
        )
        if not answer.ok:
            raise RuntimeError(f"{login} cannot log in: {answer.status}")

    async def sharp(self) -> list[float | None]:
        """Seconds until each page sends SHARP_BPS after both cameras were asked for."""
        async with self.pair() as (pair, _):
            for page in pair.pages:
                await page.get_by_role("button", name="Turn camera on").click()
            asked = {"bps": SHARP_BPS, "within": SHARP_WITHIN_S}
            return list(await asyncio.gather(*[page.evaluate(SHARP, asked) for page in pair.pages]))

    async def anchored(self) -> list[list[float]]:
        """(longest silence, longest standstill) in ms of each page while a third person takes it to us."""
        async with self.pair() as (pair, engagement), aiohttp.ClientSession() as http:
            for page in pair.pages:
                await until(page, DIRECT)
            await asyncio.sleep(1)
            third = await self.supervisor(http)
            await third.connect()
            for page in pair.pages:
                await page.evaluate(LISTEN)
            await asyncio.sleep(0.5)
            await third.durable("engagement.join", engagement=engagement, mode="monitor")
            await asyncio.sleep(2)
            found = [list(await page.evaluate("window.__voice()")) for page in pair.pages]
            still: list[Any] = [await page.evaluate(DIRECT) for page in pair.pages]
            await third.close()
            if any(still):
                raise RuntimeError("the call did not leave the direct path")
            return found


@contextlib.asynccontextmanager
async def server(pages: Company, *, direct: bool) -> AsyncIterator[str]:
    """A server with an agent and a supervisor, whose site is `pages`. Its URL."""
    with tempfile.TemporaryDirectory(prefix="talknow-bench-") as folder:
        data, config = Path(folder) / "data", Path(folder) / "talknow.toml"
        lines = (f"[sites.{SITE}]", 'name = "Bench"', f'origins = ["{pages.origin}"]')
        config.write_text("\n".join((*lines, f"direct_calls = {str(direct).lower()}", "")))
        port = free_port()
        pages.server = f"http://{LOOPBACK}:{port}"
        for role in (AGENT, SUPERVISOR):
            await make_account(data, SITE, role)
        token = secrets.token_urlsafe(24)
        async with own_server(token, "--config", str(config), port=port, data=data) as (url, _):
            yield url


async def make_account(data: Path, site: str, role: str) -> None:
    """An account whose login is its role. Raises: RuntimeError."""
    command = ("-m", "server", "agent", "add", "--data", str(data), "--site", site, "--password-stdin")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        *("--login", role, "--name", role.title(), "--role", role),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        cwd=Path(__file__).parents[1],
    )
    await process.communicate(PASSWORD.encode() + b"\n")
    if process.returncode:
        raise RuntimeError(f"no account for the {role}")


@contextlib.asynccontextmanager
async def browsers() -> AsyncIterator[tuple[Browser, Browser]]:
    """One for customers and one for agents, with cameras that have something to show."""
    chromium = chromium_path()
    async with async_playwright() as driver:
        with tempfile.TemporaryDirectory(prefix="talknow-bench-") as folder:
            camera = write_camera(Path(folder) / "grain.y4m")
            flags = [*FLAGS, f"--use-file-for-fake-video-capture={camera}"]
            made = [await driver.chromium.launch(executable_path=chromium, args=flags) for _ in range(2)]
            yield made[0], made[1]
            for browser in made:
                await browser.close()


async def measure(calls: int, bar: Progress) -> list[harness.Row]:
    sharp: list[float | None] = []
    silent: list[list[list[float]]] = []
    async with company() as pages, browsers() as pair:
        task = bar.add_task("cameras on", total=calls)
        async with server(pages, direct=False) as url:
            for _ in range(calls):
                sharp += await Bench(url, pages, *pair).sharp()
                bar.advance(task)
        task = bar.add_task("a third person", total=calls)
        async with server(pages, direct=True) as url:
            for _ in range(calls):
                silent.append(await Bench(url, pages, *pair).anchored())
                bar.advance(task)
    reached = [value for value in sharp if value is not None]
    rows = [harness.row("journey.sharp_s", "s", reached, {"calls": calls})] if reached else []
    rows.append(harness.count("journey.not_sharp", "count", len(sharp) - len(reached), {"calls": calls}))
    for side, found in zip(("down", "up"), zip(*silent, strict=True), strict=True):
        params = {"calls": calls, "direction": side}
        gaps, stalls = zip(*found, strict=True)
        rows.append(harness.row("journey.direct_to_anchored_ms", "ms", gaps, params))
        rows.append(harness.row("journey.page_stalled_ms", "ms", stalls, params))
    return rows


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="talknow bench growing", description=__doc__)
    parser.add_argument("--calls", type=int, default=20, help="of each kind")
    parser.add_argument("--json", help="append the rows to this file (- for standard output)")
    options = parser.parse_args(arguments)
    with harness.progress() as bar:
        rows = asyncio.run(measure(options.calls, bar))
    harness.publish(rows, options.json)
    return 0
