"""Killed under load, 20 times: every acked message is there exactly once, in one order for all readers.

One node on SQLite; people and judge are those of `talknow bench chaos`.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import aiohttp
import pytest

from benchmarks.chaos import people
from benchmarks.chaos.history import History
from tests.server_process import BENCH_TOKEN, start

KILLS = 20
WRITERS = 4


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_acked_messages_survive_twenty_kills(tmp_path: Path) -> None:
    chance = random.Random(11)
    extra = ("--bench-token", BENCH_TOKEN)
    server = start(tmp_path, *extra)
    urls = [server.url]
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        desks = await people.desks(urls, http, BENCH_TOKEN, 1, 100, chance)
        history = History()
        writers = await people.writers(urls, http, WRITERS, chance, desks, history)
        working = [tasks.create_task(desk.work()) for desk in desks]
        writing = [tasks.create_task(writer.work()) for writer in writers]
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.2, 0.6))
            server.kill()
            server = await asyncio.to_thread(start, tmp_path, *extra, port=server.port)
        await asyncio.sleep(1.5)
        for writer in writers:
            writer.stopped = True
        await asyncio.wait(writing)
        for task in working:
            task.cancel()
        for one in (*writers, *desks):
            await one.person.close()
    verdict = history.verdict
    assert verdict.clean, verdict.examples
    assert verdict.acked >= 100, "the load was no load"
    assert server.stop() == 0
    assert "Traceback" not in server.log
