"""`talknow bench flood`: what the calls of a server notice while somebody floods its media port with garbage.

Calls with real legs are held; then a process of its own sends garbage of every kind from thousands of
addresses (`flooder.py`). Rows: `media.flood_loss`, the share of voice packets that did not arrive, before and
under the flood; `media.flood_growth_kb`, what the server's memory grew by; `media.flood_pps`, how much of it
the server took in a second; `media.flood_closed`, calls whose voice was gone at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import secrets
import sys
from pathlib import Path

import aiohttp
from msgspec import Struct
from rich.progress import Progress

from benchmarks import harness
from benchmarks.accounting import resident_bytes
from benchmarks.journey import Journey, free_port, own_server
from benchmarks.relay import LOOPBACK
from benchmarks.session_client import LegClient

QUIET_S = 10.0
STEP_S = 0.5
DROPPED = re.compile(r"^media_drop_total\{[^}]*\} ([\d.e+]+)$", re.M)


class Window(Struct):
    """What happened in one time: packets that were sent and that arrived, datagrams the server dropped."""

    sent: int = 0
    arrived: int = 0
    dropped: float = 0.0
    seconds: float = 0.0

    @property
    def loss(self) -> float:
        return 1 - self.arrived / self.sent


class Flooded(Journey):
    """Calls as in the journey; measured for a while in peace, then under the flood."""

    def __init__(self, url: str, token: str, pid: int, options: argparse.Namespace, bar: Progress) -> None:
        super().__init__(url, token, options.calls, bar)
        self._url = url
        self._pid = pid
        self._seconds = options.seconds
        self.grown_bytes = 0
        self.quiet = Window()
        self.flooded = Window()
        self.closed = 0

    async def _held(self) -> None:
        self.quiet = await self._window("in peace", QUIET_S)
        before = resident_bytes(self._pid)
        port = self._url.rpartition(":")[2]
        command = ("-m", "benchmarks.flooder", LOOPBACK, port, "--seconds", str(self._seconds + 3))
        flooder = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=asyncio.subprocess.DEVNULL, cwd=Path(__file__).parents[1]
        )
        try:
            await asyncio.sleep(1.5)
            self.flooded = await self._window("under the flood", self._seconds)
        finally:
            flooder.terminate()
            await flooder.wait()
        self.grown_bytes = resident_bytes(self._pid) - before
        await asyncio.sleep(1)
        known = [len(leg.arrivals_ns or ()) for leg in self._legs()]
        await asyncio.sleep(1)
        now = [len(leg.arrivals_ns or ()) for leg in self._legs()]
        self.closed = sum(after <= before for before, after in zip(known, now, strict=True))

    def _legs(self) -> list[LegClient]:
        return [
            leg
            for call in self._calls
            for leg in (call.visitor.leg(call.engagement), call.agent.leg(call.engagement))
        ]

    async def _window(self, name: str, seconds: float) -> Window:
        task = self._bar.add_task(name, total=seconds)
        legs = self._legs()
        found = Window(-self._sent(), 0, -await self._dropped(), seconds)
        for leg in legs:
            leg.arrivals_ns = []
        for _ in range(round(seconds / STEP_S)):
            await asyncio.sleep(STEP_S)
            self._bar.advance(task, STEP_S)
        found.sent += self._sent()
        found.arrived = sum(len(leg.arrivals_ns or ()) for leg in legs)
        found.dropped += await self._dropped()
        return found

    def _sent(self) -> int:
        return sum(leg.voice.sent for leg in self._legs() if leg.voice is not None)

    async def _dropped(self) -> float:
        async with aiohttp.ClientSession() as http, http.get(self._url + "/metrics") as answer:
            return sum(float(value) for value in DROPPED.findall(await answer.text()))


async def measure(options: argparse.Namespace) -> list[harness.Row]:
    token, port = secrets.token_urlsafe(24), free_port()
    flags = ("--media-engine", options.engine)
    with harness.progress() as bar:
        async with own_server(token, *flags, port=port) as (url, pid):
            run = Flooded(url, token, pid, options, bar)
            await run.run()
    params = {"server": options.engine, "calls": options.calls, "seconds": options.seconds}
    return [
        harness.count("media.flood_loss", "share", run.quiet.loss, params | {"when": "before"}),
        harness.count("media.flood_loss", "share", run.flooded.loss, params | {"when": "under"}),
        harness.count("media.flood_pps", "1/s", run.flooded.dropped / run.flooded.seconds, params),
        harness.count("media.flood_growth_kb", "kB", run.grown_bytes / 1e3, params),
        harness.count("media.flood_closed", "count", run.closed, params),
    ]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="talknow bench flood", description=__doc__)
    parser.add_argument("--calls", type=int, default=20, help="calls that are held")
    parser.add_argument("--seconds", type=float, default=60.0, help="of flood")
    parser.add_argument("--engine", default="fast", choices=("fast", "plain"))
    parser.add_argument("--json", help="append the rows to this file (- for standard output)")
    options = parser.parse_args(arguments)
    rows = asyncio.run(measure(options))
    harness.publish(rows, options.json)
    return 0 if rows[-1].value == 0 else 1
