"""Tells paths apart on the node's one UDP port, first by the ufrag of a check, then by address.

An address belongs to a path only after an authenticated check, or when authentic media comes from it while
the path's own address has gone silent (a NAT forgot it, a phone changed networks); everything else is dropped
and counted, never answered. The port itself is an engine's (`port.py`, `fast.py`).
Source: RFC 7983, RFC 8445 section 7.3; reliability promise "a stray datagram closes no call".
"""

from __future__ import annotations

import time
from typing import Protocol

from media import stun
from media.guard import Address, Drops, Kind, Sources, classify
from media.path import Path


class Port(Protocol):
    """Where datagrams leave; `forget`: this address is no path's any more."""

    def send(self, data: bytes, address: Address) -> None: ...
    def forget(self, address: Address) -> None: ...


class Mux:
    """Paths are registered by ufrag; addresses follow by themselves. `port` is set before use."""

    def __init__(self, drops: Drops) -> None:
        self.port: Port | None = None
        self._drops = drops
        self._sources = Sources()
        self._by_ufrag: dict[str, Path] = {}
        self._by_address: dict[Address, Path] = {}
        self._by_ssrc: dict[int, Path] = {}

    def add(self, path: Path) -> None:
        self._by_ufrag[path.ufrag] = path

    def remove(self, path: Path) -> None:
        self._by_ufrag.pop(path.ufrag, None)
        for address in path.addresses:
            self._forget(path, address)
        for ssrc in path.bindings:
            if self._by_ssrc.get(ssrc) is path:
                del self._by_ssrc[ssrc]

    def bound(self, path: Path, ssrc: int) -> None:
        """Media with this SSRC is the path's: by it a path is looked for that has changed its address."""
        self._by_ssrc[ssrc] = path

    def path_at(self, address: Address) -> Path | None:
        return self._by_address.get(address)

    def send(self, data: bytes, address: Address) -> None:
        if self.port is not None:
            self.port.send(data, address)

    def datagram(self, data: bytes, address: Address) -> None:
        """Whatever arrived from anybody."""
        kind = classify(data)
        if not isinstance(kind, Kind):
            self._drops.count(kind)
            return
        path = self._by_address.get(address)
        if path is None or kind is Kind.STUN:
            self._from_anybody(kind, data, address)
        else:
            path.receive(kind, data)

    def _from_anybody(self, kind: Kind, data: bytes, address: Address) -> None:
        if not self._sources.admit(address, time.monotonic()):
            self._drops.count("flood")
        elif kind is Kind.RTP and self._moved(data, address):
            return
        elif kind is not Kind.STUN:
            self._drops.count("unverified_source")
        elif (request := stun.parse(data)) is None:
            self._drops.count("stun_malformed")
        elif (path := self._by_ufrag.get(request.ours)) is None:
            self._drops.count("stun_unauthenticated")
        else:
            self._check(path, request, address)

    def _moved(self, data: bytes, address: Address) -> bool:
        """Is this a known peer that speaks from a new address? A check would tell, seconds later."""
        path = self._by_ssrc.get(int.from_bytes(data[8:12], "big"))
        if path is None:
            return False
        before = list(path.addresses)
        if not path.move(data, address):
            return False
        self._belongs(address, path, before)
        return True

    def _check(self, path: Path, request: stun.Request, address: Address) -> None:
        before = list(path.addresses)
        response = path.check(request, address)
        if response is None:
            return
        self._belongs(address, path, before)
        self.send(response, address)
        path.checked(request)

    def _belongs(self, address: Address, path: Path, before: list[Address]) -> None:
        for gone in set(before) - set(path.addresses):
            self._forget(path, gone)
        other = self._by_address.get(address)
        if other is not path:
            if other is not None and self.port is not None:
                self.port.forget(address)
            self._by_address[address] = path

    def _forget(self, path: Path, address: Address) -> None:
        if self._by_address.get(address) is path:
            del self._by_address[address]
            if self.port is not None:
                self.port.forget(address)
