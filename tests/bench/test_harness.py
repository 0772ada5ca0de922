"""Figures are what they say: percentiles, rows, comparison; and the sample client is a client."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import harness, run
from benchmarks.media_source import tone_packets
from tests.server_process import BENCH_TOKEN, ROOT, start


def test_percentiles_are_nearest_ranks() -> None:
    samples = [float(n) for n in range(1, 101)]
    assert [harness.percentile(samples, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]


def test_nothing_measured_is_not_a_figure() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        harness.row("x", "ms", [], {})


def test_rows_are_one_json_line_each_and_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [harness.row("a.b_ms", "ms", [1.0, 2.0, 3.0], {"calls": 2}), harness.count("a.c", "count", 4, {})]
    harness.publish(rows, str(file))
    keys = {"name", "unit", "value", "n", "p50", "p95", "p99", "max", "params", "machine", "commit"}
    assert all(set(json.loads(line)) == keys for line in file.read_text().splitlines())
    assert harness.read(file) == rows
    assert harness.compare(rows, rows).row_count == 2


async def test_a_connect_that_was_given_up_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    harness.tell(loop, {"message": "Unclosed connection", "client_connection": None})
    assert not caplog.records
    harness.tell(loop, {"message": "something else"})
    assert caplog.records[0].message == "something else"


def test_an_unknown_load_test_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("nothing", []) == 2
    assert "journey" in capsys.readouterr().err


def test_the_source_is_real_opus_of_20_ms() -> None:
    packets = tone_packets(seconds=0.5)
    assert len(packets) == 25
    assert all(3 < len(packet) < 400 for packet in packets)
    assert len(set(packets)) > 20


@pytest.mark.timeout(60)
def test_the_sample_client_writes_once_even_when_it_is_run_again(tmp_path: Path) -> None:
    assert len((ROOT / "docs/sample_client.py").read_text().splitlines()) <= 60
    server = start(tmp_path, "--bench-token", BENCH_TOKEN)
    command = [sys.executable, "docs/sample_client.py", server.url, "bench", "Hello from Python"]
    state = ["--state", str(tmp_path / "state")]
    said = [
        subprocess.run([*command, *state], cwd=ROOT, capture_output=True, text=True, timeout=20)
        for _ in range(2)
    ]
    server.stop()
    assert [done.returncode for done in said] == [0, 0], said[0].stderr
    assert "stored as seq 2 of e_" in said[0].stdout


def short(directory: Path, *words: str) -> Path:
    """Where a short `talknow bench WORDS` left its rows."""
    file = directory / "rows.jsonl"
    command = [sys.executable, "-m", "server", "bench", *words, "--json", str(file), "--short"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    return file


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_journey_bench_reports_every_figure(tmp_path: Path) -> None:
    file = short(tmp_path, "journey", "--calls", "2")
    names = [json.loads(line)["name"] for line in file.read_text().splitlines()]
    assert names == [
        "journey.click_to_audio_ms",
        "journey.chat_ack_ms",
        "journey.chat_deliver_ms",
        "journey.path_replace_gap_ms",
        "journey.failed",
    ]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_soak_bench_lets_people_come_talk_and_go(tmp_path: Path) -> None:
    file = short(tmp_path, "soak", "--minutes", "0.35")
    rows = {(row.name, row.params.get("of")): row.value for row in harness.read(file)}
    assert rows["soak.lives", None] > 20
    assert rows["soak.failed", None] == 0
    assert {of for name, of in rows if name == "soak.kept"} >= {"tasks", "descriptors", "files"}
    assert rows["soak.kept", "files"] == 0


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_running_server_is_measured_only_with_its_token(tmp_path: Path) -> None:
    server = start(tmp_path, "--bench-token", BENCH_TOKEN)
    command = [
        sys.executable,
        "-m",
        "server",
        "bench",
        "journey",
        "--calls",
        "1",
        "--short",
        "--url",
        server.url,
    ]
    wrong = subprocess.run(
        [*command, "--token", "wrong"], cwd=ROOT, capture_output=True, text=True, timeout=50
    )
    right = subprocess.run(
        [*command, "--token", BENCH_TOKEN, "--json", "-"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
    )
    server.stop()
    assert wrong.returncode == 1
    assert "--bench-token" in wrong.stderr
    assert right.returncode == 0, right.stderr
    assert len(right.stdout.splitlines()) == 5
