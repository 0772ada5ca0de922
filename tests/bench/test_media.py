"""The media bench tells what the kernel and the wire say: accounting, packets, rows, and one real call."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import accounting, media, media_source
from benchmarks.peers.generator import Seen
from tests.server_process import ROOT

SEEN = Seen(10, 10, 10, 9, 1, 0, 0, 0, 0, 0)


def measured(us: float) -> media.Measured:
    return media.Measured(us, 0.5, (10.0, 20.0, 30.0, 40.0), 1, 10, 0, 1, 200.0, 150.0, SEEN)


def test_run_time_is_the_sum_of_all_threads(tmp_path: Path) -> None:
    for thread, ns in (("7", 1_500), ("8", 500)):
        (tmp_path / "7/task" / thread).mkdir(parents=True)
        (tmp_path / "7/task" / thread / "schedstat").write_text(f"{ns} 99 3\n")
    assert accounting.run_time_ns(7, tmp_path) == 2_000


def test_resident_memory_is_the_second_field_in_pages(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/statm").write_text("100 3 1 0 0 0 0\n")
    assert accounting.resident_bytes(7, tmp_path) % 3 == 0
    assert accounting.resident_bytes(7, tmp_path) // 3 in (4_096, 16_384, 65_536)


def test_a_frame_is_cut_into_payloads_that_make_it_again() -> None:
    frame = bytes(range(256)) * 20
    payloads = media_source.cut(frame)
    assert b"".join(payload[1:] for payload in payloads) == frame
    assert [payload[0] for payload in payloads] == [0x10] + [0] * (len(payloads) - 1)
    assert max(map(len, payloads)) <= media_source.MAX_PAYLOAD_BYTES + 1


def test_voice_is_fifty_packets_a_second_and_no_two_alike() -> None:
    voice = media_source.voice(1.0)
    payloads = {voice.data[a:b] for a, b in zip(voice.offsets, voice.offsets[1:], strict=False)}
    assert voice.packets_per_s == 50
    assert voice.step == 960
    assert len(payloads) == len(voice.offsets) - 1


def test_rows_are_medians_over_rounds_and_ratios_are_at_equal_load() -> None:
    found = {
        media.Point("fast", "voice", 100): [measured(20), measured(90), measured(22)],
        media.Point("janus", "voice", 100): [measured(44)],
        media.Point("bound", "voice", 200): [measured(5)],
    }
    rows = {(r.name, r.params["server"]): r for r in media.rows(found, {"voice": 100.0})}
    assert rows["media.us_per_packet", "fast"].value == 22
    assert rows["media.calls_per_core", "janus"].value == pytest.approx(227.3)
    assert rows["media.loss", "fast"].value == 3
    assert rows["media.added_latency_us", "fast"].p99 == 30
    assert media.ratios(found) == ["fast/janus voice 100 calls: 0.50"]
    assert media.proofs(found, 100.0) == [media.Point("fast", "voice", 318)]


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_packets_cross_a_real_server_unharmed(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    command = [sys.executable, "-m", "server", "bench", "media", "--server", "fast", "--json", str(file)]
    small = ["--calls", "3", "--video-calls", "1", "--rounds", "1", "--seconds", "1", "--no-proof"]
    done = subprocess.run([*command, *small], cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert {row["params"]["media"] for row in rows} == {"voice", "video"}
    assert [row["value"] for row in rows if row["name"] == "media.loss"] == [0, 0]
