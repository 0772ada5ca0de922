"""Datagrams that somebody sends who is not part of the call, and a client whose handshake can be held.

What must hold (reliability promise T1-T3): from a foreign address nothing changes anything, and nothing
is answered. From the client's own address (spoofed by somebody on the way) nothing does either, with one
exception that DTLS 1.2 has no remedy for: before Finished a forged *server's* message can spoil that one
path. Then the client opens the next one; see test_a_forged_server_hello_costs_one_path_at_most.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable
from struct import pack
from typing import Any

from aioice import stun
from OpenSSL import SSL

from benchmarks.peer import PeerPath
from media.guard import Address, Kind, classify
from media.sdp import OPUS

COOKIE = b"\x21\x12\xa4\x42"


class HeldPath(PeerPath):
    """A peer that begins to check when told, and whose arriving handshake can be kept back and released.

    flights: how many DTLS datagrams still come through while `holding`.
    """

    def __init__(self, offer_sdp: str, on_rtp: Callable[..., None]) -> None:
        super().__init__(offer_sdp, on_rtp)
        self.silent = False
        self.holding = False
        self.flights = 0
        self.kept: list[tuple[bytes, Any]] = []
        self.sent: list[bytes] = []

    @property
    def server(self) -> Address:
        return self._server

    @property
    def server_ufrag(self) -> str:
        return self._remote_ufrag

    @property
    def ufrag(self) -> str:
        return self._ufrag

    def check(self, password: str = "") -> bytes:
        """A binding request of this client, signed with the right password unless another is given."""
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self._remote_ufrag}:{self._ufrag}"
        request.attributes["PRIORITY"] = 1_845_501_695
        request.attributes["ICE-CONTROLLING"] = 1
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity((password or self._remote_password).encode())
        return bytes(request)

    def speak(self) -> None:
        self.silent = False
        self._check()

    def release(self) -> None:
        self.holding = False
        kept, self.kept = self.kept, []
        for data, addr in kept:
            super().datagram_received(data, addr)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if self.holding and classify(data) is Kind.DTLS:
            if self.flights == 0:
                self.kept.append((data, addr))
                return
            self.flights -= 1
        super().datagram_received(data, addr)

    def _check(self) -> None:
        if not self.silent:
            super()._check()

    def _send(self, data: bytes) -> None:
        self.sent.append(data)
        super()._send(data)


class Stranger:
    """A socket that no path knows; counts what it is answered."""

    def __init__(self, server: Address) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(server)
        self.sent = 0

    def send(self, data: bytes) -> None:
        self.sent += len(data)
        self._socket.send(data)

    def received(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self._socket.recv(65_535))
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()


def record(kind: int, body: bytes, *, epoch: int = 0, version: int = 0xFEFD, seq: int = 0) -> bytes:
    return pack("!BHHHLH", kind, version, epoch, 0, seq, len(body)) + body


def hello(version: int = 0xFEFD, ciphers: bytes = b"") -> bytes:
    """A ClientHello that offers `ciphers` (default: none)."""
    body = pack("!H", version) + bytes(32) + b"\0\0" + pack("!H", len(ciphers)) + ciphers + b"\x01\0"
    return record(22, message(1, body), version=version)


def message(kind: int, body: bytes, seq: int = 0, total: int | None = None) -> bytes:
    """A handshake message, or its first fragment when it claims to be of `total` bytes."""
    size = (len(body) if total is None else total).to_bytes(3, "big")
    return bytes([kind]) + size + pack("!H", seq) + b"\0\0\0" + len(body).to_bytes(3, "big") + body


def openssl_hello() -> bytes:
    client = SSL.Connection(SSL.Context(SSL.DTLS_CLIENT_METHOD))
    client.set_connect_state()
    try:
        client.do_handshake()
    except SSL.WantReadError:
        pass
    return client.bio_read(16_384)


def server_hello() -> bytes:
    """What an on-path forger would answer to our ClientHello: a server's random, a cipher we offer."""
    body = pack("!H", 0xFEFD) + bytes(range(32)) + b"\0" + b"\xc0\x2b\0"
    return record(22, message(2, body))


def binding(attributes: bytes, kind: int = 0x0001) -> bytes:
    return pack("!HH", kind, len(attributes)) + COOKIE + b"transaction1" + attributes


def attribute(kind: int, value: bytes) -> bytes:
    return pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def username(path: HeldPath) -> bytes:
    return attribute(0x0006, f"{path.server_ufrag}:{path.ufrag}".encode())


def garbage(count: int, seed: int = 1) -> list[bytes]:
    source = random.Random(seed)
    starts = (0, 1, 20, 22, 23, 63, 64, 127, 128, 144, 191, 192, 255)
    return [
        bytes([source.choice(starts)]) + source.randbytes(source.randrange(0, 1_400)) for _ in range(count)
    ]


Attack = Callable[[HeldPath], list[bytes]]
RTP = pack("!BBHLL", 0x80, OPUS, 7, 960, 9) + b"voice" * 12
RTCP_BYE = pack("!BBHL", 0x81, 203, 1, 9)

ATTACKS: dict[str, Attack] = {
    "empty": lambda path: [b""] * 20,
    "one byte": lambda path: [bytes([n]) for n in range(256)],
    "every first byte": lambda path: [bytes([n]) * 40 for n in range(256)],
    "as large as UDP": lambda path: [bytes([n]) * 65_507 for n in (0, 22, 128)],
    "garbage": lambda path: garbage(200),
    "stun without integrity": lambda path: [binding(b""), binding(username(path))],
    "stun that nominates": lambda path: [binding(username(path) + attribute(0x25, b""))],
    "stun with a wrong password": lambda path: [path.check("x" * 24)] * 10,
    "stun with a changed body": lambda path: [path.check()[:-9] + b"\1" + path.check()[-8:]],
    "stun for nobody": lambda path: [binding(attribute(0x0006, b"nobody:here") + attribute(8, bytes(20)))],
    "stun cut short": lambda path: [path.check()[:size] for size in range(20, 100, 4)],
    "stun of a thousand attributes": lambda path: [binding(attribute(0x7777, b"") * 350)],
    "stun with odd lengths": lambda path: [binding(pack("!HH", 6, size)) for size in (1, 3, 65_535)],
    "stun short priority": lambda path: [binding(username(path) + pack("!HHHH", 0x24, 2, 1, 0))],
    "stun responses": lambda path: [binding(b"", kind) for kind in (0x0101, 0x0111, 0x0011)],
    "stun role conflict": lambda path: [binding(attribute(9, b"\0\0\4\x57"), 0x0111)],
    "turn": lambda path: [binding(b"", kind) for kind in (0x003, 0x004, 0x008, 0x009, 0x016)],
    "dtls fatal alert": lambda path: [record(21, b"\2\x28")],
    "dtls every alert": lambda path: [record(21, bytes([a, b]), seq=b) for a in (1, 2) for b in range(120)],
    "dtls goodbye": lambda path: [record(21, b"\1\0")],
    "dtls sealed goodbye": lambda path: [record(21, bytes(26), epoch=1, seq=n) for n in (0, 1, 2, 1 << 30)],
    "dtls sealed garbage": lambda path: [record(k, bytes(40), epoch=1, seq=k) for k in (20, 21, 22, 23)],
    "dtls hello without ciphers": lambda path: [hello()] * 3,
    "dtls hello of 1.0": lambda path: [hello(0xFEFF, b"\0\x2f")],
    "dtls hello of openssl": lambda path: [openssl_hello()],
    "dtls data in the clear": lambda path: [record(23, b"data")],
    "dtls unknown content": lambda path: [record(kind, b"?" * 20) for kind in (24, 25, 26, 40, 63)],
    "dtls endless fragments": lambda path: [
        record(22, message(11, bytes(1_000), seq, 16_000), seq=seq) for seq in range(20, 60)
    ],
    "dtls record past the end": lambda path: [record(22, bytes(30))[:-10], record(21, b"")],
    "srtp of nobody": lambda path: [RTP + bytes(16)] * 20,
    "rtp in the clear": lambda path: [RTP] * 20,
    "rtcp goodbye in the clear": lambda path: [RTCP_BYE + bytes(4)] * 20,
    "rtcp without end": lambda path: [pack("!BBH", 0x80, 201, 0xFFFF) + bytes(8)],
}


async def arrived() -> None:
    """All that was sent over loopback has been read: it lies in the port's buffer at once."""
    for _ in range(8):
        await asyncio.sleep(0.002)
