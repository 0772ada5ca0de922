"""ONE UDP port per node: tells paths apart, first by the ufrag of a check, then by address.

An address belongs to a path only after an authenticated check; everything else is dropped and counted,
never answered. Source: RFC 7983, RFC 8445 section 7.3; reliability promise "a stray datagram closes no call".
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from typing import Any

from aioice import stun

from media.guard import Address, Drops, Kind, Sources, classify
from media.path import Path

RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024
_PARSE_FAULTS = (ValueError, struct.error, KeyError, IndexError, TypeError)


class Mux(asyncio.DatagramProtocol):
    """The port. `paths` are registered by ufrag; addresses follow by themselves."""

    def __init__(self, drops: Drops) -> None:
        self._drops = drops
        self._sources = Sources()
        self._by_ufrag: dict[str, Path] = {}
        self._by_address: dict[Address, Path] = {}
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self, host: str, port: int) -> int:
        """Bind; returns the port. Raises: OSError."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, option, RECEIVE_BUFFER_BYTES)
            sock.setblocking(False)
            sock.bind((host, port))
        except OSError:
            sock.close()
            raise
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=sock)
        return int(sock.getsockname()[1])

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def add(self, path: Path) -> None:
        self._by_ufrag[path.ufrag] = path

    def remove(self, path: Path) -> None:
        self._by_ufrag.pop(path.ufrag, None)
        for address in path.addresses:
            if self._by_address.get(address) is path:
                del self._by_address[address]

    def send(self, data: bytes, address: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, address)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        address: Address = (str(addr[0]), addr[1])
        kind = classify(data)
        if not isinstance(kind, Kind):
            self._drops.count(kind)
            return
        if not self._sources.admit(address, time.monotonic()):
            self._drops.count("flood")
            return
        if kind is Kind.STUN:
            self._check(data, address)
            return
        path = self._by_address.get(address)
        if path is None:
            self._drops.count("unverified_source")
            return
        path.receive(kind, data)

    def error_received(self, exc: Exception) -> None:
        self._drops.count("socket_error")

    def _check(self, data: bytes, address: Address) -> None:
        try:
            message = stun.parse_message(data)
            request = message.message_class is stun.Class.REQUEST
            binding = message.message_method is stun.Method.BINDING
            ours = str(message.attributes.get("USERNAME", "")).partition(":")[0]
        except _PARSE_FAULTS:
            self._drops.count("stun_malformed")
            return
        path = self._by_ufrag.get(ours)
        if not (request and binding) or path is None:
            self._drops.count("stun_unauthenticated")
            return
        before = list(path.addresses)
        response = path.check(message, address)
        if response is None:
            return
        for gone in set(before) - set(path.addresses):
            if self._by_address.get(gone) is path:
                del self._by_address[gone]
        self._by_address[address] = path
        self.send(response, address)
