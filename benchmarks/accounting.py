"""What the kernel says a process used: run time of all its threads, resident memory, cores to run on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

PROC = Path("/proc")


def run_time_ns(pid: int, proc: Path = PROC) -> int:
    """CPU time of all living threads so far. Source: Documentation/scheduler/sched-stats.rst."""
    total = 0
    for task in (proc / str(pid) / "task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += int((task / "schedstat").read_text().split()[0])
    return total


def resident_bytes(pid: int, proc: Path = PROC) -> int:
    """Source: proc(5), statm: second field, in pages."""
    return int((proc / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def pin(pid: int, core: int) -> None:
    """Put every thread of a process on one core; threads and children it starts later inherit it."""
    for task in (PROC / str(pid) / "task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), {core})


def cores() -> tuple[int, int]:
    """(generator, server): two cores of this machine; the same one when there is no other."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


@contextlib.asynccontextmanager
async def pinned(core: int) -> AsyncIterator[None]:
    """This process on one core meanwhile; what it started before stays where it is."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
