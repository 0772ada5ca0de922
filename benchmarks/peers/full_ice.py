"""Our side of a call with a server that checks connectivity itself (Janus, aiortc): full ICE, one codec.

Such servers bind no loopback address, so both sides use the machine's own; the kernel loops that back too.
Source: RFC 8445, RFC 8829.
"""

from __future__ import annotations

import re
import socket
from typing import Any

from aioice import stun

from benchmarks.peer import IDENTITY, PeerPath
from benchmarks.peers.servers import Failed
from media.guard import Kind, classify
from media.rtp import LEVEL_ID, MID_ID, TWCC_ID
from media.sdp import OPUS, VP8

NOWHERE = "a=ice-ufrag:none\r\na=ice-pwd:none\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n"


def own_address() -> str:
    """The machine's address that is not loopback. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        address: str = probe.getsockname()[0]
    return address


def description(media: str, ufrag: str, password: str, setup: str) -> str:
    """Our side as offer or answer: one section, one codec, the extensions our packets carry."""
    voice = media == "voice"
    payload_type, name = (OPUS, "opus/48000/2") if voice else (VP8, "VP8/90000")
    extension = f"{LEVEL_ID} urn:ietf:params:rtp-hdrext:ssrc-audio-level"
    if not voice:
        extension = f"{TWCC_ID} http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
    mid = "0" if voice else "1"  # as in the packets
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {mid}",
        f"m={'audio' if voice else 'video'} 9 UDP/TLS/RTP/SAVPF {payload_type}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{mid}",
        "a=sendrecv",
        "a=rtcp-mux",
        f"a=rtpmap:{payload_type} {name}",
        f"a=extmap:{extension}",
        f"a=extmap:{MID_ID} urn:ietf:params:rtp-hdrext:sdes:mid",
        f"a=ice-ufrag:{ufrag}",
        f"a=ice-pwd:{password}",
        f"a=fingerprint:sha-256 {IDENTITY.fingerprint}",
        f"a=setup:{setup}",
    ]
    return "\r\n".join(lines) + "\r\n"


class FullIcePath(PeerPath):
    """A path to a peer that checks too: its binding requests are answered. We are always DTLS server."""

    def __init__(self) -> None:
        super().__init__(NOWHERE, lambda header, packet, at_ns: None)

    def describe(self, media: str, setup: str) -> str:
        return description(media, self._ufrag, self._password, setup)

    def towards(self, sdp: str) -> None:
        """The peer's description is here. Raises: Failed when it says no address."""
        found = [re.search(pattern, sdp, re.M) for pattern in (r"^a=ice-ufrag:(\S+)", r"^a=ice-pwd:(\S+)")]
        place = re.search(r"^a=candidate:\S+ 1 udp \d+ ([\d.]+) (\d+) typ host", sdp, re.M | re.I)
        if found[0] is None or found[1] is None or place is None:
            raise Failed("the peer's description has no address")
        self._remote_ufrag, self._remote_password = found[0][1], found[1][1]
        self._server = place[1], int(place[2])

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if classify(data) is Kind.STUN:
            message = stun.parse_message(data)
            if message.message_class == stun.Class.REQUEST:
                response = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, message.transaction_id)
                response.attributes["XOR-MAPPED-ADDRESS"] = addr
                response.add_message_integrity(self._password.encode())
                self._send(bytes(response))
                return
        super().datagram_received(data, addr)
