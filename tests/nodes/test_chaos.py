"""A short run of `talknow bench chaos`: nodes killed, stopped and drained, Redis and PostgreSQL restarted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.chaos.checker import BROKEN
from tests.server_process import ROOT

SEED = 20
MOST_S = 210  # 80 s on a fast machine, 180 s on half of one of its cores


@pytest.mark.slow
@pytest.mark.timeout(MOST_S + 30)
def test_nothing_that_was_acked_is_lost_whatever_happens_to_nodes(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    command = [sys.executable, "-m", "server", "bench", "chaos", "--json", str(file)]
    load = ["--kills", "20", "--seed", str(SEED), "--writers", "8", "--calls", "1"]
    kinds = ["all", "stop", "cut", "split", "clock", "drain", "flush", "redis", "postgres"]
    also = ["--others", str(len(kinds)), "--also", *kinds]
    words = [*command, *load, *also]
    with subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        try:
            said, _ = run.communicate(timeout=MOST_S)
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGINT)  # it says how far it got, and what the nodes said
            said, _ = run.communicate(timeout=25)
    assert run.returncode == 0, said
    rows = [json.loads(row) for row in file.read_text().splitlines()]
    sums = {row["name"]: row["value"] for row in rows if row["unit"] == "count"}
    assert sums["chaos.acked"] > 1_000
    for broken in BROKEN:
        assert sums[f"chaos.{broken}"] == 0
    back = {row["name"] for row in rows if row["unit"] == "ms" and row["params"].get("after") == "kill"}
    assert back == {"chaos.signaling_back_ms", "chaos.audio_back_ms", "chaos.page_back_ms"}
    assert sums["chaos.frames"] > 100
