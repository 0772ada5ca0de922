"""What every load test shares: rows, percentiles, progress, the table, a comparison of two runs.

A row is one JSON line: {"name","unit","value","n","p50","p95","p99","max","params","machine","commit"};
`value` is the figure to quote (p50 unless said). Rows are appended, so that runs can be compared.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import uvloop
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

T = TypeVar("T")
# Tables and progress go to stderr, so that `--json -` leaves stdout to the rows.
WIDE = 140
console = Console(stderr=True, width=None if sys.stderr.isatty() else WIDE)


class Row(Struct, frozen=True):
    """One result; all figures in `unit`."""

    name: str
    unit: str
    value: float
    n: int
    p50: float
    p95: float
    p99: float
    max: float
    params: dict[str, Any]
    machine: str
    commit: str


def generate(work: Coroutine[Any, Any, T]) -> T:
    """Run a load generator on libuv's loop. Its own pauses are not to be measured: they are made rare.

    (80 ms for the objects of 2,000 clients.)
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(tell)
        return runner.run(work)


def tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Not that aiohttp closed a connection by itself: that is how a connect ends that somebody gave up."""
    if "client_connection" not in context:
        loop.default_exception_handler(context)


def percentile(samples: Sequence[float], share: float) -> float:
    """Nearest rank of a non-empty sample; share in 0..1."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def row(name: str, unit: str, samples: Sequence[float], params: dict[str, Any]) -> Row:
    """A row of a sample. Raises: ValueError for an empty one: nothing measured is not a figure."""
    if not samples:
        raise ValueError(f"{name}: nothing was measured")
    p50, p95, p99 = (round(percentile(samples, share), 3) for share in (0.5, 0.95, 0.99))
    return Row(
        name, unit, p50, len(samples), p50, p95, p99, round(max(samples), 3), params, machine(), commit()
    )


def count(name: str, unit: str, value: float, params: dict[str, Any]) -> Row:
    """A row of a single figure."""
    return Row(name, unit, value, 1, value, value, value, value, params, machine(), commit())


def machine() -> str:
    """Processor, cores, kernel and Python, in one line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, Linux {platform.release()}, Python {platform.python_version()}"


def commit() -> str:
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def publish(rows: Sequence[Row], file: str | None) -> None:
    """Show the table; append the rows to `file` (`-`: standard output)."""
    table = Table(title=f"{machine()} · {commit()}", title_justify="left")
    for title in ("figure", "of", "n", "p50", "p95", "p99", "max", "unit"):
        left = title in ("figure", "of", "unit")
        table.add_column(title, justify="left" if left else "right")
    for r in rows:
        known = (r.p50, r.p95, r.p99, r.max) if r.n > 1 else (r.value,)
        figures = [f"{v:g}" for v in known] + [""] * (4 - len(known))
        table.add_row(r.name, told(r.params), str(r.n), *figures, r.unit)
    console.print(table)
    lines = "".join(msgspec.json.encode(r).decode() + "\n" for r in rows)
    if file == "-":
        sys.stdout.write(lines)
    elif file is not None:
        with Path(file).open("a") as out:
            out.write(lines)


def told(params: Mapping[str, object]) -> str:
    """Parameters in a few words: a name says what it is, a number needs its key."""
    return " ".join(value if isinstance(value, str) else f"{key}={value}" for key, value in params.items())


def read(file: Path) -> list[Row]:
    return [msgspec.convert(json.loads(line), Row) for line in file.read_text().splitlines() if line]


def compare(before: Sequence[Row], after: Sequence[Row]) -> Table:
    """Ratios after/before of rows with the same name and parameters (their medians over repeats)."""
    table = Table(title="after / before")
    for title in ("figure", "of", "before", "after", "ratio p50", "ratio p95"):
        table.add_column(title, justify="left" if title in ("figure", "of") else "right")
    for name, params in dict.fromkeys((r.name, told(r.params)) for r in before):
        old, new = (
            [r for r in rows if (r.name, told(r.params)) == (name, params)] for rows in (before, after)
        )
        if not new:
            continue
        b50, a50 = (percentile([r.p50 for r in rows], 0.5) for rows in (old, new))
        b95, a95 = (percentile([r.p95 for r in rows], 0.5) for rows in (old, new))
        table.add_row(name, params, f"{b50:g}", f"{a50:g}", _ratio(a50, b50), _ratio(a95, b95))
    return table


def _ratio(after: float, before: float) -> str:
    return f"{after / before:.2f}" if before else "-"


def progress() -> Progress:
    return Progress(
        TextColumn("{task.description:28}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        console=console,
    )
