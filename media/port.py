"""The node's one UDP socket, and the plain way to read and write it: asyncio's datagram callback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

from media.guard import Address, Drops
from media.mux import Mux

BUFFER_BYTES = 8 * 1024 * 1024


def bind(host: str, port: int) -> socket.socket:
    """A bound, non-blocking socket with buffers as large as the system gives. Raises: OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        sock.setblocking(False)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


class PlainPort(asyncio.DatagramProtocol):
    """mux.Port by asyncio."""

    def __init__(self, mux: Mux, drops: Drops) -> None:
        self._mux = mux
        self._drops = drops
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=sock)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def send(self, data: bytes, address: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, address)

    def forget(self, address: Address) -> None:
        """Nothing is kept by address here."""

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._mux.datagram(data, (str(addr[0]), addr[1]))

    def error_received(self, exc: Exception) -> None:
        self._drops.count("socket_error")
