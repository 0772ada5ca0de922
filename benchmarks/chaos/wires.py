"""The network of links: an address per node that can be taken away, in a network namespace of our own.

What is sent to an address that is not there is lost, as where a cable is cut: nobody is told. Needs root.
Source: ip-netns(8), ip-route(8).
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from benchmarks import harness
from benchmarks.services import program

NETWORK = "198.18.0"  # for benchmarks of networks: RFC 2544
INSIDE = "TALKNOW_OWN_NETWORK"


class Wires:
    """Addresses on the loopback interface of this namespace. Raises: RuntimeError when ip(8) refuses."""

    def __init__(self, nodes: int) -> None:
        _ip("link", "set", "lo", "up")
        _ip("route", "add", "blackhole", f"{NETWORK}.0/24")
        for node in range(nodes):
            _ip("address", "add", f"{self.address(node)}/32", "dev", "lo")

    @staticmethod
    def address(node: int) -> str:
        return f"{NETWORK}.{node + 1}"

    async def take(self, node: int) -> None:
        await asyncio.to_thread(_ip, "address", "del", f"{self.address(node)}/32", "dev", "lo")

    async def give(self, node: int) -> None:
        await asyncio.to_thread(_ip, "address", "add", f"{self.address(node)}/32", "dev", "lo")


def own_network() -> int | None:
    """None inside one; else what this very command returned when it was run in one."""
    if os.environ.get(INSIDE):
        return None
    if os.geteuid() != 0:
        harness.console.print(
            "talknow bench: `--also part` makes a network of its own, and needs root for it"
        )
        return 1
    command = [program("unshare", "util-linux"), "--net", sys.executable, "-m", "server", *sys.argv[1:]]
    return subprocess.run(command, env=os.environ | {INSIDE: "1"}, check=False).returncode


def _ip(*words: str) -> None:
    done = subprocess.run([program("ip", "iproute2"), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
