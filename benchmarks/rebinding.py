"""`talknow bench rebinding`: how long voice is missing when a NAT gives a customer another port in mid-call.

A real server whose media is reached through the relay; held calls with real ICE/DTLS/SRTP legs that check
their path every two seconds (a browser: every 2.5 s while all is well, more often when nothing arrives). The
customer's source port is swapped at a random moment of that cycle; the gap is the longest time without a
packet around it. Row `journey.rebinding_gap_ms`, one for what the agent hears and one for the customer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import secrets
from itertools import pairwise

from rich.progress import Progress, TaskID

from benchmarks import harness
from benchmarks.journey import Call, Journey, free_port, own_server
from benchmarks.peer import CHECK_EVERY_S
from benchmarks.relay import LOOPBACK, UdpRelay
from benchmarks.session_client import LegClient

REBINDINGS = 60
DEADLINE_S = 10.0
BEFORE_S = 0.2
QUIET_S = 0.5


class Rebindings(Journey):
    """Calls as in the journey; then each customer's port is rebound again and again, all calls at once."""

    def __init__(self, base_url: str, bench_token: str, calls: int, bar: Progress, relay: UdpRelay) -> None:
        super().__init__(base_url, bench_token, calls, bar)
        self._relay = relay
        self.rebindings = REBINDINGS
        self.agent_ms: list[float] = []
        self.customer_ms: list[float] = []

    async def _held(self) -> None:
        task = self._bar.add_task("ports are rebound", total=self.rebindings)
        share, more = divmod(self.rebindings, len(self._calls))
        async with asyncio.TaskGroup() as group:
            for number, call in enumerate(self._calls):
                group.create_task(self._again_and_again(call, share + (number < more), task))

    async def _again_and_again(self, call: Call, times: int, task: TaskID) -> None:
        for _ in range(times):
            await asyncio.sleep(self._random.uniform(0, CHECK_EVERY_S))
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await self._one_rebinding(call)
            except TimeoutError:
                self.results.failed += 1
            self._bar.advance(task)

    async def _one_rebinding(self, call: Call) -> None:
        theirs, ours = call.visitor.leg(call.engagement), call.agent.leg(call.engagement)
        path = theirs.path
        assert path is not None
        for leg in (theirs, ours):
            leg.arrivals_ns = []
        await asyncio.sleep(BEFORE_S)
        before = [len(leg.arrivals_ns or ()) for leg in (theirs, ours)]
        self._relay.rebind(path.local_address)
        for leg, known in zip((theirs, ours), before, strict=True):
            await _speaking(leg, known)
        self.agent_ms.append(_longest_gap_ms(ours))
        self.customer_ms.append(_longest_gap_ms(theirs))


async def _speaking(leg: LegClient, known: int) -> None:
    """Until packets come again without a break: QUIET_S worth of them beyond those before."""
    assert leg.arrivals_ns is not None
    while len(leg.arrivals_ns) < known + QUIET_S * 50:  # noqa: ASYNC110 - stamps are taken elsewhere
        await asyncio.sleep(0.02)


def _longest_gap_ms(leg: LegClient) -> float:
    arrivals, leg.arrivals_ns = leg.arrivals_ns or [], None
    return max((after - before) / 1e6 for before, after in pairwise(arrivals))


async def measure(options: argparse.Namespace) -> list[harness.Row]:
    token, port = secrets.token_urlsafe(24), free_port()
    async with contextlib.AsyncExitStack() as stack:
        relay = await stack.enter_async_context(UdpRelay((LOOPBACK, port)))
        public = ("--public-ip", LOOPBACK, "--public-udp-port", str(relay.port))
        url, _ = await stack.enter_async_context(own_server(token, *public, port=port))
        bar = stack.enter_context(harness.progress())
        run = Rebindings(url, token, options.calls, bar, relay)
        run.rebindings = options.rebindings
        await run.run()
    params = {"calls": options.calls, "check_every_s": CHECK_EVERY_S}
    return [
        harness.row("journey.rebinding_gap_ms", "ms", run.agent_ms, params | {"hears": "agent"}),
        harness.row("journey.rebinding_gap_ms", "ms", run.customer_ms, params | {"hears": "customer"}),
        harness.count("journey.failed", "count", run.results.failed, params),
    ]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="talknow bench rebinding", description=__doc__)
    parser.add_argument("--calls", type=int, default=10, help="calls that are held")
    parser.add_argument("--rebindings", type=int, default=REBINDINGS, help="of all calls together")
    parser.add_argument("--json", help="append the rows to this file (- for standard output)")
    options = parser.parse_args(arguments)
    if min(options.calls, options.rebindings) < 1:
        parser.error("at least one call and one rebinding")
    rows = asyncio.run(measure(options))
    harness.publish(rows, options.json)
    return 0 if rows[-1].value == 0 else 1
