"""What a shared page that does nothing costs its main thread: a part of `talknow bench cobrowse`.

The same page without a recorder, with ours and with rrweb, SECONDS each: milliseconds a second of all
tasks and of scripts alone, above the page without a recorder. The bound is 3 % of a frame's time.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.progress import Progress
from rich.table import Table

from benchmarks import harness
from benchmarks.cobrowse_pages import WORKLOADS, Workload

if TYPE_CHECKING:
    from benchmarks.cobrowse import Bench

NAME = "cobrowse.idle_ms_per_s"
SECONDS = 5.0
MOST_MS_PER_S = 30.0
KINDS = {"task": "TaskDuration", "script": "ScriptDuration"}
# The smallest page and the biggest.
PAGES = (WORKLOADS[0], WORKLOADS[-1])


async def idle(ready: Bench, recorders: Sequence[str], rounds: int, bar: Progress) -> list[harness.Row]:
    samples: dict[tuple[str, Workload, str], list[float]] = defaultdict(list)
    task = bar.add_task("idle", total=rounds * len(PAGES))

    async def cost(recorder: str, workload: Workload) -> dict[str, float]:
        async with ready.page(recorder, workload.page) as (page, session):
            await ready.start(page, ready.sides.get(recorder), counted=False)
            await asyncio.sleep(1.0)
            before = await ready.metrics(session)
            await asyncio.sleep(SECONDS)
            after = await ready.metrics(session)
            return {kind: (after[name] - before[name]) / SECONDS * 1_000 for kind, name in KINDS.items()}

    for _ in range(rounds):
        for workload in PAGES:
            plain = await ready.tried(cost, "none", workload)
            for recorder in recorders:
                for kind, ms in (await ready.tried(cost, recorder, workload)).items():
                    samples[recorder, workload, kind].append(max(0.0, ms - plain[kind]))
            bar.advance(task)
    return [
        harness.row(NAME, "ms", found, {"recorder": recorder, "nodes": workload.nodes, "kind": kind})
        for (recorder, workload, kind), found in samples.items()
    ]


def judged(found: Sequence[harness.Row]) -> Table:
    """Our rows of it with their bound."""
    table = Table(title="a shared page that does nothing", title_justify="left")
    for title in ("nodes", "of", "ms a second", "bound", ""):
        table.add_column(title, justify="right" if title != "" else "left")
    for row in found:
        if row.name == NAME and row.params["recorder"] == "talknow":
            over = "" if row.p50 <= MOST_MS_PER_S else "over"
            cells = (str(row.params["nodes"]), row.params["kind"], f"{row.p50:.2f}", f"{MOST_MS_PER_S:g}")
            table.add_row(*cells, over)
    return table
