"""`talknow chaos` takes what people write, refuses the rest in words, and says what it did."""

from __future__ import annotations

import math
import signal
import socket
import subprocess
import sys

import pytest

from benchmarks import network
from benchmarks.impairment import Bursts, Profile
from tests.server_process import ROOT

BASE = ["--listen", "udp:9000", "--target", "127.0.0.1:8080"]


def profiles(*settings: str) -> tuple[Profile, Profile]:
    options = network.parser().parse_args([*BASE, *settings])
    return network.profile(options, "up"), network.profile(options, "down")


def test_settings_are_read_with_their_units() -> None:
    timing = ["--delay", "30ms", "--jitter", "0.2s", "--cut", "10s..12s", "--cut", "1min.."]
    width = ["--bandwidth", "500kbit", "--queue", "100ms"]
    up, down = profiles("--loss", "5%", *timing, "--reorder", "0.01", "--duplicate", "1%", *width)
    assert up == down
    assert up == Profile(
        loss=0.05,
        delay_s=0.03,
        jitter_s=0.2,
        reorder=0.01,
        duplicate=0.01,
        bandwidth_bps=500_000,
        queue_s=0.1,
        cuts=((10, 12), (60, math.inf)),
    )


def test_a_direction_may_differ() -> None:
    up, down = profiles("--loss", "5%", "--up-loss", "0", "--down-bandwidth", "2mbit", "--down-queue", "30kb")
    assert up == Profile()
    assert down == Profile(loss=0.05, bandwidth_bps=2e6, queue_s=0, queue_bytes=30_000)


def test_loss_may_come_in_bursts() -> None:
    assert profiles("--loss", "5%", "--burst", "4")[0] == Profile(bursts=Bursts.of(0.05, 4))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["--loss", "5p"], "'5p' is not a share, as 5%"),
        (["--loss", "101%"], "'101%' is not a share"),
        (["--delay", "30"], "'30' is not a time with its unit"),
        (["--bandwidth", "500k"], "as 500kbit"),
        (["--bandwidth", "0kbit"], "a rate above 0"),
        (["--cut", "12s..10s"], "ends after it begins"),
        (["--cut", "12s"], "10s..12s"),
        (["--queue", "200ms"], "--queue needs --bandwidth"),
        (["--burst", "4"], "--burst needs --loss"),
        (["--burst", "0.5"], "mean number of packets"),
        (["--loss", "90%", "--burst", "2"], "longer bursts"),
        (["--rebind-every", "1us"], "at least 10ms"),
        (["--listen", "9000"], "udp:PORT or tcp:PORT"),
        (["--listen", "udp:70000"], "1 to 65535"),
        (["--target", "host.invalid:1"], "is not a target"),
        (["--nothing"], "unrecognized"),
    ],
)
def test_a_wrong_value_is_told_in_words(
    settings: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        network.main([*BASE, *settings])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_it_relays_tells_every_second_and_sums_up_at_the_end() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
    ):
        for sock in (target, client, probe):
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(10)
        port = probe.getsockname()[1]
        probe.close()
        to = ["--listen", f"udp:{port}", "--target", f"127.0.0.1:{target.getsockname()[1]}"]
        command = [
            sys.executable,
            "-m",
            "server",
            "chaos",
            *to,
            "--down-loss",
            "100%",
            "--rebind-every",
            "10ms",
        ]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert "Ctrl-C ends" in process.stdout.readline()
            client.sendto(b"hello", ("127.0.0.1", port))
            data, source = target.recvfrom(100)
            assert data == b"hello"
            target.sendto(b"answer", source)
            first = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()
    assert process.returncode == 0
    assert first.split("up: ")[1].startswith("1 passed")
    assert "in all  up: 1 passed" in rest
    assert "rebindings" in rest


def test_a_taken_port_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        listen = f"udp:{taken.getsockname()[1]}"
        assert network.main(["--listen", listen, "--target", "127.0.0.1:9"]) == 1
    assert "cannot listen" in capsys.readouterr().err
