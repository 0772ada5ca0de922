"""A real server as a subprocess, for tests that kill it, and for stock clients."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from media import sounds

ROOT = Path(__file__).parents[1]
BLOCK = 8
READY_S = 20
BENCH_TOKEN = "bench-token-for-tests"
_given: deque[int] = deque(maxlen=100)
_giving = threading.Lock()


def free_block(size: int = 3) -> int:
    """A port P, P..P+size-1 are free for TCP and UDP just now. Nobody here was given it just before.

    (Nodes that start at the same time listen only later: what is free now tells them nothing of each other.)
    """
    for _ in range(1_000):
        # By chance, for several runs at once; below what the kernel gives to clients.
        port = 21_000 + BLOCK * secrets.randbelow(11_000 // BLOCK)
        with _giving:
            if port in _given:
                continue
            _given.append(port)
        try:
            for offset in range(size):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(socket.AF_INET, kind) as probe:
                        probe.bind(("0.0.0.0", port + offset))
        except OSError:
            continue
        return port
    raise RuntimeError("no free block of ports")


@dataclass
class Server:
    """A running `talknow serve` with its own data directory."""

    port: int
    data: Path
    process: subprocess.Popen[bytes]
    database: str = ""

    @property
    def accounts(self) -> tuple[str, ...]:
        """Where `talknow agent` finds its accounts."""
        return ("--database", self.database) if self.database else ("--data", str(self.data))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def demo(self) -> str:
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def log(self) -> str:
        return (self.data / "server.log").read_text()

    @property
    def rss_mb(self) -> float:
        """What its process holds in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(5)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        return self.process.wait(10)

    def interventions(self) -> dict[str, float]:
        """What the server's second look at shared pages hid, asked for again and refused; without zeros."""
        counts = {what: self.count(f"talknow_cobrowse_{what}") for what in ("masked", "resyncs", "refused")}
        return {what: count for what, count in counts.items() if count}

    def count(self, metric: str) -> float:
        """What /metrics says of one without labels."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{metric} "))


def start(data: Path, *extra: str, port: int = 0, prefix: str = "", program: str = "server") -> Server:
    """Start and wait until it is ready; one that never is goes again.

    prefix: of keys in Redis. program: the module to run.
    """
    port = port or free_block(4)
    with _giving:
        shutil.copytree(_with_sounds(), data, dirs_exist_ok=True)
    command = [sys.executable, "-m", program, "serve", "--port", str(port), "--data", str(data), *extra]
    with (data / "server.log").open("ab") as log:
        environ = os.environ | ({"TALKNOW_REDIS_PREFIX": prefix} if prefix else {})
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environ)
    server = Server(port, data, process)
    try:
        _wait(server)
    except BaseException:
        process.kill()
        raise
    return server


@cache
def _with_sounds() -> Path:
    """A data directory with what media/sounds.py makes at first use: a second of work, the same each time."""
    made = Path(tempfile.mkdtemp(prefix="talknow-sounds-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    sounds.load(made)
    return made


def _wait(server: Server) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        assert server.process.poll() is None, server.log
        try:
            with urllib.request.urlopen(f"{server.url}/readyz", timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert time.monotonic() < deadline, server.log
            time.sleep(0.03)


def talknow(*arguments: str, text: str = "") -> str:
    """Run a command of the command line; its output. Fails the test when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "server", *arguments], cwd=ROOT, input=text, capture_output=True, text=True
    )
    assert done.returncode == 0, f"talknow {arguments[0]}: {done.stdout}{done.stderr}"
    return done.stdout
