"""A TURN client of one socket that asks what an attacker would ask, and reads the error code it gets.

Written from RFC 8489 and RFC 8656, not from the code under test; long-term credentials in the REST form.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import socket
import zlib
from struct import pack, unpack_from
from types import TracebackType

from media.guard import Address

COOKIE = 0x2112A442
BINDING, ALLOCATE, REFRESH, SEND, CREATE_PERMISSION, CHANNEL_BIND = 0x001, 0x003, 0x004, 0x016, 0x008, 0x009
USERNAME, INTEGRITY, ERROR, CHANNEL, LIFETIME, PEER, DATA = 0x06, 0x08, 0x09, 0x0C, 0x0D, 0x12, 0x13
REALM, NONCE, RELAYED, FAMILY, TRANSPORT, FINGERPRINT = 0x14, 0x15, 0x16, 0x17, 0x19, 0x8028
UDP = b"\x11\x00\x00\x00"
UNAUTHORIZED, FORBIDDEN, STALE_NONCE, QUOTA = 401, 403, 438, 486
OK = 200


_ports: set[int] = set()


def _fresh_port() -> socket.socket:
    """A port no earlier client had: an allocation outlives its client, and a second one there is a 437."""
    spent: list[socket.socket] = []
    while True:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind(("", 0))
        port = one.getsockname()[1]
        if port not in _ports:
            break
        spent.append(one)
    for other in spent:
        other.close()
    _ports.add(port)
    return one


class TurnClient:
    """One five-tuple, so at most one allocation. Answers are codes: 200, or the server's error code."""

    def __init__(self, server: Address, username: str = "", password: str = "") -> None:
        self._socket = _fresh_port()
        self._socket.settimeout(3)
        self._socket.connect(server)
        self._username = username
        self._password = password
        self._realm = b""
        self._nonce = b""

    def __enter__(self) -> TurnClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def binding(self) -> int:
        return self._ask(BINDING, b"", signed=False)

    def allocate(self, *, six: bool = False) -> int:
        body = _attribute(TRANSPORT, UDP)
        if six:
            body += _attribute(FAMILY, b"\x02\x00\x00\x00")
        return self._authenticated(ALLOCATE, body)

    def refresh(self, lifetime_s: int = 600) -> int:
        return self._authenticated(REFRESH, _attribute(LIFETIME, pack("!L", lifetime_s)))

    def permit(self, host: str) -> int:
        return self._authenticated(CREATE_PERMISSION, lambda t: _attribute(PEER, _xor(host, 9, t)))

    def bind_channel(self, host: str) -> int:
        channel = _attribute(CHANNEL, pack("!HH", 0x4000 + secrets.randbelow(0x0FFF), 0))
        return self._authenticated(CHANNEL_BIND, lambda t: channel + _attribute(PEER, _xor(host, 9, t)))

    def send_to(self, host: str, port: int, data: bytes) -> None:
        """A Send indication: nobody answers it."""
        transaction = secrets.token_bytes(12)
        body = _attribute(PEER, _xor(host, port, transaction)) + _attribute(DATA, data)
        self._socket.send(pack("!HHL", SEND, len(body), COOKIE) + transaction + body)

    def _authenticated(self, method: int, body: object) -> int:
        """As a browser does it: once without, then with realm and nonce, once more for a stale nonce."""
        for _ in range(3):
            code = self._ask(method, body, signed=bool(self._nonce))
            if code == STALE_NONCE or (code == UNAUTHORIZED and not self._tried):
                continue
            return code
        return code

    def _ask(self, method: int, body: object, *, signed: bool) -> int:
        transaction = secrets.token_bytes(12)
        content: bytes = body(transaction) if callable(body) else body  # type: ignore[assignment]
        self._tried = signed
        if signed:
            content += _attribute(USERNAME, self._username.encode())
            content += _attribute(REALM, self._realm) + _attribute(NONCE, self._nonce)
            key = hashlib.md5(
                f"{self._username}:{self._realm.decode()}:{self._password}".encode(), usedforsecurity=False
            ).digest()
            head = pack("!HHL", method, len(content) + 24, COOKIE) + transaction
            content += _attribute(INTEGRITY, hmac.digest(key, head + content, "sha1"))
        head = pack("!HHL", method, len(content) + 8, COOKIE) + transaction
        checksum = zlib.crc32(head + content) ^ 0x5354554E
        self._socket.send(head + content + _attribute(FINGERPRINT, pack("!L", checksum)))
        while True:
            answer = self._socket.recv(2_000)
            if answer[8:20] == transaction:
                return self._code(answer)

    def _code(self, answer: bytes) -> int:
        found = _attributes(answer)
        self._realm = found.get(REALM, self._realm)
        self._nonce = found.get(NONCE, self._nonce)
        if ERROR not in found:
            return OK
        return found[ERROR][2] * 100 + found[ERROR][3]


def _attribute(kind: int, value: bytes) -> bytes:
    return pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def _attributes(message: bytes) -> dict[int, bytes]:
    found, at = {}, 20
    while at + 4 <= len(message):
        kind, size = unpack_from("!HH", message, at)
        found[kind] = message[at + 4 : at + 4 + size]
        at += 4 + size + -size % 4
    return found


def _xor(host: str, port: int, transaction: bytes) -> bytes:
    packed = ipaddress.ip_address(host).packed
    key = pack("!L", COOKIE) + transaction
    hidden = bytes(a ^ b for a, b in zip(packed, key, strict=False))
    return pack("!HH", 1 if len(packed) == 4 else 2, port ^ (COOKIE >> 16)) + hidden
