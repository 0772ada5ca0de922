"""A client's leg for load tests: real ICE checks, DTLS and SRTP on one small UDP socket, no codec.

It answers the server's ICE-lite offer as a browser would (controlling, aggressive nomination, DTLS
server), sends what it is given and stamps what arrives. One socket per path, no thread, no task.
Source: RFC 8445, RFC 5764; docs/protocol.md, section 5.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import socket
import time
import weakref
from collections.abc import Callable
from struct import pack
from typing import Any

from aioice import stun
from pylibsrtp import Error as SrtpError

from media import rtp
from media.dtls import Dtls, Identity
from media.guard import Kind, classify
from media.sdp import OPUS

CHECK_EVERY_S = 2.0
RETRY_S = 0.05
IDENTITY = Identity()
_OPEN: weakref.WeakSet[PeerPath] = weakref.WeakSet()


def close_all() -> None:
    """Close every path of this process that is still open."""
    for path in list(_OPEN):
        path.close(goodbye=False)


class PeerPath(asyncio.DatagramProtocol):
    """One path: `await connected`, then `send_rtp`; `on_rtp(header, packet, at_ns)` for what arrives."""

    def __init__(self, offer_sdp: str, on_rtp: Callable[[rtp.Header, bytes, int], None]) -> None:
        self._remote_ufrag = _attribute(offer_sdp, "ice-ufrag")
        self._remote_password = _attribute(offer_sdp, "ice-pwd")
        self._server = _candidate(offer_sdp)
        self._ufrag = secrets.token_hex(4)
        self._password = secrets.token_hex(16)
        self._on_rtp = on_rtp
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._checked = False
        self.rtcp: list[bytes] = []
        self.refused = 0
        self.dtls = Dtls(IDENTITY, client=False, send=self._send)
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answer_sdp = answer(offer_sdp, self._ufrag, self._password)

    def answer_to(self, offer_sdp: str) -> str:
        """The answer to a later revision of the path's offer."""
        return answer(offer_sdp, self._ufrag, self._password)

    async def start(self, host: str = "127.0.0.1") -> None:
        """Open the socket and begin to check; the answer may be posted in parallel."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, 0))
        _OPEN.add(self)
        self._check()

    def close(self, *, goodbye: bool = True) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if goodbye:
            self.dtls.close()
        if self._transport is not None:
            self._transport.close()

    def connect(self) -> int:
        """Connect the socket to the server, for a generator that sends on it itself; its descriptor."""
        assert self._transport is not None
        fd: int = self._transport.get_extra_info("socket").fileno()
        with socket.socket(fileno=os.dup(fd)) as sock:
            sock.connect(self._server)
        return fd

    def handles(self) -> tuple[Any, Any]:
        """libsrtp's contexts (inbound, outbound)."""
        return self.dtls.handles()

    def send_rtp(self, packet: bytes) -> None:
        if self.dtls.outbound is not None:
            self._send(self.dtls.outbound.protect(packet))

    def send_rtcp(self, packet: bytes) -> None:
        if self.dtls.outbound is not None:
            self._send(self.dtls.outbound.protect_rtcp(packet))

    def send_raw(self, data: bytes) -> None:
        self._send(data)

    @property
    def local_address(self) -> tuple[str, int]:
        assert self._transport is not None
        address: tuple[str, int] = self._transport.get_extra_info("sockname")
        return address

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        at_ns = time.perf_counter_ns()
        kind = classify(data)
        if kind is Kind.STUN:
            self._checked = True
        elif kind is Kind.DTLS:
            self.dtls.receive(data)
            if self.dtls.connected and not self.connected.done():
                self.connected.set_result(None)
        elif kind is Kind.RTP and self.dtls.inbound is not None:
            try:
                packet = self.dtls.inbound.unprotect(data)
            except SrtpError:
                self.refused += 1
                return
            header = rtp.parse(packet)
            if header is not None:
                self._on_rtp(header, packet, at_ns)
        elif kind is Kind.RTCP and self.dtls.inbound is not None:
            self.rtcp.append(self.dtls.inbound.unprotect_rtcp(data))

    def _check(self) -> None:
        """A binding request that nominates; repeated soon until answered, then as consent."""
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self._remote_ufrag}:{self._ufrag}"
        request.attributes["PRIORITY"] = 1_845_501_695
        request.attributes["ICE-CONTROLLING"] = secrets.randbits(63)
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(self._remote_password.encode())
        self._send(bytes(request))
        wait_s = CHECK_EVERY_S if self._checked else RETRY_S
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._check)

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, self._server)


class Voice:
    """Pre-encoded Opus paced at 50 packets a second into whichever path is current.

    before: the path that is being left; it is fed too until the other side is on the new one.
    """

    def __init__(self, packets: list[bytes], ssrc: int | None = None) -> None:
        self._packets = packets
        self._at = secrets.randbelow(len(packets))
        self._seq = secrets.randbits(15)
        self._timestamp = secrets.randbits(31)
        self.ssrc = ssrc or secrets.randbits(31) + 1
        self.path: PeerPath | None = None
        self.before: PeerPath | None = None
        self.sent = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._due_s = asyncio.get_running_loop().time()
        self._tick()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._due_s = max(self._due_s + 0.02, loop.time() - 0.1)
        self._timer = loop.call_at(self._due_s, self._tick)
        self.send_one()

    def send_one(self) -> bytes | None:
        """Send the next packet now; the unprotected packet, None while there is no path."""
        if self.path is None:
            return None
        payload = self._packets[self._at % len(self._packets)]
        header = pack("!BBHLL", 0x80, OPUS, self._seq, self._timestamp, self.ssrc)
        self._at += 1
        self._seq = (self._seq + 1) & 0xFFFF
        self._timestamp = (self._timestamp + 960) & 0xFFFFFFFF
        self.path.send_rtp(header + payload)
        if self.before is not None:
            self.before.send_rtp(header + payload)
        self.sent += 1
        return header + payload


def answer(offer_sdp: str, ufrag: str, password: str) -> str:
    """The answer a client gives: every section accepted, we are the DTLS server."""
    fingerprint = IDENTITY.fingerprint
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", ""]
    offered = re.findall(r"^m=(audio|video) \d \S+ ([\d ]+)\r$", offer_sdp, re.M)
    lines[-1] = "a=group:BUNDLE " + " ".join(map(str, range(len(offered))))
    for number, section in enumerate(offered):
        kind, formats = section
        lines += [
            f"m={kind} 9 UDP/TLS/RTP/SAVPF {formats}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{number}",
            "a=sendrecv" if number < 3 else "a=recvonly",
            "a=rtcp-mux",
            *re.findall(r"^a=fmtp:\d+ apt=\d+(?=\r$)", offer_sdp, re.M),
            f"a=ice-ufrag:{ufrag}",
            f"a=ice-pwd:{password}",
            f"a=fingerprint:sha-256 {fingerprint}",
            "a=setup:passive",
        ]
    return "\r\n".join(lines) + "\r\n"


def _attribute(sdp: str, name: str) -> str:
    found = re.search(rf"^a={name}:(\S+)", sdp, re.M)
    assert found is not None, name
    return found[1]


def _candidate(sdp: str) -> tuple[str, int]:
    found = re.search(r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", sdp, re.M)
    assert found is not None, "no candidate"
    return found[1], int(found[2])
