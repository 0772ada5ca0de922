"""One run: people at work, the nemesis striking, the verdict and the rows."""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import secrets
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import aiohttp
from msgspec import Struct, field

from benchmarks import harness
from benchmarks.chaos import people
from benchmarks.chaos.callers import GAP_S, Caller, tones
from benchmarks.chaos.checker import BROKEN, SUMS, Verdict
from benchmarks.chaos.history import History, Queue, judge_again
from benchmarks.chaos.nemesis import KINDS, Blow, Nemesis, plan
from benchmarks.chaos.nodes import NODES, Nodes, running
from benchmarks.chaos.pauses import Pauses
from benchmarks.chaos.roaming import Roaming
from benchmarks.chaos.sharers import sharer
from benchmarks.chaos.story import Slow, clock
from benchmarks.chaos.wires import Wires, own_network
from benchmarks.journey import free_port

KILLS = 30
WRITERS = 24
CALLS = 2
PAGES = 2
DESKS = 3
CAPACITY = 7  # of a desk: so few that some of the writers wait in the queue
PAUSE_S = (0.3, 1.5)
SETTLE_S = 4.0
STUCK_S = 20.0
LATE_S = 2.0
MOVED_S = 4.0
STORIES = 12


class Outcome(Struct):
    """What a run brought. *_back_s by kind of blow; drain_gap_s: the longest gap of each call that moved.

    errors: nodes that ended by themselves, stack traces; stuck: what writers waited for in the end;
    slow: what happened in the longest silences.
    """

    verdict: Verdict = field(default_factory=Verdict)
    blows: list[Blow] = field(default_factory=list)
    signaling_back_s: dict[str, list[float]] = field(default_factory=dict)
    page_back_s: dict[str, list[float]] = field(default_factory=dict)
    audio_back_s: dict[str, list[float]] = field(default_factory=dict)
    drain_gap_s: list[float] = field(default_factory=list)
    took_s: float = 0.0
    logs: str = ""
    errors: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)

    @property
    def fine(self) -> bool:
        return self.verdict.clean and bool(self.verdict.acked) and not self.errors and not self.stuck


async def one_run(nodes: Nodes, options: argparse.Namespace, history: History) -> Outcome:
    """Everything that is chance comes from options.seed."""
    chance = random.Random(options.seed)
    outcome = Outcome()
    pauses = Pauses()
    nemesis = Nemesis(nodes, options.seed, PAUSE_S)
    kinds = plan(
        options.kills, options.kills // 4 if options.others is None else options.others, options.also
    )
    began_s = time.monotonic()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        desks = await people.desks(nodes.urls, http, nodes.token, DESKS, CAPACITY, chance)
        writers = await people.writers(nodes.urls, http, options.writers, chance, desks, history)
        callers = [await _caller(nodes, http, chance) for _ in range(options.calls)]
        sharers = [await sharer(nodes.urls, http, number, chance) for number in range(options.pages)]
        async with asyncio.TaskGroup() as tasks:
            working = [tasks.create_task(desk.work()) for desk in desks]
            working.append(tasks.create_task(pauses.watch()))
            for caller in callers:
                await caller.begin(desks)
                working.append(tasks.create_task(caller.work()))
            for one in sharers:
                await one.begin(desks)
                working.append(tasks.create_task(one.work()))
            writing = [tasks.create_task(writer.work()) for writer in writers]
            with harness.progress() as bar:
                task = bar.add_task(f"nodes are killed, seed {options.seed}", total=len(kinds))
                await nemesis.strike(kinds, lambda: bar.advance(task))
            await asyncio.sleep(SETTLE_S)
            for writer in writers:
                writer.stopped = True
            await asyncio.wait(writing, timeout=STUCK_S)
            stuck = [writer for writer, task in zip(writers, writing, strict=True) if not task.done()]
            outcome.stuck = [writer.last for writer in stuck] + [one.stuck for one in sharers if one.stuck]
            for work in (*working, *writing):
                work.cancel()
        everybody: list[Roaming] = [*writers, *desks]
        everybody += [one.customer for one in callers] + [one.customer for one in sharers]
        await asyncio.gather(*[one.leave() for one in everybody])
    history.add(Queue([one for writer in writers for one in writer.waited]))
    outcome.verdict.add(history.verdict)
    for one in sharers:
        outcome.verdict.add(one.verdict)
    outcome.blows = nemesis.blows
    outcome.signaling_back_s = back(nemesis.blows, [wait for w in writers for wait in w.waits])
    outcome.page_back_s = back(nemesis.blows, [gap for one in sharers for gap in one.gaps])
    outcome.audio_back_s = back(nemesis.blows, [s for caller in callers for s in caller.silences])
    outcome.drain_gap_s = drain_gaps(nemesis.blows, callers, pauses)
    waits = [wait for many in (writers, callers, sharers) for one in many for wait in one.slow]
    outcome.slow = stories(waits, nemesis.blows)
    outcome.took_s = time.monotonic() - began_s
    outcome.logs = nodes.logs()
    for number in range(NODES):
        nodes.look(number)
    outcome.errors += nodes.ended
    outcome.errors += [text[:9_000] for text in outcome.logs.split("Traceback (most recent call last)")[1:]]
    return outcome


async def _caller(nodes: Nodes, http: aiohttp.ClientSession, chance: random.Random) -> Caller:
    (customer,) = await people.writers(nodes.urls, http, 1, chance, [], History())
    return Caller(customer, tones())


def back(blows: Sequence[Blow], waits: Sequence[tuple[float, float]]) -> dict[str, list[float]]:
    """Seconds of a wait from the first blow that fell into it, by the kinds of all that did ("kill+full").

    Where none did, from the last one that came within LATE_S before it: what is cut off notices later, its
    lease must run out first.
    """
    found: dict[str, list[float]] = {}
    for end_s, seconds in waits:
        began_s = end_s - seconds
        within = [blow for blow in blows if began_s <= blow.at_s < end_s]
        within = within or [blow for blow in blows if began_s - LATE_S <= blow.at_s < began_s][-1:]
        if within:
            kinds = "+".join(dict.fromkeys(blow.kind for blow in within))
            found.setdefault(kinds, []).append(end_s - max(began_s, within[0].at_s))
    return found


def stories(waits: Sequence[Slow], blows: Sequence[Blow]) -> list[str]:
    """The longest of them in words; not where what all share was struck, for all wait for that."""
    shared = [blow for blow in blows if blow.node < 0]
    found = [wait for wait in waits if not any(wait.since_s - LATE_S < b.at_s < wait.until_s for b in shared)]
    found.sort(key=lambda wait: wait.since_s - wait.until_s)
    notes = [(blow.at_s, f"nemesis {blow.kind} {blow.node}") for blow in blows]
    return [wait.told(notes) for wait in found[:STORIES]]


def drain_gaps(blows: Sequence[Blow], callers: Sequence[Caller], pauses: Pauses) -> list[float]:
    """The longest time without a packet in each call that a drain moved, in seconds.

    Until the next blow; without what this process itself slept through.
    """
    found = []
    ends_s = [*(following.at_s for following in blows[1:]), math.inf]
    for blow, end_s in zip(blows, ends_s, strict=True):
        until_s = min(blow.at_s + MOVED_S, end_s)
        for caller in callers if blow.kind == "drain" else ():
            if any(blow.at_s <= moved_s < until_s for moved_s in caller.moves):
                gaps = [
                    seconds - pauses.within(at_s - seconds, at_s)
                    for at_s, seconds in caller.gaps
                    if blow.at_s <= at_s < until_s
                ]
                found.append(max([GAP_S, *gaps]))
    return found


def rows(outcome: Outcome, options: argparse.Namespace) -> list[harness.Row]:
    params = {"kills": options.kills, "seed": options.seed, "also": "+".join(options.also) or "nothing"}
    verdict = outcome.verdict
    made = [
        harness.count(f"chaos.{name}", "count", getattr(verdict, name), params) for name in (*SUMS, *BROKEN)
    ]
    made.append(harness.count("chaos.acks_per_s", "count", round(verdict.acked / outcome.took_s, 1), params))
    for name, by_kind in (
        ("chaos.signaling_back_ms", outcome.signaling_back_s),
        ("chaos.audio_back_ms", outcome.audio_back_s),
        ("chaos.page_back_ms", outcome.page_back_s),
    ):
        for kind, seconds in by_kind.items():
            made.append(harness.row(name, "ms", [1_000 * s for s in seconds], params | {"after": kind}))
    if outcome.drain_gap_s:
        made.append(harness.row("chaos.drain_gap_ms", "ms", [1_000 * s for s in outcome.drain_gap_s], params))
    return made


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    if options.judge:
        return _judge(Path(options.judge))
    if "part" in options.also and (returned := own_network()) is not None:
        return returned
    outcome = harness.generate(_main(options))
    harness.publish(rows(outcome, options), options.json)
    for story in outcome.slow:
        harness.console.print(f"  slow: {story}", style="yellow", markup=False)
    stuck = [f"stuck: {last}" for last in outcome.stuck]
    for example in (*outcome.verdict.examples, *outcome.errors[:3], *stuck):
        harness.console.print(f"  {example}", style="red", markup=False)
    if options.logs:
        blows = [f"{clock(blow.at_s)} nemesis {blow.kind} {blow.node}\n" for blow in outcome.blows]
        Path(options.logs).write_text("".join(blows) + outcome.logs)
    if options.report:
        from benchmarks.chaos.report import write

        write(Path(options.report), outcome, options)
    harness.console.print(f"{'clean' if outcome.fine else 'BROKEN'}; the same again: {again(options)}")
    return 0 if outcome.fine else 1


def again(options: argparse.Namespace) -> str:
    """The command that does the same to nodes that are used the same way."""
    words = ["talknow", "bench", "chaos"]
    for name in ("kills", "seed", "writers", "calls", "pages", "others"):
        if getattr(options, name) is not None:
            words += [f"--{name}", str(getattr(options, name))]
    return " ".join([*words, *(["--also", *options.also] if options.also else [])])


def _judge(file: Path) -> int:
    verdict = judge_again(file)
    for name in (*SUMS, *BROKEN):
        harness.console.print(f"{name:12} {getattr(verdict, name):,}")
    for example in verdict.examples:
        harness.console.print(f"  {example}", style="red", markup=False)
    return 0 if verdict.clean else 1


async def _main(options: argparse.Namespace) -> Outcome:
    program = "benchmarks.chaos.shifted" if "clock" in options.also else "server"
    wires = Wires(NODES) if "part" in options.also else None
    async with running(options.port or free_port(12), program, wires) as nodes:
        with closing(History(Path(options.history) if options.history else None)) as history:
            return await one_run(nodes, options, history)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="talknow bench chaos", description=__doc__)
    made.add_argument("--kills", type=int, default=KILLS, help="how often a node is killed")
    made.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    made.add_argument("--writers", type=int, default=WRITERS, help="people who write all the time")
    made.add_argument("--calls", type=int, default=CALLS, help="calls that are held")
    made.add_argument("--pages", type=int, default=PAGES, help="pages that are shared")
    made.add_argument("--also", nargs="*", default=[], choices=KINDS[1:], help="what else happens")
    made.add_argument("--others", type=int, help="how much of that in all (default: a quarter of the kills)")
    made.add_argument("--port", type=int, default=0, help="first of twelve ports")
    made.add_argument("--json", help="append rows to this file (- for stdout)")
    made.add_argument("--history", metavar="FILE", help="keep what was tried, stored and heard (gzip)")
    made.add_argument("--judge", metavar="FILE", help="no run: judge such a history again")
    made.add_argument("--logs", help="keep the blows and the nodes' logs in this file")
    made.add_argument("--report", help="write what was done and found, in words")
    return made
