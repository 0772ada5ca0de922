"""`talknow chaos`: stand between browsers and a server, and spoil what passes.

Every setting exists for both directions (`--loss`) and for one (`--up-loss`: towards the target). Once a
second a line says what passed and what was lost; Ctrl-C ends with the sums. What the settings mean is
said in benchmarks/impairment.py; how to use it with a server in docs/operate.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import re
import signal
import socket
import sys
from collections.abc import Callable

from msgspec import Struct

from benchmarks.impairment import Bursts, Counts, Profile
from benchmarks.relay import LOOPBACK, Address, UdpRelay
from benchmarks.relay_tcp import TcpRelay

USAGE = "talknow chaos --listen udp:PORT --target HOST:PORT [settings]     (all of them: --help)"
EXAMPLE = "example: talknow chaos --listen udp:9000 --target 127.0.0.1:8080 --loss 5% --delay 30ms"
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
BITS = {"bit": 1.0, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
BYTES = {"b": 1.0, "kb": 1e3, "mb": 1e6}


class Listen(Struct, frozen=True):
    """Where to listen: `udp` or `tcp`, and the address."""

    kind: str
    address: Address


def _wrong(text: str, wanted: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{text!r} is not {wanted}")


def _quantity(text: str, units: dict[str, float], wanted: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.lower())
    if found is None or found[2] not in units:
        raise _wrong(text, wanted)
    return float(found[1]) * units[found[2]]


def share(text: str) -> float:
    """`5%` or `0.05`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", text)
    value = float(found[1]) / (100 if found[2] else 1) if found else math.inf
    if value > 1:
        raise _wrong(text, "a share, as 5% or 0.05")
    return value


def duration(text: str) -> float:
    """`30ms`, `2s`, `1min`; seconds."""
    return _quantity(text, SECONDS, "a time with its unit, as 30ms or 2s")


def rate(text: str) -> float:
    """`500kbit`, `2mbit`: per second."""
    value = _quantity(text, BITS, "a rate with its unit, as 500kbit or 2mbit")
    if not value:
        raise _wrong(text, "a rate above 0")
    return value


def period(text: str) -> float:
    """As `duration`, at least 10 ms."""
    value = duration(text)
    if value < 0.01:
        raise _wrong(text, "a time of at least 10ms")
    return value


def queue(text: str) -> tuple[float, int]:
    """`200ms` or `30kb`: (seconds, bytes), one of them 0."""
    wanted = "a time or a size with its unit, as 200ms or 30kb"
    if re.search(r"b$", text.lower()):
        return 0.0, int(_quantity(text, BYTES, wanted))
    return _quantity(text, SECONDS, wanted), 0


def packets(text: str) -> float:
    """A mean number of packets, at least 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value < math.inf:
        raise _wrong(text, "a mean number of packets, as 4")
    return value


def cut(text: str) -> tuple[float, float]:
    """`10s..12s`, `10s..` (for good)."""
    begin, dots, end = text.partition("..")
    if not dots:
        raise _wrong(text, "from and until, as 10s..12s or 10s..")
    span = duration(begin), duration(end) if end else math.inf
    if span[0] >= span[1]:
        raise _wrong(text, "a cut that ends after it begins")
    return span


def address(text: str) -> Address:
    """`HOST:PORT`; HOST may be left out for loopback, `[::1]:PORT` for IPv6."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 1 <= int(port) <= 65_535:
        raise _wrong(text, "HOST:PORT with a port from 1 to 65535")
    return host.strip("[]") or LOOPBACK, int(port)


def target(text: str) -> Address:
    """As `address`, and a name is looked up once, now."""
    host, port = address(text)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise _wrong(text, f"a target: {error.strerror}") from None
    return str(found[0][4][0]), port


def listen(text: str) -> Listen:
    """`udp:PORT`, `tcp:PORT`, `udp:HOST:PORT`."""
    kind, _, rest = text.partition(":")
    if kind not in ("udp", "tcp"):
        raise _wrong(text, "udp:PORT or tcp:PORT")
    return Listen(kind, address(rest))


SETTINGS: dict[str, tuple[Callable[[str], object], str]] = {
    "loss": (share, "share of packets that is lost: 5%%"),
    "burst": (packets, "lose in bursts of so many packets on average (Gilbert-Elliott): 4"),
    "delay": (duration, "one way: 30ms"),
    "jitter": (duration, "added to the delay, from nothing up to this: 200ms"),
    "reorder": (share, "share of packets that is overtaken by those after it: 1%%"),
    "duplicate": (share, "share of packets that comes twice: 1%%"),
    "bandwidth": (rate, "bottleneck: 500kbit (a second)"),
    "queue": (queue, "what waits before the bottleneck at most: 200ms (default) or 30kb"),
    "cut": (cut, "nothing passes, counted from the start: 10s..12s; may be repeated"),
}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="talknow chaos", usage=USAGE, description=__doc__, epilog=EXAMPLE)
    add = made.add_argument
    add("--listen", type=listen, action="append", required=True, help="udp:PORT or tcp:PORT; may be repeated")
    add("--target", type=target, required=True, help="HOST:PORT to which everything goes")
    add("--rebind-every", type=period, help="give clients another source port (UDP) so often: 5s")
    add("--seed", type=int, default=0, help="the same seed has the same fate for the same packets")
    add("--jitter-reorders", action="store_true", help="jitter does not keep the order")
    add("--resets", action="store_true", help="a cut resets TCP connections (else they stall)")
    for title, prefix in (
        ("both directions", ""),
        ("towards the target", "up-"),
        ("from the target", "down-"),
    ):
        group = made.add_argument_group(title)
        for name, (kind, about) in SETTINGS.items():
            repeated = "append" if name == "cut" else "store"
            flag = f"--{prefix}{name}"
            group.add_argument(flag, type=kind, action=repeated, help=about, metavar=name.upper())
    return made


def profile(options: argparse.Namespace, direction: str) -> Profile:
    """What is asked for one direction; its own settings go before those for both. Raises: ValueError."""

    def of(name: str) -> object:
        own = getattr(options, f"{direction}_{name}")
        return getattr(options, name) if own is None else own

    given = {name: of(name) for name in SETTINGS if of(name) is not None}
    settings: dict[str, object] = {
        field: given[name]
        for name, field in (
            ("delay", "delay_s"),
            ("jitter", "jitter_s"),
            ("reorder", "reorder"),
            ("duplicate", "duplicate"),
            ("bandwidth", "bandwidth_bps"),
            ("loss", "loss"),
        )
        if name in given
    }
    if "cut" in given:
        settings["cuts"] = tuple(given["cut"])  # type: ignore[arg-type]
    settings["jitter_reorders"] = options.jitter_reorders
    if "queue" in given:
        if "bandwidth" not in given:
            raise ValueError("--queue needs --bandwidth: without a bottleneck nothing waits")
        settings["queue_s"], settings["queue_bytes"] = given["queue"]  # type: ignore[misc]
    if "burst" in given:
        if "loss" not in given:
            raise ValueError("--burst needs --loss: the share that is lost in bursts")
        settings["bursts"] = Bursts.of(float(str(settings.pop("loss"))), float(str(given["burst"])))
    return Profile(**settings)  # type: ignore[arg-type]


def told(name: str, counts: Counts) -> str:
    """What passed and what did not, in words."""
    parts = [f"{counts.delivered} passed"]
    for what, number in (
        ("lost", counts.lost),
        ("dropped by the queue", counts.overflowed),
        ("cut", counts.cut),
        ("doubled", counts.duplicated),
        ("reordered", counts.reordered),
        ("late by this machine", counts.late),
    ):
        if number:
            parts.append(f"{number} {what}")
    return f"{name}: {', '.join(parts)}, {counts.bytes * 8 / 1_000:.0f} kbit offered"


def main(arguments: list[str]) -> int:
    asked = parser()
    options = asked.parse_args(arguments)
    try:
        up, down = profile(options, "up"), profile(options, "down")
    except ValueError as error:
        asked.error(str(error))
    try:
        asyncio.run(_relay(options, up, down))
    except OSError as error:
        print(f"talknow chaos: cannot listen: {error}", file=sys.stderr)
        return 1
    return 0


async def _relay(options: argparse.Namespace, up: Profile, down: Profile) -> None:
    async with contextlib.AsyncExitStack() as stack:
        relays: list[UdpRelay | TcpRelay] = []
        for place in options.listen:
            kind = UdpRelay if place.kind == "udp" else TcpRelay
            made = kind(options.target, up=up, down=down, seed=options.seed, listen=place.address)
            if isinstance(made, TcpRelay):
                made.resets = options.resets
            relays.append(await stack.enter_async_context(made))
        print(f"talknow chaos: to {options.target[0]}:{options.target[1]} (Ctrl-C ends)", flush=True)
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        async with asyncio.TaskGroup() as tasks:
            helpers = [tasks.create_task(_tell(relays), name="lines")]
            if options.rebind_every:
                helpers.append(tasks.create_task(_rebind(relays, options.rebind_every), name="rebinding"))
            await stopped.wait()
            for helper in helpers:
                helper.cancel()
        up_sum, down_sum = _sums(relays)
        rebindings = sum(r.rebindings for r in relays if isinstance(r, UdpRelay))
        print(f"\nin all  {told('up', up_sum)}\n        {told('down', down_sum)}")
        print(f"        {rebindings} rebindings", flush=True)


def _sums(relays: list[UdpRelay | TcpRelay]) -> tuple[Counts, Counts]:
    return sum((r.up.counts for r in relays), Counts()), sum((r.down.counts for r in relays), Counts())


async def _tell(relays: list[UdpRelay | TcpRelay]) -> None:
    second, before = 0, _sums(relays)
    while True:
        await asyncio.sleep(1)
        second, now = second + 1, _sums(relays)
        print(
            f"{second:4} s  {told('up', now[0] - before[0])}; {told('down', now[1] - before[1])}", flush=True
        )
        before = now


async def _rebind(relays: list[UdpRelay | TcpRelay], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        for relay in relays:
            if isinstance(relay, UdpRelay):
                relay.rebind()
