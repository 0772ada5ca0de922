"""`talknow doctor`: in plain words, can microphones, ports and addresses work here, and what to change.

Looks, never changes anything; contacts PostgreSQL and Redis where they are given. Each finding is ok, note
or wrong, with a remedy.
"""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

from msgspec import Struct

from server.config import LOOPBACK_NAMES, Config

WANTED_BUFFER_BYTES = 4 * 1024 * 1024
_SIGNS = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}


class Finding(Struct, frozen=True):
    """level: ok | note | wrong."""

    level: str
    text: str
    remedy: str = ""


def examine(config: Config) -> int:
    """Print all findings; 1 when something is wrong."""
    findings = [
        *_microphones(config),
        *_ports(config),
        *_addresses(config),
        *_buffers(),
        *_turn(config),
        *_files(config),
        *_services(config),
    ]
    for finding in findings:
        print(f"{_SIGNS[finding.level]}  {finding.text}")
        if finding.remedy:
            print(f"       -> {finding.remedy}")
    return 1 if any(finding.level == "wrong" for finding in findings) else 0


def _services(config: Config) -> list[Finding]:
    from server import doctor_services

    return doctor_services.look(config)


def _microphones(config: Config) -> list[Finding]:
    origin = config.origin
    name = origin.split("//", 1)[1].rsplit(":", 1)[0]
    if origin.startswith("https://"):
        return [Finding("ok", f"microphones: browsers allow them on {origin}")]
    if name in LOOPBACK_NAMES and (config.host in LOOPBACK_NAMES or config.public_url):
        text = f"microphones: allowed on {origin}, but only in browsers on this very machine"
        return [Finding("note", text, "for other machines give --tls-cert and --tls-key")]
    return [
        Finding(
            "wrong",
            f"microphones: browsers refuse them on plain http from other machines ({config.host})",
            "give --tls-cert and --tls-key, or --public-url https://… of the proxy that ends TLS",
        )
    ]


def _ports(config: Config) -> list[Finding]:
    wanted = [("softphone and server", config.port), ("shared-page viewer", config.viewer_at)]
    if config.demo:
        wanted.append(("demo company", config.demo_at))
    found = [_port(what, config.host, port, socket.SOCK_STREAM) for what, port in wanted]
    found.append(_port("media", config.host, config.media_port, socket.SOCK_DGRAM))
    return found


def _port(what: str, host: str, port: int, kind: socket.SocketKind) -> Finding:
    name = "TCP" if kind is socket.SOCK_STREAM else "UDP"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, kind) as probe:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        remedy = "stop what uses it, or choose another with --port"
        return Finding("wrong", f"{name} port {port} ({what}): {error.strerror}", remedy)
    return Finding("ok", f"{name} port {port} ({what}) is free")


def _addresses(config: Config) -> list[Finding]:
    shown = config.public_ip or config.host
    try:
        address = ipaddress.ip_address("0.0.0.0" if shown == "localhost" else shown)
    except ValueError:
        return [Finding("wrong", f"media address {shown!r} is not an IP address", "give --public-ip")]
    udp = config.public_udp_port or config.media_port
    if address.is_unspecified:
        text = "media: every local address is offered to browsers"
        return [Finding("note", text, "behind NAT or in a container give --public-ip")]
    if address.is_loopback:
        return [Finding("note", "media: only browsers on this machine can reach it", "give --public-ip")]
    if address.is_private:
        text = f"media: {address} is a private address; only your own network reaches it"
        return [Finding("note", text, "for the internet give --public-ip and forward the UDP port to here")]
    return [Finding("ok", f"media: browsers are told {address}, UDP {udp}; the firewall must let it in")]


def _buffers() -> list[Finding]:
    path = Path("/proc/sys/net/core/rmem_max")
    if not path.exists():
        return []
    limit = int(path.read_text())
    if limit >= WANTED_BUFFER_BYTES:
        return [Finding("ok", f"UDP receive buffer: up to {limit // 1024} KiB")]
    text = f"UDP receive buffer: at most {limit // 1024} KiB; with many video calls key frames may be lost"
    return [Finding("note", text, f"sysctl -w net.core.rmem_max={WANTED_BUFFER_BYTES}")]


def _turn(config: Config) -> list[Finding]:
    if config.turn_urls:
        return [Finding("ok", f"TURN: {', '.join(config.turn_urls)}, credentials live {config.turn_ttl_s} s")]
    text = "TURN: none; customers whose network blocks UDP get chat but no call"
    return [Finding("note", text, "run coturn with use-auth-secret; set turn_urls and TALKNOW_TURN_SECRET")]


def _files(config: Config) -> list[Finding]:
    from server.edge.pages import WEB

    built = (WEB / "talknow.js").exists()
    found = [
        Finding("ok", "web client: built")
        if built
        else Finding("wrong", "web client: not built; pages will be empty", "make setup")
    ]
    where = config.data_dir
    parent = where if where.exists() else where.resolve().parent
    try:
        probe = parent / ".talknow-doctor"
        probe.touch()
        probe.unlink()
        found.append(Finding("ok", f"data directory {where.resolve()} can be written"))
    except OSError as error:
        found.append(Finding("wrong", f"data directory {where}: {error.strerror}", "choose one with --data"))
    return found
