"""`talknow bench cobrowse`: what it costs to show a changing page, beside rrweb in the same run.

Eight workloads, each on a page of its size, in real Chromium through a real server to the real softphone.
In each round every workload runs without a recorder, with ours and with rrweb (live mode, no buffer),
once to count and once with a probe that tells when a change is seen on the other side; rounds alternate
who begins. The probe's changes come at any moment of a picture frame and go straight to the server.
`bytes_raw` is what the recorder gives to its socket, `bytes_sent` the TCP payload on its way up,
both over deflated WebSockets. `script_ms` is the page's script time above the run without a recorder,
`capture_ms` what is left of it without the browser's own `WebSocket.send`;
`longest_task_ms` the recorder's longest single call in a trace; `snapshot_ms` the main thread's time
(forced layout included) from the start until the page is seen; `viewer_ms` the script time of the page
that shows it; `server_us_per_frame` CPU of the server's process above its idle. `idle_ms_per_s` is what a
shared page costs that does nothing (cobrowse_idle.py). The last tables are the ratios to rrweb and that
cost; where one is over its bound they say so.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import secrets
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import uvloop
from msgspec import Struct
from playwright.async_api import Browser, BrowserContext, CDPSession, Frame, Page, async_playwright
from rich.progress import Progress

from benchmarks import harness
from benchmarks.accounting import run_time_ns
from benchmarks.chromium import FLAGS, chromium_path
from benchmarks.cobrowse_idle import idle, judged
from benchmarks.cobrowse_pages import SITE, START, WORKLOADS, Company, Workload, company
from benchmarks.cobrowse_ratios import ratios
from benchmarks.cobrowse_streams import streams_per_core
from benchmarks.growing import PASSWORD, make_account
from benchmarks.journey import free_port, own_server
from benchmarks.relay import LOOPBACK
from benchmarks.relay_tcp import TcpRelay
from benchmarks.serving import until_ready
from benchmarks.session_client import VIEW_CONSENT, Person, visitor

T = TypeVar("T")
RECORDERS = ("talknow", "rrweb")
DEADLINE_S = 30.0
# In about one start of twenty the yardstick's replayer shows nothing, ever: that run is begun again.
START_S = 8.0
STARTS = 4
IDLE_S = 1.0
SETTLE_S = 0.7
TRACE = ["-*", "devtools.timeline"]

WATCH = """() => {
  const page = %s;
  const seen = (window.__seen = {});
  new MutationObserver(() => {
    const probe = page.getElementById("probe");
    if (probe !== null) seen[probe.className] ??= performance.timeOrigin + performance.now();
  }).observe(page, { subtree: true, childList: true, attributes: true });
}"""
OURS = "document.querySelector('iframe').contentDocument"
THEIRS = "window.__page?.()"


class Side(Struct):
    """Where one recorder sends to and what shows its page."""

    name: str
    port: int
    relay: TcpRelay
    pid: int
    viewer: Page
    frame: Frame
    find: str
    session: CDPSession

    async def shows(self, name: str, within_s: float = DEADLINE_S) -> None:
        """Wait until the probe is seen. Raises: TimeoutError."""
        async with asyncio.timeout(within_s):
            asked = f"() => {self.find}?.getElementById('probe')?.className === {json.dumps(name)}"
            while not await self.frame.evaluate(asked):  # noqa: ASYNC110 - it is in another process
                await asyncio.sleep(0.02)


class Bench:
    """One server, one yardstick, one agent who looks, and pages that are recorded."""

    def __init__(self, pages: Company, recording: Browser, visitor: Person, engagement: str) -> None:
        self._pages = pages
        self._recording = recording
        self._visitor = visitor
        self._engagement = engagement
        self.sides: dict[str, Side] = {}
        self.begun_again: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def page(self, recorder: str, page: str) -> AsyncIterator[tuple[Page, CDPSession]]:
        context = await self._recording.new_context(viewport={"width": 1280, "height": 800})
        try:
            opened = await context.new_page()
            await opened.goto(f"{self._pages.origin}/{recorder}/{page}", wait_until="load")
            session = await context.new_cdp_session(opened)
            await session.send("Performance.enable")
            await asyncio.sleep(SETTLE_S)
            yield opened, session
        finally:
            await context.close()

    async def start(self, page: Page, side: Side | None, *, counted: bool) -> None:
        """counted: through the relay that counts bytes, which takes its time; else straight to the server."""
        if side is None:
            return
        path = "/v1/cobrowse" if side.name == "talknow" else "/record"
        port = side.relay.port if counted else side.port
        access: dict[str, Any] = {"url": f"ws://{LOOPBACK}:{port}{path}"}
        if side.name == "talknow":
            opened = await self._visitor.command("cobrowse.open", engagement=self._engagement)
            access["token"] = opened["cobrowse"]["token"]
        else:
            await side.frame.goto(f"{self._pages.yardstick}/replay")
            await side.frame.wait_for_function("window.__open")
        await page.evaluate(START[side.name], access)
        # The yardstick's replayer drops what comes while it builds its first picture: ask again.
        async with asyncio.timeout(START_S):
            while not await self._seen(page, side):
                continue

    async def _seen(self, page: Page, side: Side) -> bool:
        mark = f"ready-{secrets.token_hex(3)}"
        await page.evaluate(f"document.getElementById('probe').className = '{mark}'")
        with contextlib.suppress(TimeoutError):
            await side.shows(mark, 1.0)
            return True
        return False

    async def tried(
        self, run: Callable[[str, Workload], Awaitable[T]], recorder: str, workload: Workload
    ) -> T:
        """What a run brings, begun again when it did not begin; each such is counted.

        Raises: TimeoutError after STARTS.
        """
        for _ in range(STARTS - 1):
            try:
                return await run(recorder, workload)
            except TimeoutError:
                self.begun_again[recorder] += 1
        return await run(recorder, workload)

    async def count(self, recorder: str, workload: Workload) -> dict[str, float]:
        """One run without a probe: bytes, script time, server and viewer. `none`: script time only."""
        side = self.sides.get(recorder)
        async with self.page(recorder, workload.page) as (page, session):
            before_start = await metrics(session)
            await self.start(page, side, counted=True)
            await asyncio.sleep(SETTLE_S)
            snapshot = (await metrics(session))["TaskDuration"] - before_start["TaskDuration"]
            before = await self._look(page, session, side)
            await page.evaluate(f"Bench.run('{workload.name}', false)")
            if side is not None:
                await page.evaluate("document.getElementById('probe').className = 'done'")
                await side.shows("done")
            await asyncio.sleep(SETTLE_S)
            after = await self._look(page, session, side)
            found = {name: after[name] - before[name] for name in after}
            found["snapshot_ms"] = snapshot * 1000
            return found

    async def _look(self, page: Page, session: CDPSession, side: Side | None) -> dict[str, float]:
        now = {"script_ms": (await metrics(session))["ScriptDuration"] * 1000}
        if side is not None:
            sent = await page.evaluate("window.__sent")
            viewer = await metrics(side.session)
            now |= {
                "bytes_raw": sent["bytes"],
                "messages": sent["messages"],
                "send_ms": sent["ms"],
                "bytes_sent": side.relay.up.counts.bytes,
                "viewer_ms": viewer["ScriptDuration"] * 1000,
                "server_us": run_time_ns(side.pid) / 1e3,
            }
        now["at_s"] = time.monotonic()
        return now

    async def probe(self, recorder: str, workload: Workload) -> tuple[list[float], float]:
        """One run with a probe: milliseconds from change to seen, and the recorder's longest call."""
        side = self.sides[recorder]
        async with self.page(recorder, workload.page) as (page, _):
            await self.start(page, side, counted=False)
            await asyncio.sleep(SETTLE_S)
            await side.frame.evaluate(WATCH % side.find)
            await self._recording.start_tracing(page=page, categories=TRACE)
            times = await page.evaluate(f"Bench.run('{workload.name}', true)")
            await side.shows(f"p{len(times) - 1}")
            trace = await self._recording.stop_tracing()
            seen = await side.frame.evaluate("window.__seen")
            waits = [seen[f"p{n}"] - at for n, at in enumerate(times) if f"p{n}" in seen]
            return waits, longest_call(trace, "recorder-" if recorder == "talknow" else "record.js")

    @staticmethod
    async def metrics(session: CDPSession) -> dict[str, float]:
        return await metrics(session)

    async def idle_us_per_s(self, side: Side) -> float:
        """CPU of the server's process while nothing changes."""
        before = run_time_ns(side.pid)
        await asyncio.sleep(IDLE_S)
        return (run_time_ns(side.pid) - before) / 1e3 / IDLE_S


async def metrics(session: CDPSession) -> dict[str, float]:
    """Seconds of the page's main thread so far, by kind. Source: DevTools protocol, Performance."""
    answer = await session.send("Performance.getMetrics")
    return {one["name"]: one["value"] for one in answer["metrics"]}


def longest_call(trace: bytes, script: str) -> float:
    """Milliseconds of the longest call into `script`; 0 when there was none."""
    longest = 0.0
    for event in json.loads(trace)["traceEvents"]:
        if event.get("name") == "FunctionCall" and script in event["args"].get("data", {}).get("url", ""):
            longest = max(longest, event.get("dur", 0) / 1e3)
    return longest


async def measure(rounds: int, chosen: Sequence[Workload], bar: Progress) -> list[harness.Row]:
    figures: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    async with bench() as ready:
        task = bar.add_task("workloads", total=rounds * len(chosen))
        for number in range(rounds):
            for workload in chosen:
                await one_round(ready, workload, RECORDERS[:: 1 if number % 2 else -1], figures)
                bar.advance(task)
        again = [
            harness.count("cobrowse.begun_again", "count", ready.begun_again[name], {"recorder": name})
            for name in RECORDERS
        ]
    return rows(figures, chosen) + again


async def measure_idle(rounds: int, bar: Progress) -> list[harness.Row]:
    async with bench() as ready:
        return await idle(ready, RECORDERS, rounds, bar)


async def one_round(
    ready: Bench,
    workload: Workload,
    order: Sequence[str],
    figures: dict[tuple[str, str, str], list[float]],
) -> None:
    plain = await ready.tried(ready.count, "none", workload)
    for recorder in order:
        idle = await ready.idle_us_per_s(ready.sides[recorder])
        found = await ready.tried(ready.count, recorder, workload)
        waits, longest = await ready.tried(ready.probe, recorder, workload)
        found["script_ms"] = max(0.0, found["script_ms"] - plain["script_ms"])
        found["capture_ms"] = max(0.0, found["script_ms"] - found.pop("send_ms"))
        found["snapshot_ms"] = max(0.0, found["snapshot_ms"] - plain["snapshot_ms"])
        busy = found.pop("server_us") - idle * found.pop("at_s")
        found["server_us_per_frame"] = max(0.0, busy) / max(1.0, found.pop("messages"))
        found["longest_task_ms"] = longest
        for name, value in found.items():
            figures[name, recorder, workload.name].append(value)
        figures["latency_ms", recorder, workload.name] += waits


UNITS = {
    "bytes_raw": "bytes",
    "bytes_sent": "bytes",
    "script_ms": "ms",
    "capture_ms": "ms",
    "longest_task_ms": "ms",
    "snapshot_ms": "ms",
    "latency_ms": "ms",
    "viewer_ms": "ms",
    "server_us_per_frame": "us",
}


def rows(figures: dict[tuple[str, str, str], list[float]], chosen: Sequence[Workload]) -> list[harness.Row]:
    made = []
    for name, unit in UNITS.items():
        for workload in chosen:
            for recorder in RECORDERS:
                params = {"recorder": recorder, "workload": workload.name, "nodes": workload.nodes}
                samples = figures[name, recorder, workload.name]
                made.append(harness.row(f"cobrowse.{name}", unit, samples, params))
    return made


# --- what it takes ------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """Everything that runs: two servers, two relays that count, two browsers, an agent who looks."""
    async with contextlib.AsyncExitStack() as stack:
        pages = await stack.enter_async_context(company())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="talknow-bench-")))
        config = folder / "talknow.toml"
        config.write_text(
            f'[sites.{SITE}]\nname = "Bench"\norigins = ["{pages.origin}"]\n'
            # Hidden values would be no work: both show what is typed.
            f'[sites.{SITE}.cobrowse]\nallow = ["input"]\n'
        )
        port = free_port()
        await make_account(folder / "data", SITE, "agent")
        url, pid = await stack.enter_async_context(
            own_server(secrets.token_urlsafe(24), "--config", str(config), port=port, data=folder / "data")
        )
        pages.server = url
        yardstick_port = free_port()
        yardstick = await stack.enter_async_context(rrweb_relay(yardstick_port))
        pages.yardstick = f"http://{LOOPBACK}:{yardstick_port}"
        relays = [
            await stack.enter_async_context(TcpRelay((LOOPBACK, number))) for number in (port, yardstick_port)
        ]
        driver = await stack.enter_async_context(async_playwright())
        browsers = []
        for _ in range(2):
            browsers.append(await driver.chromium.launch(executable_path=chromium_path(), args=FLAGS))
            stack.push_async_callback(browsers[-1].close)
        recording, showing = browsers
        http = await stack.enter_async_context(aiohttp.ClientSession())
        customer = await visitor(url, http, SITE)
        stack.push_async_callback(customer.close)
        desk, engagement = await watching(await showing.new_context(), url, customer)
        ready = Bench(pages, recording, customer, engagement)
        replay = await (await showing.new_context()).new_page()
        frame = next(frame for frame in desk.frames if frame.url.endswith("/viewer.html"))
        sessions = [await page.context.new_cdp_session(page) for page in (desk, replay)]
        for session in sessions:
            await session.send("Performance.enable")
        ready.sides = {
            "talknow": Side("talknow", port, relays[0], pid, desk, frame, OURS, sessions[0]),
            "rrweb": Side(
                "rrweb", yardstick_port, relays[1], yardstick, replay, replay.main_frame, THEIRS, sessions[1]
            ),
        }
        yield ready


async def watching(context: BrowserContext, url: str, customer: Person) -> tuple[Page, str]:
    """The agent's softphone on the customer's shared page; the page and the engagement."""
    who = {"login": "agent", "password": PASSWORD}
    await context.request.post(f"{url}/v1/agents/login", data=who, headers={"Origin": url})
    page = await context.new_page()
    await page.goto(f"{url}/desk/")
    await page.get_by_text("Connected", exact=True).first.wait_for()
    await page.get_by_role("radio", name="Ready").click(force=True)
    engagement = str((await customer.durable("chat.send", text="hello"))["engagement"])
    await page.get_by_role("button", name="Accept").first.click()
    await page.get_by_role("button", name="See the page").click()
    async with asyncio.timeout(DEADLINE_S):
        while True:
            with contextlib.suppress(RuntimeError):
                await customer.durable("cobrowse.start", engagement=engagement, consent=VIEW_CONSENT)
                break
            await asyncio.sleep(0.1)
    await page.locator("iframe.shared-frame").wait_for()
    async with asyncio.timeout(DEADLINE_S):
        while not any(frame.url.endswith("/inner.html") for frame in page.frames):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return page, engagement


@contextlib.asynccontextmanager
async def rrweb_relay(port: int) -> AsyncIterator[int]:
    """The yardstick's server as a process of its own; its process id."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.peers.rrweb_relay", str(port)), cwd=Path(__file__).parents[1]
    )
    try:
        await until_ready(f"http://{LOOPBACK}:{port}/replay")
        yield process.pid
    finally:
        process.terminate()
        await process.wait()


PARTS = [*(workload.name for workload in WORKLOADS), "idle", "streams"]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="talknow bench cobrowse", description=__doc__)
    parser.add_argument("--json", help="append the rows to this file (- for standard output)")
    parser.add_argument("--rounds", type=int, default=3, help="of each workload and recorder")
    parser.add_argument("--only", action="append", choices=PARTS)
    options = parser.parse_args(arguments)
    only = options.only or PARTS
    chosen = [workload for workload in WORKLOADS if workload.name in only]
    with harness.progress() as bar:
        found = asyncio.run(measure(options.rounds, chosen, bar)) if chosen else []
        if "idle" in only:
            found += asyncio.run(measure_idle(options.rounds, bar))
        if "streams" in only:
            # The load's own loop is not what is measured: the quicker one leaves more to the server.
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                found += runner.run(streams_per_core(bar))
    harness.publish(found, options.json)
    if chosen:
        harness.console.print(ratios(found))
    if "idle" in only:
        harness.console.print(judged(found))
    return 0
