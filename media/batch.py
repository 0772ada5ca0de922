"""Many datagrams by one system call: Linux' recvmmsg and sendmmsg over memory that is never moved.

Buffers and libsrtp's arguments live in pylibsrtp's own cffi memory, so that its C functions work in place;
the message headers are written through memoryviews. No compiler is needed: libc is called by its ABI.
On a machine with several addresses an answer must leave from the one that was asked: which it was is read
from, and told by, control messages (IP_PKTINFO).
Source: recvmmsg(2), sendmmsg(2), ip(7), ipv6(7); struct mmsghdr and cmsghdr of 64-bit Linux.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from typing import Any

import cffi
from pylibsrtp._binding import ffi as srtp_ffi

from media.guard import Address

RECEIVED = 64
COPIES = 192
SENT = 256
SLOT_BYTES = 2_048
NAME_BYTES = 32
HEADER_BYTES = 64
DONT_WAIT = 0x40
CONTROL_BYTES = 64
IP_PKTINFO, IPV6_RECVPKTINFO, IPV6_PKTINFO = 8, 49, 50

_ffi = cffi.FFI()
_ffi.cdef(
    """
    int recvmmsg(int socket, void *messages, unsigned int count, int flags, void *timeout);
    int sendmmsg(int socket, void *messages, unsigned int count, int flags);
    """
)


def available() -> bool:
    """The calls exist, and the layouts below are this machine's."""
    if not sys.platform.startswith("linux") or struct.calcsize("P") != 8 or sys.byteorder != "little":
        return False
    libc = _ffi.dlopen(None)
    return hasattr(libc, "recvmmsg") and hasattr(libc, "sendmmsg")


class Batch:
    """Slots for RECEIVED datagrams and COPIES more, and the headers of SENT that wait to leave.

    view: all slots, slot i at i * SLOT_BYTES. sizes[i * 16 + 14]: bytes received in slot i.
    names[i * 4]: first eight bytes of its source address. pointers, lengths: libsrtp's arguments.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._libc = _ffi.dlopen(None)
        self._fd = sock.fileno()
        self.v6 = sock.family == socket.AF_INET6
        name_bytes = 28 if self.v6 else 16
        if self.v6:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        slots = RECEIVED + COPIES
        memory = srtp_ffi.new("unsigned char[]", slots * SLOT_BYTES)
        self._memory = memory
        base = int(srtp_ffi.cast("uintptr_t", memory))
        self.view = memoryview(srtp_ffi.buffer(memory)).cast("B")
        self.pointers = [memory + i * SLOT_BYTES for i in range(slots)]
        self.bases = [base + i * SLOT_BYTES for i in range(slots)]
        self.lengths = srtp_ffi.new("int[]", slots)
        self.length_pointers = [self.lengths + i for i in range(slots)]
        self._names = _ffi.new("unsigned char[]", RECEIVED * NAME_BYTES)
        self.name_view = memoryview(_ffi.buffer(self._names)).cast("B")
        self.names = self.name_view.cast("Q")
        names = int(_ffi.cast("uintptr_t", self._names))
        self._incoming, incoming, self._in_parts = _headers(RECEIVED, name_bytes)
        self.sizes = memoryview(_ffi.buffer(self._incoming)).cast("B").cast("I")
        self._controls = _ffi.new("unsigned char[]", RECEIVED * CONTROL_BYTES)
        self._control_view = memoryview(_ffi.buffer(self._controls)).cast("B")
        controls = int(_ffi.cast("uintptr_t", self._controls))
        self._in_words = incoming
        self._used = RECEIVED
        for i in range(RECEIVED):
            incoming[8 * i] = names + i * NAME_BYTES
            incoming[8 * i + 4] = controls + i * CONTROL_BYTES
            self._in_parts[1][2 * i], self._in_parts[1][2 * i + 1] = self.bases[i], SLOT_BYTES
        self._outgoing, self.targets, self._out_parts = _headers(SENT, name_bytes)
        self.parts = self._out_parts[1]

    def receive(self) -> int:
        """Fill the slots with what waits; how many. 0 when nothing does."""
        words = self._in_words
        for i in range(self._used):
            words[8 * i + 5] = CONTROL_BYTES  # the kernel writes how much it used
        count = int(self._libc.recvmmsg(self._fd, self._incoming, RECEIVED, DONT_WAIT, _ffi.NULL))
        self._used = max(0, count)
        return self._used

    def send(self, count: int) -> int:
        """Send the first `count` headers; how many were refused (full buffer, dead peer)."""
        at = refused = 0
        while at < count:
            rest = self._outgoing + at * HEADER_BYTES
            sent = int(self._libc.sendmmsg(self._fd, rest, count - at, DONT_WAIT))
            if sent > 0:
                at += sent
                continue
            if _ffi.errno == errno.EINTR:
                continue
            if _ffi.errno in (errno.EAGAIN, errno.ENOBUFS):
                return refused + count - at
            at += 1
            refused += 1
        return refused

    def key(self, slot: int) -> Any:
        """The source of a slot as a dictionary key."""
        names = self.names
        at = slot * 4
        return (names[at], names[at + 1], names[at + 2]) if self.v6 else names[at]

    def address(self, slot: int) -> Address:
        raw = self.name_view[slot * NAME_BYTES : (slot + 1) * NAME_BYTES]
        port = int.from_bytes(raw[2:4], "big")
        if self.v6:
            return socket.inet_ntop(socket.AF_INET6, bytes(raw[8:24])), port
        return socket.inet_ntop(socket.AF_INET, bytes(raw[4:8])), port

    def asked(self, slot: int) -> bytes:
        """Which of our addresses the datagram in a slot was sent to, packed; empty when not told."""
        raw = self._control_view[slot * CONTROL_BYTES : (slot + 1) * CONTROL_BYTES]
        _, level, kind = struct.unpack_from("=QII", raw)
        if self._in_words[8 * slot + 5] < 16:
            return b""
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            return bytes(raw[24:28])
        if (level, kind) == (socket.IPPROTO_IPV6, IPV6_PKTINFO):
            return bytes(raw[16:32])
        return b""

    def ancillary(self, ours: bytes) -> list[tuple[int, int, bytes]]:
        """The control message that makes a datagram leave from our address `ours`."""
        if not ours:
            return []
        if self.v6:
            return [(socket.IPPROTO_IPV6, IPV6_PKTINFO, ours + bytes(4))]
        return [(socket.IPPROTO_IP, IP_PKTINFO, bytes(4) + ours + bytes(4))]

    def target(self, address: Address, ours: bytes) -> tuple[int, int, int, Any]:
        """Where to and from which of our addresses: place of the socket address, place and size of the
        control message, and what keeps both alive."""
        host, port = address
        if self.v6:
            raw = struct.pack("=H", socket.AF_INET6) + struct.pack("!HL", port, 0)
            raw += socket.inet_pton(socket.AF_INET6, host) + bytes(4)
        else:
            raw = struct.pack("=H", socket.AF_INET) + struct.pack("!H", port)
            raw += socket.inet_aton(host) + bytes(8)
        control = b""
        for level, kind, value in self.ancillary(ours):
            control = struct.pack("=QII", 16 + len(value), level, kind) + value + bytes(-len(value) & 7)
        memory = _ffi.new("unsigned char[]", raw + bytes(-len(raw) & 7) + control)
        place = int(_ffi.cast("uintptr_t", memory))
        return place, place + len(raw) + (-len(raw) & 7) if control else 0, len(control), memory


def _headers(count: int, name_bytes: int) -> tuple[Any, memoryview[int], tuple[Any, memoryview[int]]]:
    """`count` struct mmsghdr, each with one struct iovec: memory, its words, and the iovecs likewise."""
    messages = _ffi.new("unsigned char[]", count * HEADER_BYTES)
    vectors = _ffi.new("unsigned char[]", count * 16)
    words = memoryview(_ffi.buffer(messages)).cast("B").cast("Q")
    base = int(_ffi.cast("uintptr_t", vectors))
    for i in range(count):
        words[8 * i + 1] = name_bytes
        words[8 * i + 2] = base + 16 * i
        words[8 * i + 3] = 1
    return messages, words, (vectors, memoryview(_ffi.buffer(vectors)).cast("B").cast("Q"))
