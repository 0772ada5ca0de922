"""Binding requests of ICE and their answers, and nothing else of STUN.

An ICE-lite agent needs no more: it answers authenticated checks and sends none. `parse` is total: a
Request or None. A request is read once, its integrity is checked by whoever knows the password.
Source: RFC 8489 sections 5 and 14, RFC 8445 section 7.3.
"""

from __future__ import annotations

import hmac
import ipaddress
import zlib
from struct import pack, unpack_from

from msgspec import Struct

from media.guard import Address

COOKIE = 0x2112A442
BINDING_REQUEST, BINDING_RESPONSE = 0x0001, 0x0101
USERNAME, INTEGRITY, XOR_MAPPED, USE_CANDIDATE, FINGERPRINT = 0x0006, 0x0008, 0x0020, 0x0025, 0x8028
HEADER_BYTES = 20
MAX_ATTRIBUTES = 24
MAX_USERNAME_BYTES = 513


class Request(Struct, frozen=True):
    """ours, theirs: the two parts of USERNAME; covered: what the integrity is computed over."""

    transaction: bytes
    ours: str
    theirs: str
    nominates: bool
    covered: bytes
    integrity: bytes

    def authentic(self, password: bytes) -> bool:
        return hmac.compare_digest(hmac.digest(password, self.covered, "sha1"), self.integrity)


def parse(data: bytes) -> Request | None:
    """A binding request with USERNAME and MESSAGE-INTEGRITY; None for anything else."""
    if len(data) < HEADER_BYTES:
        return None
    kind, length, cookie = unpack_from("!HHL", data)
    if kind != BINDING_REQUEST or cookie != COOKIE or length + HEADER_BYTES != len(data) or length % 4:
        return None
    username, nominates, at = b"", False, HEADER_BYTES
    for _ in range(MAX_ATTRIBUTES):
        if at + 4 > len(data):
            return None
        attribute, size = unpack_from("!HH", data, at)
        value = data[at + 4 : at + 4 + size]
        if len(value) != size:
            return None
        if attribute == INTEGRITY:
            return _request(data, at, value, username, nominates)
        if attribute == USERNAME:
            username = value
        nominates |= attribute == USE_CANDIDATE
        at += 4 + size + (-size & 3)
    return None


def _request(data: bytes, at: int, integrity: bytes, username: bytes, nominates: bool) -> Request | None:
    """The length field of what is covered ends with the integrity itself (RFC 8489 section 14.5)."""
    ours, separator, theirs = username.partition(b":")
    if len(integrity) != 20 or not separator or len(username) > MAX_USERNAME_BYTES:
        return None
    if not username.isascii():
        return None
    covered = data[:2] + pack("!H", at + 24 - HEADER_BYTES) + data[4:at]
    return Request(data[8:20], ours.decode(), theirs.decode(), nominates, covered, integrity)


def response(request: Request, address: Address, password: bytes) -> bytes:
    """A success response: where the request came from, authenticated by the same password."""
    mapped = _xor_mapped(address, request.transaction)
    body = pack("!HH", XOR_MAPPED, len(mapped)) + mapped
    head = pack("!HHL", BINDING_RESPONSE, len(body) + 24, COOKIE) + request.transaction
    body += pack("!HH", INTEGRITY, 20) + hmac.digest(password, head + body, "sha1")
    head = pack("!HHL", BINDING_RESPONSE, len(body) + 8, COOKIE) + request.transaction
    checksum = zlib.crc32(head + body) ^ 0x5354554E
    return head + body + pack("!HHL", FINGERPRINT, 4, checksum)


def _xor_mapped(address: Address, transaction: bytes) -> bytes:
    host = ipaddress.ip_address(address[0].partition("%")[0]).packed
    key = pack("!L", COOKIE) + transaction
    hidden = bytes(a ^ b for a, b in zip(host, key, strict=False))
    return pack("!HH", 1 if len(host) == 4 else 2, address[1] ^ (COOKIE >> 16)) + hidden
