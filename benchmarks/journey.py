"""`talknow bench journey`: the whole journey under load, measured from outside.

A real server process, real Socket.IO clients, real ICE/DTLS/SRTP legs with pre-encoded Opus. Open loop:
two calls arrive per second and are held; then both sides chat while the calls run; then paths are
replaced by their tickets. Figures: click to audio, chat ack and delivery, gap of a path replacement.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import resource
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from msgspec import Struct, field
from rich.progress import Progress, TaskID

from benchmarks import harness
from benchmarks.media_source import tone_packets
from benchmarks.serving import until_ready
from benchmarks.session_client import CONSENT, Person, agents, visitor

SITE = "bench"
ARRIVALS_PER_S = 2.0
CHAT_MESSAGES = 2_000
CHAT_PER_S = 100.0
REPLACEMENTS = 100
SHORT = 0.05
WARM_UP = 2
CALL_DEADLINE_S = 10.0


class Call(Struct):
    """One held call: both people, and the engagement they share."""

    visitor: Person
    agent: Person
    engagement: str
    click_to_audio_ms: float = 0.0


class Results(Struct):
    click_ms: list[float] = field(default_factory=list)
    ack_ms: list[float] = field(default_factory=list)
    deliver_ms: list[float] = field(default_factory=list)
    gap_ms: list[float] = field(default_factory=list)
    failed: int = 0


class Journey:
    """One run against one server."""

    def __init__(
        self, base_url: str, bench_token: str, calls: int, bar: Progress, *, share: float = 1.0
    ) -> None:
        self._base_url = base_url
        self._token = bench_token
        self._wanted = calls
        self._messages = max(1, int(CHAT_MESSAGES * share))
        self._replacements = max(1, int(REPLACEMENTS * share))
        self._bar = bar
        self._agents: list[Person] = []
        self._calls: list[Call] = []
        self._offers: dict[str, asyncio.Future[Person]] = {}
        self._sent_ns: dict[tuple[str, str, int], int] = {}
        self._visitor_tone = tone_packets(440.0)
        self._agent_tone = tone_packets(660.0)
        self._random = random.Random(7)
        self._tasks: asyncio.TaskGroup | None = None
        self._accepting: list[asyncio.Task[None]] = []
        self.results = Results()

    async def run(self) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            count = max(1, -(-(self._wanted + WARM_UP) // 10))
            self._agents = await agents(self._base_url, http, self._token, count, 100)
            for agent in self._agents:
                agent.on_event = self._agent_event(agent)
            try:
                await self._arrive(http)
                if not self._calls:
                    raise RuntimeError("no call came about; nothing can be measured")
                await self._held()
            finally:
                for person in [*self._agents, *(call.visitor for call in self._calls)]:
                    await person.close()

    async def _held(self) -> None:
        """What is measured while the calls are held."""
        await self._chat()
        await self._replace()

    def _agent_event(self, agent: Person) -> Any:
        def heard(name: str, data: Any, at_ns: int) -> None:
            if name == "offer.made":
                assert self._tasks is not None
                self._accepting.append(self._tasks.create_task(self._accept(agent, data)))
            elif name == "chat.posted":
                self._delivered(agent, data, at_ns)

        return heard

    async def _accept(self, agent: Person, offer: dict[str, Any]) -> None:
        engagement = offer["engagement"]
        with contextlib.suppress(RuntimeError):
            await agent.command("offer.accept", engagement=engagement, offer=offer["offer"])
            self._offers.setdefault(engagement, asyncio.get_running_loop().create_future()).set_result(agent)

    # --- arrivals -----------------------------------------------------------------------------

    async def _arrive(self, http: aiohttp.ClientSession) -> None:
        """Open loop: the next call does not wait for the one before."""
        total = self._wanted + WARM_UP
        task = self._bar.add_task("calls arrive", total=total)
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(total):
                due_s = began + number / ARRIVALS_PER_S
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                group.create_task(self._one(http, number, task))

    async def _one(self, http: aiohttp.ClientSession, number: int, task: TaskID) -> None:
        try:
            async with asyncio.timeout(CALL_DEADLINE_S):
                call = await self._click(http)
        except (TimeoutError, RuntimeError, aiohttp.ClientError):
            self.results.failed += 1
            return
        finally:
            self._bar.advance(task)
        self._calls.append(call)
        if number >= WARM_UP:
            self.results.click_ms.append(call.click_to_audio_ms)

    async def _click(self, http: aiohttp.ClientSession) -> Call:
        """The customer clicks; both must hear the other's very packets; the later one counts."""
        customer = await visitor(self._base_url, http, SITE)
        clicked_ns = time.perf_counter_ns()
        ack = await customer.durable("call.start", consent=CONSENT)
        engagement = str(ack["engagement"])
        theirs = customer.leg(engagement)
        theirs.speak(self._visitor_tone, frozenset(self._agent_tone))
        accepted = self._offers.setdefault(engagement, asyncio.get_running_loop().create_future())
        agent = await accepted
        ours = agent.leg(engagement)
        ours.speak(self._agent_tone, frozenset(self._visitor_tone))
        await asyncio.gather(theirs.heard.wait(), ours.heard.wait())
        heard_ns = max(theirs.first_ns or 0, ours.first_ns or 0)
        customer.on_event = lambda name, data, at_ns: (
            self._delivered(customer, data, at_ns) if name == "chat.posted" else None
        )
        return Call(customer, agent, engagement, (heard_ns - clicked_ns) / 1e6)

    # --- chat while the calls are held ----------------------------------------------------------

    async def _chat(self) -> None:
        task = self._bar.add_task("chat while calls are held", total=self._messages)
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(self._messages):
                due_s = began + number / CHAT_PER_S
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                call = self._random.choice(self._calls)
                group.create_task(self._say(call, number % 2 == 0, int(due_s * 1e9), task))
        await asyncio.sleep(0.5)

    async def _say(self, call: Call, from_visitor: bool, sent_ns: int, task: TaskID) -> None:
        """sent_ns: when the message was due; a late generator counts against the figure."""
        sender = call.visitor if from_visitor else call.agent
        counter = sender.counter + 1
        self._sent_ns[call.engagement, sender.device, counter] = sent_ns
        try:
            await sender.durable("chat.send", engagement=call.engagement, text=f"message {counter} " * 8)
        except (RuntimeError, TimeoutError):
            self.results.failed += 1
            return
        self.results.ack_ms.append((time.perf_counter_ns() - sent_ns) / 1e6)
        self._bar.advance(task)

    def _delivered(self, reader: Person, data: dict[str, Any], at_ns: int) -> None:
        message = data["message"]
        sent_ns = self._sent_ns.get((data["engagement"], message["device"], message["counter"]))
        if sent_ns is not None and message["device"] != reader.device:
            self.results.deliver_ms.append((at_ns - sent_ns) / 1e6)

    # --- paths are replaced ---------------------------------------------------------------------

    async def _replace(self) -> None:
        task = self._bar.add_task("paths are replaced", total=self._replacements)
        for number in range(self._replacements):
            call = self._calls[number % len(self._calls)]
            try:
                async with asyncio.timeout(CALL_DEADLINE_S):
                    self.results.gap_ms.append(await self._one_replacement(call))
            except (TimeoutError, RuntimeError, OSError):
                self.results.failed += 1
            self._bar.advance(task)
            await asyncio.sleep(0.05)

    async def _one_replacement(self, call: Call) -> float:
        """Socket and path are dropped as by a page change; the gap is what the agent's side hears."""
        theirs, ours = call.visitor.leg(call.engagement), call.agent.leg(call.engagement)
        ticket = theirs.ticket
        assert ticket is not None
        theirs.drop_path()
        await call.visitor.socket.disconnect()
        # what is still under way counts as before: only the new path can bring the return
        await asyncio.gather(
            theirs.take(ticket, ours.watch_for_return), call.visitor.connect(call.engagement)
        )
        await ours.back.wait()
        gap_ms = ((ours.after_ns or 0) - ours.last_ns) / 1e6
        ours.watch_from_ns = None
        return gap_ms


@contextlib.asynccontextmanager
async def own_server(
    bench_token: str, *flags: str, port: int = 0, data: Path | None = None, module: str = "server"
) -> AsyncIterator[tuple[str, int]]:
    """A server process of our own on free ports (or from `port` on); its URL and process id."""
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="talknow-bench-") as empty:
        folder = str(data or empty)
        command = [sys.executable, "-m", module, "serve", "--port", str(port), "--data", folder]
        process = await asyncio.create_subprocess_exec(
            *command,
            f"--bench-token={bench_token}",
            *flags,
            stdout=subprocess.DEVNULL,
            cwd=Path(__file__).parents[1],
        )
        try:
            await until_ready(f"http://127.0.0.1:{port}/readyz")
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            await process.wait()


def free_port(size: int = 3) -> int:
    """The first of `size` free ports, below those that the kernel gives to clients."""
    for _ in range(50):
        base = random.randrange(20_000, 32_000)
        try:
            for port in range(base, base + size):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise RuntimeError("no free ports")


def _cpu_s(pid: int | None) -> float:
    """CPU seconds of a process so far; of this one for None."""
    if pid is None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(options: argparse.Namespace) -> list[harness.Row]:
    token = options.token or secrets.token_urlsafe(24)
    async with contextlib.AsyncExitStack() as stack:
        if options.url:
            url, pid = options.url.rstrip("/"), None
        else:
            url, pid = await stack.enter_async_context(own_server(token))
        bar = stack.enter_context(harness.progress())
        share = SHORT if options.short else 1.0
        journey = Journey(url, token, options.calls, bar, share=share)
        began_s, own_s = time.perf_counter(), _cpu_s(None)
        server_s = _cpu_s(pid) if pid else 0.0
        await journey.run()
        wall_s = time.perf_counter() - began_s
        params: dict[str, Any] = {"calls": options.calls, "generator_cores": _cores(own_s, None, wall_s)}
        if pid:
            params["server_cores"] = _cores(server_s, pid, wall_s)
    found = journey.results
    return [
        harness.row("journey.click_to_audio_ms", "ms", found.click_ms, params),
        harness.row("journey.chat_ack_ms", "ms", found.ack_ms, params),
        harness.row("journey.chat_deliver_ms", "ms", found.deliver_ms, params),
        harness.row("journey.path_replace_gap_ms", "ms", found.gap_ms, params),
        harness.count("journey.failed", "count", found.failed, params),
    ]


def _cores(before_s: float, pid: int | None, wall_s: float) -> float:
    return round((_cpu_s(pid) - before_s) / wall_s, 3)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="talknow bench journey", description=__doc__)
    parser.add_argument("--calls", type=int, default=20, help="calls that arrive and are held")
    parser.add_argument("--json", help="append the rows to this file (- for standard output)")
    parser.add_argument("--url", help="a running server instead of one of our own")
    parser.add_argument("--token", help="that server's bench token")
    parser.add_argument("--short", action="store_true", help="a twentieth of the samples: does it run at all")
    options = parser.parse_args(arguments)
    if options.url and not options.token:
        parser.error("--url needs --token")
    try:
        rows = asyncio.run(measure(options))
    except ExceptionGroup as group:
        refused, rest = group.split(RuntimeError)
        if refused is None or rest is not None:
            raise
        harness.console.print(f"talknow bench: {refused.exceptions[0]}")
        return 1
    harness.publish(rows, options.json)
    return 0 if rows[-1].value == 0 else 1
