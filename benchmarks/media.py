"""`talknow bench media`: what one forwarded packet costs, adds and loses, on our engines and beside others.

A real server process on one core, this generator on another, loopback between them; ICE, DTLS and SRTP are
real, the packets encoded once (method and caveats: docs/media.md, "How it is measured"). Calls are made by
the bench door, so chat is left out. Servers take turns in every round and medians are told, so that noise
hits all. calls_per_core is 1 core / (us per packet x packets of a call) at the highest load measured; the
load that gives 0.7 core is then run itself (`media.loss` with `cores` beside it).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import statistics
import time
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field

from benchmarks import accounting, harness, media_source
from benchmarks.peers import native, servers
from benchmarks.peers.generator import Generator, Seen

WARM_UP_S, WINDOW_S, DRAIN_S = 1.0, 5.0, 0.5
FULL_CORE, PROOF_CORE = 1.0, 0.7
ENGINES = ("plain", "fast")
PEERS = ("janus", "mediarelay")
# It decodes and encodes every packet: other bytes come back, and more calls than these do not fit on a core.
TRANSCODES = "mediarelay"
TRANSCODED_CALLS = {"voice": 8, "video": 1}


class Point(Struct, frozen=True):
    """What to measure: a server, a medium, a number of calls."""

    server: str
    media: str
    calls: int


class Measured(Struct, frozen=True):
    """One run of one point. cores: share of the server's core; setups_per_s: calls per CPU second."""

    us_per_packet: float
    cores: float
    latency_us: tuple[float, float, float, float]
    lost: int
    counted: int
    bad: int
    compared: int
    kb_per_call: float
    setups_per_s: float
    seen: Seen


class Plan(Struct):
    """Points of every round, and what came of them."""

    rounds: int
    window_s: float
    points: list[Point]
    prove: bool
    found: dict[Point, list[Measured]] = field(default_factory=dict)


async def measure(point: Point, media: media_source.Media, window_s: float) -> Measured:
    """Start a fresh server, set the calls up, warm up, measure. Raises: servers.Failed."""
    mine, its = accounting.cores()
    async with servers.start(point.server, its) as server, accounting.pinned(mine):
        legs_before, rss_before = server.cpu_ns(), server.resident_bytes()
        paths = await server.calls(point.calls, point.media)
        setup_s = (server.cpu_ns() - legs_before) / 1e9
        generator = Generator(paths, media)
        try:
            generator.run(WARM_UP_S)
            before, cpu_before, began = generator.seen(), server.cpu_ns(), time.perf_counter()
            generator.run(window_s, counted=True)
            seen, cpu_ns, wall_s = generator.seen(), server.cpu_ns() - cpu_before, time.perf_counter() - began
            rss = server.resident_bytes()
            generator.run(DRAIN_S, sending=False)
            received = seen.received - before.received
            if not received:
                raise servers.Failed(f"{point.server}: no packet came back")
            last = generator.seen()
            if point.server == TRANSCODES:
                return _transcoded(point, last, (cpu_ns, wall_s, received), (rss - rss_before, setup_s))
            shares = (0.5, 0.95, 0.99, 1.0)
            return Measured(
                cpu_ns / 1e3 / received,
                cpu_ns / 1e9 / wall_s,
                tuple(generator.latency_us(share) for share in shares),  # type: ignore[arg-type]
                last.lost,
                last.counted,
                last.bad,
                last.compared,
                (rss - rss_before) / 1e3 / point.calls,
                point.calls / setup_s if setup_s else 0.0,
                last,
            )
        finally:
            generator.close()
            for path in paths:
                path.close()


def _transcoded(point: Point, seen: Seen, work: tuple[int, float, int], cost: tuple[int, float]) -> Measured:
    """Of a server whose packets are its own: no bytes to compare, no latency to match, loss by count."""
    cpu_ns, wall_s, received = work
    grown, setup_s = cost
    nothing = float("nan")
    return Measured(
        cpu_ns / 1e3 / received,
        cpu_ns / 1e9 / wall_s,
        (nothing, nothing, nothing, nothing),
        max(0, seen.sent - seen.received),
        seen.sent,
        0,
        0,
        grown / 1e3 / point.calls,
        point.calls / setup_s if setup_s else 0.0,
        seen,
    )


async def run(plan: Plan, sources: dict[str, media_source.Media]) -> None:
    """Every point in every round; then the proof of 0.7 core for each of our engines."""
    with harness.progress() as bar:
        task = bar.add_task("rounds of all servers", total=plan.rounds * len(plan.points))
        for _ in range(plan.rounds):
            for point in plan.points:
                bar.update(task, description=f"{point.server} {point.media} {point.calls}")
                await _one(plan, point, sources)
                bar.advance(task)
        for point in proofs(plan.found, 2 * sources["voice"].packets_per_s) if plan.prove else []:
            bar.update(task, description=f"{point.server} {point.media} {point.calls}: 0.7 core")
            await _one(plan, point, sources)


def proofs(found: dict[Point, list[Measured]], packets_per_s: float) -> list[Point]:
    """For each of our engines the voice load that should take 0.7 core, from its highest load so far."""
    highest: dict[str, Point] = {}
    for point in found:
        if point.server in ENGINES and point.media == "voice":
            highest[point.server] = max(highest.get(point.server, point), point, key=lambda one: one.calls)
    return [
        Point(server, "voice", int(PROOF_CORE * calls_per_core(_us(found[point]), packets_per_s)))
        for server, point in highest.items()
    ]


def _us(runs: Sequence[Measured]) -> float:
    return statistics.median(one.us_per_packet for one in runs)


async def _one(plan: Plan, point: Point, sources: dict[str, media_source.Media]) -> None:
    one = await measure(point, sources[point.media], plan.window_s)
    plan.found.setdefault(point, []).append(one)
    if one.bad or one.seen.late:
        harness.console.print(
            f"{point.server} {point.media} {point.calls}: {one.bad} packets differ, "
            f"{one.seen.late} frames left more than 5 ms late"
        )


def rows(found: dict[Point, list[Measured]], per_call: dict[str, float]) -> list[harness.Row]:
    """Rows of medians over rounds. per_call: packets a second of a call, by medium."""
    made: list[harness.Row] = []
    for point, runs in found.items():
        cores = round(statistics.median(one.cores for one in runs), 3)
        params: dict[str, Any] = {
            "server": point.server,
            "media": point.media,
            "calls": point.calls,
            "cores": cores,
        }
        us = [one.us_per_packet for one in runs]
        made += [
            harness.row("media.us_per_packet", "us", us, params),
            harness.row(
                "media.calls_per_core",
                "calls",
                [calls_per_core(u, per_call[point.media]) for u in us],
                params,
            ),
            *([] if point.server == TRANSCODES else [latency_row(runs, params)]),
            harness.count("media.loss", "packets", sum(one.lost for one in runs), params),
            harness.row("media.kb_per_call", "kB", [one.kb_per_call for one in runs], params),
        ]
        if all(one.setups_per_s for one in runs):
            made.append(
                harness.row("media.setups_per_s", "calls/s", [one.setups_per_s for one in runs], params)
            )
    return made


def latency_row(runs: Sequence[Measured], params: dict[str, Any]) -> harness.Row:
    """Percentiles within each run, then their medians over runs; n: packets."""
    p50, p95, p99, most = (statistics.median(one.latency_us[at] for one in runs) for at in range(4))
    n = sum(one.counted - one.lost for one in runs)
    return harness.Row(
        "media.added_latency_us",
        "us",
        p50,
        n,
        p50,
        p95,
        p99,
        most,
        params,
        harness.machine(),
        harness.commit(),
    )


def calls_per_core(us_per_packet: float, packets_per_s: float) -> float:
    """Calls that take one whole core; both directions counted in packets_per_s."""
    return round(FULL_CORE * 1e6 / (us_per_packet * packets_per_s), 1)


def points_told(found: dict[Point, list[Measured]]) -> list[str]:
    """One line a point: what the table's rows are rows of."""
    return [
        f"{point.server} {point.media} {point.calls} calls: {_us(runs):.1f} us/packet, "
        f"{statistics.median(one.cores for one in runs):.2f} core, "
        f"{_p99(runs)}"
        f"{sum(one.lost for one in runs)} lost"
        for point, runs in found.items()
    ]


def _p99(runs: Sequence[Measured]) -> str:
    p99_us = statistics.median(one.latency_us[2] for one in runs)
    return "" if math.isnan(p99_us) else f"p99 {p99_us:.0f} us, "


def ratios(found: dict[Point, list[Measured]]) -> list[str]:
    """fast/janus, plain/janus and fast/bound, for every load that both were measured at."""
    us = {point: _us(runs) for point, runs in found.items()}
    lines = []
    for ours, theirs in (("fast", "janus"), ("plain", "janus"), ("fast", "bound"), ("fast", "plain")):
        for point, value in us.items():
            other = us.get(Point(theirs, point.media, point.calls))
            if point.server == ours and other:
                lines.append(f"{ours}/{theirs} {point.media} {point.calls} calls: {value / other:.2f}")
    return lines


def plan(options: argparse.Namespace) -> Plan:
    """Which points: what was asked for, else everything that is installed."""
    if options.server:
        chosen = options.server
    else:
        asked = bool(options.peer or options.bound)
        peers = options.peer or ([] if asked else servers.installed())
        chosen = [*ENGINES, *peers, *(["bound"] if options.bound or not asked else [])]
    calls = {"voice": options.calls or [100, 200], "video": options.video_calls or [20]}
    points = [
        Point(server, media, count)
        for media in options.media
        for count in calls[media]
        for server in chosen
        if server != TRANSCODES
    ]
    if TRANSCODES in chosen:
        points += [Point(TRANSCODES, media, TRANSCODED_CALLS[media]) for media in options.media]
    return Plan(options.rounds, options.seconds, points, options.prove and "voice" in options.media)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="talknow bench media", description=__doc__)
    add = parser.add_argument
    add("--json", help="append the rows to this file (- for standard output)")
    add("--peer", action="append", choices=PEERS, help="another server in the same run (twice for both)")
    add("--bound", action="store_true", help="the C loop no forwarder can beat, with as many contexts")
    add("--server", action="append", choices=(*ENGINES, *PEERS, "bound"), help="only these servers")
    add("--media", action="append", choices=("voice", "video"), help="default: both")
    add("--calls", action="append", type=int, help="voice calls of a point (repeat for several)")
    add("--video-calls", action="append", type=int, help="the same for 720p")
    add("--rounds", type=int, default=3)
    add("--seconds", type=float, default=WINDOW_S, help="how long each run is measured")
    add("--no-proof", dest="prove", action="store_false", help="leave out the runs at 0.7 core")
    options = parser.parse_args(arguments)
    options.media = options.media or ["voice", "video"]
    todo = plan(options)
    try:
        sources = {name: getattr(media_source, name)() for name in options.media}
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            loop.run_until_complete(run(todo, sources))
    except (native.NoCompiler, servers.Failed) as error:
        harness.console.print(f"talknow bench: {error}")
        return 1
    per_call = {name: 2 * source.packets_per_s for name, source in sources.items()}
    harness.publish(rows(todo.found, per_call), options.json)
    for line in [*points_told(todo.found), *ratios(todo.found)]:
        harness.console.print(line)
    return 1 if any(one.bad for runs in todo.found.values() for one in runs) else 0
