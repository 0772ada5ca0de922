"""A bad network in user space: a UDP relay whose two directions are `impairment.Link`s.

Each client address has a line of its own in each direction (as each customer has an access network of
their own) and a socket of its own towards the target, so that the target sees as many sources as there
are clients; `rebind` swaps those sockets for new ones, as a NAT does that has forgotten (RFC 4787).
Everything happens in socket callbacks and one timer per line; nothing here knows what a packet means.
`UdpRelay` lives in a running loop; `background_relay.py` is the same on a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import socket
from collections.abc import Callable
from typing import Any, Self

from benchmarks.impairment import Counts, Link, Profile, Setting

Address = tuple[str, int]

IP_AND_UDP_BYTES = 28
MAX_DATAGRAM_BYTES = 65_535
MAX_CLIENTS = 1_024
MAX_IN_FLIGHT = 20_000
READS_PER_WAKE = 64
BUFFER_BYTES = 4 * 1024 * 1024
LATE_S = 0.02
LOOPBACK = "127.0.0.1"


class Direction:
    """All lines of one direction: what is wrong with them (`setting`) and what became of their packets."""

    def __init__(self, name: str, profile: Profile | None, seed: int) -> None:
        self.setting = Setting(profile or Profile())
        self._name = name
        self._seed = seed
        self._made = 0
        self._links: list[Link] = []
        self._before = Counts()

    @property
    def counts(self) -> Counts:
        """Of all lines since the start."""
        return sum((link.counts for link in self._links), self._before)

    def link(self) -> Link:
        """The next line's link; its fate depends on the seed and on how many there were before."""
        link = Link(self.setting, f"{self._seed}/{self._name}/{self._made}")
        self._made += 1
        self._links.append(link)
        return link

    def forget(self, link: Link) -> None:
        self._links.remove(link)
        self._before += link.counts


class Relay:
    """What UDP and TCP have in common. up: client to target; listen: where clients send to."""

    def __init__(
        self,
        target: Address,
        *,
        up: Profile | None = None,
        down: Profile | None = None,
        seed: int = 0,
        listen: Address = (LOOPBACK, 0),
    ) -> None:
        self.target = target
        self.up = Direction(f"{self.prefix}up", up, seed)
        self.down = Direction(f"{self.prefix}down", down, seed)
        self._listen = listen
        self._began_s = 0.0

    prefix = ""


class Line:
    """Datagrams wait here until their link lets them out; equal times leave in order of entry."""

    def __init__(self, link: Link, began_s: float, deliver: Callable[[bytes], None]) -> None:
        self.link = link
        self._began_s = began_s
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[float, int, bytes]] = []
        self._entered = 0
        self._timer: asyncio.TimerHandle | None = None

    def push(self, data: bytes) -> None:
        now_s = self._loop.time() - self._began_s
        for out_s in self.link.send(now_s, len(data) + IP_AND_UDP_BYTES):
            if out_s <= now_s and not self._waiting:
                self._deliver(data)
            elif len(self._waiting) >= MAX_IN_FLIGHT:
                self.link.counts.delivered -= 1
                self.link.counts.overflowed += 1
            else:
                self._entered += 1
                heapq.heappush(self._waiting, (out_s, self._entered, data))
        self._arm()

    def close(self) -> None:
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        if not self._waiting:
            return
        due_s = self._began_s + self._waiting[0][0]
        if self._timer is not None:
            if self._timer.when() <= due_s:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due_s, self._release)

    def _release(self) -> None:
        self._timer = None
        now_s = self._loop.time() - self._began_s
        while self._waiting and self._waiting[0][0] <= now_s:
            out_s, _, data = heapq.heappop(self._waiting)
            self.link.counts.late += now_s - out_s > LATE_S
            self._deliver(data)
        self._arm()


class _Client:
    """One client address: its lines, and its socket towards the target."""

    def __init__(self, relay: UdpRelay, address: Address, began_s: float) -> None:
        self.address = address
        self._relay = relay
        self._loop = asyncio.get_running_loop()
        self.up = Line(relay.up.link(), began_s, self._to_target)
        self.down = Line(relay.down.link(), began_s, lambda data: relay.to_client(data, address))
        self._socket = self._open()

    def rebind(self) -> None:
        """A new source port; what still comes to the old one is lost, as at a NAT."""
        old, self._socket = self._socket, self._open()
        self._shut(old)

    def close(self) -> None:
        self.up.close()
        self.down.close()
        self._shut(self._socket)

    def _open(self) -> socket.socket:
        sock = _datagram_socket(self._relay.target[0])
        sock.connect(self._relay.target)
        self._loop.add_reader(sock, self._readable, sock)
        return sock

    def _shut(self, sock: socket.socket) -> None:
        self._loop.remove_reader(sock)
        sock.close()

    def _to_target(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # nobody listens there, or its buffer is full: a loss
            self._socket.send(data)

    def _readable(self, sock: socket.socket) -> None:
        for _ in range(READS_PER_WAKE):
            try:
                data = sock.recv(MAX_DATAGRAM_BYTES)
            except OSError:
                return
            self.down.push(data)


class UdpRelay(Relay):
    """`async with UdpRelay(target) as relay`: send to `relay.port` what is meant for `target`.

    Raises: OSError when the port is taken.
    """

    def __init__(self, target: Address, **settings: Any) -> None:
        """settings: as Relay."""
        super().__init__(target, **settings)
        self.rebindings = 0
        self._clients: dict[Address, _Client] = {}
        self._socket: socket.socket | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        sock = _datagram_socket(self._listen[0])
        try:
            sock.bind(self._listen)
        except OSError:
            sock.close()
            raise
        self._socket, self._began_s = sock, loop.time()
        loop.add_reader(sock, self._readable)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._socket is not None
        asyncio.get_running_loop().remove_reader(self._socket)
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self._socket.close()
        self._socket = None

    @property
    def port(self) -> int:
        assert self._socket is not None, "the relay is not open"
        return int(self._socket.getsockname()[1])

    @property
    def clients(self) -> tuple[Address, ...]:
        """Those who have sent something, in order of their first datagram."""
        return tuple(self._clients)

    def rebind(self, client: Address | None = None) -> None:
        """The target sees this client (all, if not said) come from a new port from now on.

        Raises: KeyError for a client that has sent nothing.
        """
        for chosen in list(self._clients.values()) if client is None else [self._clients[client]]:
            chosen.rebind()
        self.rebindings += 1

    def to_client(self, data: bytes, address: Address) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # its buffer is full, or it has gone: a loss
                self._socket.sendto(data, address)

    def _readable(self) -> None:
        for _ in range(READS_PER_WAKE):
            try:
                assert self._socket is not None
                data, source = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
            except OSError:
                return
            address = (str(source[0]), int(source[1]))
            client = self._clients.get(address) or self._admit(address)
            client.up.push(data)

    def _admit(self, address: Address) -> _Client:
        if len(self._clients) >= MAX_CLIENTS:
            gone = self._clients.pop(next(iter(self._clients)))
            gone.close()
            self.up.forget(gone.up.link)
            self.down.forget(gone.down.link)
        client = self._clients[address] = _Client(self, address, self._began_s)
        return client


def _datagram_socket(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    sock.setblocking(False)
    return sock
